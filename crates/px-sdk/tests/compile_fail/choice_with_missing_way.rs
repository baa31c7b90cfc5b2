//! A choice has an arm for each of its variants, and each holds the state of its arm.
mod given;
use given::*;
use px::prelude::*;

#[derive(Serialize, Deserialize, Choice)]
enum Route {
    Card(Order),
    Invoice(Receipt),
}

async fn route(_cx: Cx, order: Order) -> Result<Next<Route>> {
    Ok(Next(Route::Card(order)))
}

fn orders() -> Brain<Order> {
    brain("orders").step("route", route).choose("how", Route::ways().card(|b| b.step("price", price))).build()
}

fn main() {}
