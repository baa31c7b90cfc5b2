//! Somebody mentions the bot in Slack: it answers in a thread.
//!
//! Here to learn: the smallest brain, one step, started by a webhook.

use px::prelude::*;

use crate::chat;
use crate::webhooks::slack::SlackReply;

/// A request that was acknowledged; the result of a run.
#[derive(Debug, Serialize, Deserialize)]
pub struct HelpRequest {
    /// The user who asks, by id.
    pub user: String,
    /// The text of the request.
    pub request: String,
    /// The channel of the answer.
    pub channel: String,
    /// The thread of the answer.
    pub thread: String,
}

/// The brain: `acknowledge`.
pub fn help_request() -> Brain<SlackReply> {
    brain("help-request")
        .describe("Acknowledges a mention of the bot")
        .step("acknowledge", acknowledge)
        .build()
}
px::brain!(help_request);

async fn acknowledge(cx: Cx, mention: SlackReply) -> Result<Next<HelpRequest>> {
    let SlackReply { message, user, channel, thread } = mention;
    let text = format!("<@{user}> I am on it.");
    cx.effect("answer", async |key| chat::slack(&channel, Some(&thread), &text, key).await).await?;
    Ok(Next(HelpRequest { user, request: message, channel, thread }))
}
