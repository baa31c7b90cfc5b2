//! A step says what comes next: `Next(state)`.
mod given;
use given::*;
use px::prelude::*;

async fn count(_cx: Cx, order: Order) -> Result<Order> {
    Ok(order)
}

fn orders() -> Brain<Order> {
    brain("orders").step("count", count).build()
}

fn main() {}
