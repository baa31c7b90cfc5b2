//! `once` hands over no key: that is `effect`.
mod given;
use given::*;
use px::prelude::*;

async fn pay(cx: Cx, order: Order) -> Result<Next<Order>> {
    let number = cx.once("charge", async |_key: &str| Ok(order.number)).await?;
    Ok(Next(Order { number }))
}

fn main() {}
