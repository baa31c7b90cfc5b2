//! A step that may wait may have no response for the next one.
mod given;
use given::slack::SlackReply;
use given::*;
use px::prelude::*;

async fn ask(_cx: Cx, receipt: Receipt) -> Result<MayWait<Receipt, SlackReply>> {
    Ok(MayWait::wait(receipt, slack::on("thread")))
}

async fn hear(_cx: Cx, receipt: Receipt, _reply: SlackReply) -> Result<Next<Receipt>> {
    Ok(Next(receipt))
}

fn orders() -> Brain<Order> {
    brain("orders").step("price", price).step("ask", ask).step("hear", hear).build()
}

fn main() {}
