//! A reply in a Slack thread that no run waits for. Questions are answered,
//! everything else is only noted.

use px::prelude::*;

use crate::chat;
use crate::webhooks::slack::SlackReply;

/// A reply that was looked at; the result of a run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Handled {
    /// The reply.
    pub reply: SlackReply,
    /// True if the bot answered.
    pub answered: bool,
}

/// The brain: `look`, then `answer`.
pub fn thread_handler() -> Brain<SlackReply> {
    brain("thread-handler")
        .describe("Looks at a reply in a thread that no run waits for")
        .step("look", look)
        .step("answer", answer)
        .build()
}
px::brain!(thread_handler);

async fn look(_cx: Cx, reply: SlackReply) -> Result<Next<Handled>> {
    let answered = reply.message.trim_end().ends_with('?');
    Ok(Next(Handled { reply, answered }))
}

async fn answer(cx: Cx, handled: Handled) -> Result<Next<Handled>> {
    if handled.answered {
        let SlackReply { channel, thread, .. } = &handled.reply;
        let text = "Good question. Mention me to get help.";
        cx.effect("answer", async |key| chat::slack(channel, Some(thread), text, key).await).await?;
    }
    Ok(Next(handled))
}
