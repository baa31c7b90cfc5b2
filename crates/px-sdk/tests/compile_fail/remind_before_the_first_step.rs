//! A reminder stands before the step whose wait it belongs to.
mod given;
use given::*;
use px::prelude::*;

async fn nudge(_cx: Cx, _order: Order) -> Result<()> {
    Ok(())
}

fn orders() -> Brain<Order> {
    brain("orders").remind("nudge", Duration::from_hours(24), nudge).step("price", price).build()
}

fn main() {}
