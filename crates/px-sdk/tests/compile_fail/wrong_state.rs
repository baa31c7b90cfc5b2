//! The step before returns a `Receipt`.
mod given;
use given::*;
use px::prelude::*;

async fn send(_cx: Cx, order: Order) -> Result<Next<Order>> {
    Ok(Next(order))
}

fn orders() -> Brain<Order> {
    brain("orders").step("price", price).step("send", send).build()
}

fn main() {}
