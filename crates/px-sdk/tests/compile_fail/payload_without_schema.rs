//! Payloads are validated, so they need a schema.
mod given;
use given::slack::SlackReply;
use px::prelude::*;

#[derive(Deserialize)]
struct Posted {
    text: String,
}

px::webhook! {
    slug = "posted",
    payload = Posted,
    response = SlackReply,
    verify = px::verify::unverified(),
    handler = receive,
}

async fn receive(posted: Posted) -> Result<Inbound<SlackReply>> {
    Ok(Inbound::ignore(posted.text))
}

fn main() {}
