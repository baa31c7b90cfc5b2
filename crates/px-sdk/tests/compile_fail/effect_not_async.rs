//! An effect is an async closure: its future borrows the key.
mod given;
use given::*;
use px::prelude::*;

async fn charge(key: &str, number: u32) -> Result<u32> {
    Ok(number + u32::try_from(key.len())?)
}

async fn pay(cx: Cx, order: Order) -> Result<Next<Order>> {
    let number = cx.effect("charge", |key| charge(key, order.number)).await?;
    Ok(Next(Order { number }))
}

fn main() {}
