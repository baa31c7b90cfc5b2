//! `billing` is started with an `Order`.
mod given;
use given::slack::SlackReply;
use given::*;
use px::prelude::*;

async fn receive(reply: SlackReply) -> Result<Inbound<SlackReply>> {
    Ok(Inbound::start(billing, reply))
}

async fn resume(reply: SlackReply) -> Result<Inbound<SlackReply>> {
    Ok(Inbound::resume("thread", reply).or_start(billing, Receipt { total: 1 }))
}

fn main() {}
