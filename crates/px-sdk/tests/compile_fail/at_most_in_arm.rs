//! Runs are limited for the whole brain.
mod given;
use given::*;
use px::prelude::*;

fn orders() -> Brain<Order> {
    brain("orders").when("is large", |_: &Order| true, |b| b.at_most(1)).step("price", price).build()
}

fn main() {}
