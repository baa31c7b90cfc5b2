//! `register` stands above the function that makes a brain, and takes nothing.
mod given;
use given::{Order, price};
use px::prelude::*;

#[px::register]
async fn step(_cx: Cx, order: Order) -> Result<Next<Order>> {
    Ok(Next(order))
}

#[px::register]
fn of(title: &'static str) -> Brain<Order> {
    brain(title).step("price", price).build()
}

#[px::register]
fn order() -> Order {
    Order { number: 1 }
}

#[px::register(version = 2)]
fn billing() -> Brain<Order> {
    brain("billing").step("price", price).build()
}

fn main() {}
