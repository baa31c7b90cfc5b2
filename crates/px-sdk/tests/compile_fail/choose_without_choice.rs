//! A choice is made by the state of the step before.
mod given;
use given::*;
use px::prelude::*;

#[derive(Serialize, Deserialize, Choice)]
enum Route {
    Card(Order),
}

fn orders() -> Brain<Order> {
    brain("orders")
        .step("price", price)
        .choose("how", Route::ways().card(|b| b.step("price", price)))
        .build()
}

fn main() {}
