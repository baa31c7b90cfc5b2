//! A step is an `async fn`, also after a wait and in a loop.
mod given;
use given::slack::SlackReply;
use given::*;
use px::prelude::*;

fn decide(_cx: Cx, order: Order, _reply: SlackReply) -> Result<Next<Order>> {
    Ok(Next(order))
}

fn count(_cx: Cx, order: Order, _reply: SlackReply) -> Result<Again<Order, SlackReply, Order>> {
    Ok(Again::done(order))
}

fn orders() -> Brain<Order> {
    brain("orders").step("ask", ask).step("decide", decide).build()
}

fn counts() -> Brain<Order> {
    brain("counts").step("ask", ask).each("count", count).build()
}

fn main() {}
