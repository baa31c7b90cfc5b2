//! A brain with a guard results in one of two things.
mod given;
use given::*;
use px::prelude::*;
use px::{Guarded, RunEnd, end_of};

fn guarded() -> Brain<Order, Guarded<Receipt>> {
    brain("guarded").step("price", price).guard("not free", |receipt: &Receipt| receipt.total > 0).build()
}

async fn start(cx: Cx, order: Order) -> Result<Waiting<Receipt, RunEnd<Receipt>>> {
    let run = cx.start("bill", guarded, order).await?;
    Ok(wait_for(Receipt { total: 0 }, end_of(guarded, run)))
}

fn main() {}
