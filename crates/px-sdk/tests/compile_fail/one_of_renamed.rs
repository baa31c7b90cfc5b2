//! An enum of webhooks is read by the names of its variants, so it is written by them.
mod given;
use given::*;
use px::prelude::*;

#[derive(Serialize, OneOf)]
#[serde(rename_all = "camelCase")]
enum Answer {
    Reply(slack::SlackReply),
}

#[derive(Serialize, OneOf)]
enum Other {
    #[serde(rename = "reply")]
    Reply(slack::SlackReply),
}

fn main() {}
