//! The work on an item is not a step: it cannot wait.
mod given;
use given::slack::{self, SlackReply};
use given::*;
use px::items;
use px::prelude::*;

async fn ask_one(_cx: Cx, number: u32) -> Result<Waiting<u32, SlackReply>> {
    Ok(wait_for(number, slack::on("thread")))
}

fn orders() -> Brain<Order> {
    brain("orders")
        .map("ask all", items(|order: &Order| vec![order.number], ask_one), |order, _| order)
        .build()
}

fn main() {}
