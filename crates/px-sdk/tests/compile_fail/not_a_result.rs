//! A step may fail.
mod given;
use given::*;
use px::prelude::*;

async fn count(_cx: Cx, order: Order) -> Next<Order> {
    Next(order)
}

fn orders() -> Brain<Order> {
    brain("orders").step("count", count).build()
}

fn main() {}
