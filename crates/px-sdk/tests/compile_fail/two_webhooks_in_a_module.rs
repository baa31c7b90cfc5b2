//! A webhook defines its module's `on`, so there is one a module.
mod given;
use given::slack::SlackReply;
use px::prelude::*;

#[px::handler(slug = "one", verify = px::verify::unverified())]
async fn one(reply: SlackReply) -> Result<Inbound<SlackReply>> {
    Ok(Inbound::resume("thread", reply))
}

#[px::handler(slug = "two", verify = px::verify::unverified())]
async fn two(reply: SlackReply) -> Result<Inbound<SlackReply>> {
    Ok(Inbound::resume("thread", reply))
}

fn main() {}
