//! An answer is expected before there is a step.
mod given;
use given::*;
use px::prelude::*;

fn orders() -> Brain<Order> {
    brain("orders").expect(Duration::from_hours(1)).step("price", price).build()
}

fn main() {}
