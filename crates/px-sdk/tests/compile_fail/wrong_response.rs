//! The step before waits for `slack`.
mod given;
use given::twilio::Sms;
use given::*;
use px::prelude::*;

async fn decide(_cx: Cx, order: Order, _sms: Sms) -> Result<Next<Order>> {
    Ok(Next(order))
}

fn orders() -> Brain<Order> {
    brain("orders").step("ask", ask).step("decide", decide).build()
}

fn main() {}
