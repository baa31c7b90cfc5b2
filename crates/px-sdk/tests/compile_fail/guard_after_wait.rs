//! A guard looks at a state; after a wait there is a response to take first.
mod given;
use given::*;
use px::prelude::*;

fn orders() -> Brain<Order> {
    brain("orders").step("ask", ask).guard("large", |order: &Order| order.number > 9).build()
}

fn main() {}
