//! A conversation in direct messages, which lasts until the user says `bye`.
//! There is at most one a user, since the webhook's identifier is the user.
//!
//! Here to learn: a side effect in a loop. `once` knows the turns apart.

use px::prelude::*;

use crate::chat;
use crate::webhooks::slack::{self, SlackReply};

/// State of a run, and its result: the conversation so far.
#[derive(Debug, Serialize, Deserialize)]
pub struct Conversation {
    /// The user who talks with the bot, by id.
    pub user: String,
    /// The channel of their direct messages.
    pub channel: String,
    /// Texts of the user's messages, in order.
    pub messages: Vec<String>,
}

/// The brain: `greet`, then `reply` to each message until `bye`.
pub fn dm_conversation() -> Brain<SlackReply> {
    brain("dm-conversation")
        .describe("Answers direct messages until the user says bye")
        .step("greet", greet)
        .each("reply", reply)
        .build()
}
px::brain!(dm_conversation);

async fn greet(cx: Cx, first: SlackReply) -> Result<Waiting<Conversation, SlackReply>> {
    let hello = "Hi! Say bye to end this.";
    cx.effect("greet", async |key| chat::slack(&first.channel, None, hello, key).await).await?;
    let conversation =
        Conversation { user: first.user.clone(), channel: first.channel.clone(), messages: Vec::new() };
    Ok(Waiting::given(conversation, first))
}

async fn reply(
    cx: Cx,
    mut conversation: Conversation,
    said: SlackReply,
) -> Result<Again<Conversation, SlackReply, Conversation>> {
    let is_over = said.message.trim().eq_ignore_ascii_case("bye");
    let text = if is_over { "Bye!".to_owned() } else { format!("You said: {}", said.message) };
    cx.effect("answer", async |key| chat::slack(&conversation.channel, None, &text, key).await).await?;

    conversation.messages.push(said.message);
    if is_over {
        return Ok(Again::done(conversation));
    }
    let next = slack::on(slack::direct_messages_of(&conversation.user));
    Ok(Again::wait(conversation, next))
}
