//! Versions are those of the whole brain, and so are migrations.
mod given;
use given::*;
use px::prelude::*;

#[derive(Deserialize)]
struct OrderV1 {
    id: u32,
}

fn orders() -> Brain<Order> {
    brain("orders")
        .when("is large", |_: &Order| true, |b| {
            b.migrate_state::<OrderV1, Order>(2, |old| Ok(Order { number: old.id }))
        })
        .step("price", price)
        .build()
}

fn main() {}
