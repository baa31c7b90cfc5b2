//! The input comes from outside, so it needs a schema.
mod given;
use given::*;
use px::prelude::*;

async fn count(_cx: Cx, receipt: Receipt) -> Result<Next<Receipt>> {
    Ok(Next(receipt))
}

fn receipts() -> Brain<Receipt> {
    brain("receipts").step("count", count).build()
}

fn main() {}
