//! A loop runs once for each response, and nothing waits for one.
mod given;
use given::slack::SlackReply;
use given::*;
use px::prelude::*;

async fn count(_cx: Cx, receipt: Receipt, _reply: SlackReply) -> Result<Again<Receipt, SlackReply, Receipt>> {
    Ok(Again::done(receipt))
}

fn orders() -> Brain<Order> {
    brain("orders").step("price", price).each("count", count).build()
}

fn main() {}
