//! A loop runs once for each response, and there may be none.
mod given;
use given::slack::SlackReply;
use given::*;
use px::prelude::*;

async fn ask(_cx: Cx, receipt: Receipt) -> Result<MayWait<Receipt, SlackReply>> {
    Ok(MayWait::go(receipt))
}

async fn count(_cx: Cx, receipt: Receipt, _reply: SlackReply) -> Result<Again<Receipt, SlackReply, Receipt>> {
    Ok(Again::done(receipt))
}

fn orders() -> Brain<Order> {
    brain("orders").step("price", price).step("ask", ask).each("count", count).build()
}

fn main() {}
