//! The step after a wait takes the response.
mod given;
use given::*;
use px::prelude::*;

async fn decide(_cx: Cx, order: Order) -> Result<Next<Order>> {
    Ok(Next(order))
}

fn orders() -> Brain<Order> {
    brain("orders").step("ask", ask).step("decide", decide).build()
}

fn main() {}
