//! Nothing waits at all before the step that takes a stream's responses.
mod given;
use given::slack::SlackReply;
use given::*;
use px::More;
use px::prelude::*;

async fn take(_cx: Cx, receipt: Receipt, _reply: SlackReply) -> Result<More<Receipt, Receipt>> {
    Ok(More::Done(receipt))
}

fn orders() -> Brain<Order> {
    brain("orders").step("price", price).for_each("take", take).build()
}

fn main() {}
