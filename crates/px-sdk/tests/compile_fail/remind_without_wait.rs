//! A reminder is declared behind a step that does not wait.
mod given;
use given::*;
use px::prelude::*;

async fn nudge(_cx: Cx, _receipt: Receipt) -> Result<()> {
    Ok(())
}

fn orders() -> Brain<Order> {
    brain("orders").step("price", price).remind("nudge", Duration::from_hours(24), nudge).build()
}

fn main() {}
