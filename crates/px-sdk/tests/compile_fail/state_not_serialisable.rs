//! A state is stored between steps.
mod given;
use given::*;
use px::prelude::*;

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
