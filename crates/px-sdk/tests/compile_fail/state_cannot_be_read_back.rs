//! A state is read again from what was stored, after each step and each crash.
mod given;
use given::*;
use px::prelude::*;

#[derive(Serialize)]
struct Counted {
    number: u32,
}

async fn count(_cx: Cx, order: Order) -> Result<Next<Counted>> {
    Ok(Next(Counted { number: order.number }))
}

fn orders() -> Brain<Order> {
    brain("orders").step("count", count).build()
}

fn main() {}
