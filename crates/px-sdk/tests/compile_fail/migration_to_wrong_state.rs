//! A migration makes the state that the next step takes.
mod given;
use given::*;
use px::prelude::*;

async fn print(_cx: Cx, receipt: Receipt) -> Result<Next<Receipt>> {
    Ok(Next(receipt))
}

fn orders() -> Brain<Order> {
    brain("orders")
        .version(2)
        .step("price", price)
        .migrate(|_from, _state| Ok(Order { number: 1 }))
        .step("print", print)
        .build()
}

fn main() {}
