//! A nested brain starts with what it takes, not with what is there.
mod given;
use given::*;
use px::prelude::*;

fn billed() -> Brain<Order, Receipt> {
    brain("billed").step("price", price).build()
}

fn orders() -> Brain<Receipt> {
    brain("orders")
        .brain("bill", billed, |receipt: &Receipt| Receipt { total: receipt.total }, |_, receipt: Receipt| receipt)
        .build()
}

fn main() {}
