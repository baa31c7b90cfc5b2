//! A step is an `async fn`.
mod given;
use given::*;
use px::prelude::*;

fn count(_cx: Cx, order: Order) -> Result<Next<Order>> {
    Ok(Next(order))
}

fn orders() -> Brain<Order> {
    brain("orders").step("count", count).build()
}

fn main() {}
