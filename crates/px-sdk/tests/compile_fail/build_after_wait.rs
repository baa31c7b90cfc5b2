//! Nothing takes the response.
mod given;
use given::*;
use px::prelude::*;

fn orders() -> Brain<Order> {
    brain("orders").step("ask", ask).build()
}

fn main() {}
