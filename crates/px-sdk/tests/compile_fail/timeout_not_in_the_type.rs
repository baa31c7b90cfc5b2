//! The step's return type does not say that the wait has a timeout.
mod given;
use std::time::Duration;

use given::slack::{self, SlackReply};
use given::*;
use px::prelude::*;

async fn ask_today(_cx: Cx, order: Order) -> Result<Waiting<Order, SlackReply>> {
    Ok(wait_for(order, slack::on("thread")).timeout(Duration::from_hours(24)))
}

fn main() {}
