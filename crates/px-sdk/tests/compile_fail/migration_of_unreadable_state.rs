//! The old state is read from what is stored.
mod given;
use given::*;
use px::prelude::*;

struct OrderV1 {
    id: u32,
}

fn orders() -> Brain<Order> {
    brain("orders")
        .version(2)
        .migrate_state::<OrderV1, Order>(2, |old| Ok(Order { number: old.id }))
        .step("price", price)
        .build()
}

fn main() {}
