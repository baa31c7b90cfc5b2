//! Whoever waits for a run's end gets its result: the brain says which.
mod given;
use given::*;
use px::prelude::*;
use px::{RunEnd, end_of};

async fn start(cx: Cx, order: Order) -> Result<Waiting<Receipt, RunEnd<Receipt>>> {
    let run = cx.start("bill", billing, order).await?;
    Ok(wait_for(Receipt { total: 0 }, end_of(billing, run)))
}

fn main() {}
