//! An effect takes its key, also where the other side takes none.
mod given;
use given::*;
use px::prelude::*;

async fn pay(cx: Cx, order: Order) -> Result<Next<Order>> {
    let number = cx.effect("charge", async || Ok(order.number)).await?;
    Ok(Next(Order { number }))
}

fn main() {}
