//! A migration may fail, so it returns a `Result`.
mod given;
use given::*;
use px::prelude::*;

#[derive(Deserialize)]
struct OrderV1 {
    id: u32,
}

fn orders() -> Brain<Order> {
    brain("orders")
        .version(2)
        .migrate_state::<OrderV1, Order>(2, |old| Order { number: old.id })
        .step("price", price)
        .build()
}

fn main() {}
