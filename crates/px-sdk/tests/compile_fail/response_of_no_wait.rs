//! The step before does not wait, so there is no response to take.
mod given;
use given::slack::SlackReply;
use given::*;
use px::prelude::*;

async fn decide(_cx: Cx, receipt: Receipt, _reply: SlackReply) -> Result<Next<Receipt>> {
    Ok(Next(receipt))
}

fn orders() -> Brain<Order> {
    brain("orders").step("price", price).step("decide", decide).build()
}

fn main() {}
