//! The last step of an arm waits, and the response would have no step.
mod given;
use given::slack::SlackReply;
use given::*;
use px::prelude::*;

async fn ask(_cx: Cx, receipt: Receipt) -> Result<Waiting<Receipt, SlackReply>> {
    Ok(wait_for(receipt, slack::on("thread")))
}

fn orders() -> Brain<Order> {
    brain("orders").step("price", price).when("is large", |_| true, |b| b.step("ask", ask)).build()
}

fn main() {}
