//! The version is the whole brain's, and so are its options and its description.
mod given;
use given::*;
use px::prelude::*;

fn orders() -> Brain<Order> {
    brain("orders").when("is large", |_: &Order| true, |b| b.version(2)).step("price", price).build()
}

fn main() {}
