//! What returns `Again` is a loop: `.each`, after a wait.
mod given;
use given::slack::SlackReply;
use given::*;
use px::prelude::*;

async fn count(_cx: Cx, order: Order, _reply: SlackReply) -> Result<Again<Order, SlackReply, Order>> {
    Ok(Again::done(order))
}

fn orders() -> Brain<Order> {
    brain("orders").step("ask", ask).step("count", count).build()
}

fn main() {}
