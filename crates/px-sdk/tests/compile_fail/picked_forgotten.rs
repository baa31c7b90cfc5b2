//! `.picked()` is in the type: the next step takes the keys beside the responses.
mod given;
use given::Order;
use given::slack::{self, SlackReply};
use px::prelude::*;

async fn ask(_cx: Cx, order: Order) -> Result<Collecting<Order, All<Vec<Picked<SlackReply>>>>> {
    Ok(wait_for_count(order, 2, slack::on("thread")).picked())
}

async fn count(_cx: Cx, order: Order, _replies: All<Vec<SlackReply>>) -> Result<Next<Order>> {
    Ok(Next(order))
}

fn council() -> Brain<Order> {
    brain("council").step("ask", ask).step("count", count).build()
}

fn main() {
    let _ = council;
}
