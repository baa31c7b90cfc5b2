//! An enum's webhooks are given in the order of its variants.
mod given;
use given::*;
use px::prelude::*;

#[derive(OneOf)]
enum Answer {
    Reply(slack::SlackReply),
    Other(String),
}

async fn ask(_cx: Cx, order: Order) -> Result<Waiting<Order, Answer>> {
    Ok(wait_for(order, Answer::on(slack::on("a"), slack::on("b"))))
}

#[derive(OneOf)]
enum Named {
    Reply { reply: slack::SlackReply },
}

#[derive(OneOf)]
struct NoEnum(slack::SlackReply);

fn main() {}
