//! A step that takes one response after the other needs a stream before it.
mod given;
use given::slack::SlackReply;
use given::*;
use px::More;
use px::prelude::*;

async fn take(_cx: Cx, order: Order, _reply: SlackReply) -> Result<More<Order, Order>> {
    Ok(More::Done(order))
}

fn orders() -> Brain<Order> {
    brain("orders").step("ask", ask).for_each("take", take).build()
}

fn main() {}
