//! Steps move between threads, and an `Rc` must not.
mod given;
use std::rc::Rc;

use given::*;
use px::prelude::*;

async fn share(cx: Cx, order: Order) -> Result<Next<Order>> {
    let shared = Rc::new(1);
    let number = cx.once("number", async || Ok(2)).await?;
    Ok(Next(Order { number: order.number + number + *shared }))
}

fn orders() -> Brain<Order> {
    brain("orders").step("share", share).build()
}

fn main() {}
