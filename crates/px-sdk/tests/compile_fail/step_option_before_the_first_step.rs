//! A step's options follow their step; a brain's may stand anywhere.
mod given;
use given::{Order, price};
use px::prelude::*;

fn billing() -> Brain<Order> {
    brain("billing").at_most(3).retry(Retry::attempts(2)).step("price", price).build()
}

fn main() {
    let _ = billing;
}
