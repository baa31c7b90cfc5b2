//! A wait with a timeout may end without a response.
mod given;
use std::time::Duration;

use given::slack::{self, SlackReply};
use given::*;
use px::prelude::*;

async fn ask_today(_cx: Cx, order: Order) -> Result<Waiting<Order, Timed<SlackReply>>> {
    Ok(wait_for(order, slack::on("thread")).timeout(Duration::from_hours(24)))
}

async fn decide(_cx: Cx, order: Order, _reply: SlackReply) -> Result<Next<Order>> {
    Ok(Next(order))
}

fn orders() -> Brain<Order> {
    brain("orders").step("ask", ask_today).step("decide", decide).build()
}

fn main() {}
