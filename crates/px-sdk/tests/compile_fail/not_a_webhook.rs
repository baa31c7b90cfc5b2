//! What can be waited for is a webhook's `on(identifier)`.
mod given;
use given::*;
use px::prelude::*;

async fn by_name(_cx: Cx, order: Order) -> Result<Waiting<Order, slack::SlackReply>> {
    Ok(wait_for(order, "slack"))
}

async fn by_function(_cx: Cx, order: Order) -> Result<Waiting<Order, slack::SlackReply>> {
    Ok(wait_for(order, slack::on))
}

fn main() {}
