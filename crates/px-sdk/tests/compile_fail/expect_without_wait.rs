//! An answer is expected behind a step that does not wait.
mod given;
use given::*;
use px::prelude::*;

fn orders() -> Brain<Order> {
    brain("orders").step("price", price).expect(Duration::from_hours(1)).build()
}

fn main() {}
