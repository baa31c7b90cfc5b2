//! A nested brain says what it results in.
mod given;
use given::*;
use px::prelude::*;

fn orders() -> Brain<Order> {
    brain("orders").brain("bill", billing, |order: &Order| Order { number: order.number }, |order, _| order).build()
}

fn main() {}
