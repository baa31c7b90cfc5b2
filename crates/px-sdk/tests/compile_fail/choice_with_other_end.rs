//! All arms of a choice end with the same state.
mod given;
use given::*;
use px::prelude::*;

#[derive(Serialize, Deserialize, Choice)]
enum Route {
    Card(Order),
    Invoice(Order),
}

async fn route(_cx: Cx, order: Order) -> Result<Next<Route>> {
    Ok(Next(Route::Card(order)))
}

fn orders() -> Brain<Order> {
    brain("orders")
        .step("route", route)
        .choose("how", Route::ways().card(|b| b.step("price", price)).invoice(|b| b))
        .build()
}

fn main() {}
