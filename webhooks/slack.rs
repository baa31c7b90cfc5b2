//! Slack's Events API. Which message does what:
//!
//! * a mention of the bot starts `help-request`;
//! * a reply in a thread resumes the run that waits for the thread, else it
//!   starts `thread-handler`;
//! * a direct message resumes the user's `dm-conversation`, or starts one;
//! * everything else is ignored, above all what bots say: this one would
//!   answer itself.
//!
//! In Slack's app settings, under "Event Subscriptions", give this webhook's
//! URL (px answers the challenge) and subscribe to `app_mention`,
//! `message.channels` and `message.im`. The signing secret is under "Basic
//! Information"; it goes into `SLACK_SIGNING_SECRET`.

use px::prelude::*;
use serde_json::{Value, json};

use crate::dm_conversation::dm_conversation;
use crate::help_request::help_request;
use crate::thread_handler::thread_handler;

px::webhook! {
    /// Replies in Slack threads, and mentions of the bot
    slug = "slack",
    payload = SlackPayload,
    response = SlackReply,
    verify = px::verify::slack("SLACK_SIGNING_SECRET"),
    handler = receive,
}

/// A message in Slack, as a step that waits for `slack` gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SlackReply {
    /// The text.
    pub message: String,
    /// The user who wrote it, by id.
    pub user: String,
    /// The channel, by id.
    pub channel: String,
    /// The thread that the message is in, or that a reply to it would begin.
    pub thread: String,
}

/// Body of Slack's requests.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(example = example())]
pub struct SlackPayload {
    /// The event. The few requests about the app itself have none.
    pub event: Option<Kind<SlackEvent>>,
}

/// The events that this webhook knows; [`Kind`] lets the others pass.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SlackEvent {
    /// Somebody mentions the bot.
    AppMention(Message),
    /// Somebody says something, or edits, deletes, joins …: see [`Message::subtype`].
    Message(Message),
}

/// A message. Some subtypes have neither user nor text.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Message {
    /// The channel's id.
    pub channel: String,
    /// `im` for direct messages.
    pub channel_type: Option<String>,
    /// The message's id within its channel.
    pub ts: String,
    /// The id of the message that began the thread.
    pub thread_ts: Option<String>,
    /// The user who wrote it, by id.
    pub user: Option<String>,
    /// The text.
    pub text: Option<String>,
    /// Slack's kind of message; a plain one has none.
    pub subtype: Option<String>,
    /// The bot that says it.
    pub bot_id: Option<String>,
}

/// The identifier of a user's direct messages.
#[must_use]
pub fn direct_messages_of(user: &str) -> String {
    format!("dm-{user}")
}

async fn receive(payload: SlackPayload) -> Result<Inbound<SlackReply>> {
    let (message, is_mention) = match payload.event {
        Some(Kind::Known(SlackEvent::AppMention(message))) => (message, true),
        Some(Kind::Known(SlackEvent::Message(message))) => (message, false),
        Some(Kind::Other(_)) | None => return Ok(Inbound::ignore("not a message")),
    };
    if message.bot_id.is_some() {
        return Ok(Inbound::ignore("a bot said it"));
    }
    // A reply with a file, and one that is shown in the channel too, are people's words.
    match message.subtype.as_deref() {
        None | Some("file_share" | "thread_broadcast") => {}
        Some(subtype) => return Ok(Inbound::ignore(format!("no plain message: {subtype}"))),
    }
    let Some(user) = message.user else {
        return Ok(Inbound::ignore("no user said it"));
    };
    let reply = SlackReply {
        message: message.text.unwrap_or_default(),
        user,
        channel: message.channel,
        thread: message.thread_ts.clone().unwrap_or(message.ts),
    };
    // A mention in a thread is a mention, and a reply in a direct message's thread is a reply.
    Ok(if is_mention {
        Inbound::start(help_request, reply)
    } else if let Some(thread) = message.thread_ts {
        Inbound::resume(thread, reply.clone()).or_start(thread_handler, reply)
    } else if message.channel_type.as_deref() == Some("im") {
        Inbound::resume(direct_messages_of(&reply.user), reply.clone()).or_start(dm_conversation, reply)
    } else {
        Inbound::ignore("neither a mention, nor in a thread, nor a direct message")
    })
}

/// A reply in a thread, as Slack posts it.
fn example() -> Value {
    json!({
        "type": "event_callback",
        "team_id": "T0001",
        "event_id": "Ev0001",
        "event_time": 1_700_000_100,
        "event": {
            "type": "message",
            "channel": "C0001",
            "channel_type": "channel",
            "user": "U0001",
            "text": "I like it",
            "ts": "1700000100.000200",
            "thread_ts": "1700000000.000100"
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhooks::testing::{ignored, resumed, started, violations};

    /// The example with another `event`.
    fn posted(event: Value) -> Value {
        let mut payload = example();
        payload["event"] = event;
        payload
    }

    async fn handle(payload: Value) -> Inbound<SlackReply> {
        assert_eq!(violations("slack", &payload), Vec::<String>::new());
        receive(serde_json::from_value(payload).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn a_thread_reply_resumes_or_starts_thread_handler() {
        let inbound = handle(example()).await;
        let reply = json!({
            "message": "I like it", "user": "U0001", "channel": "C0001", "thread": "1700000000.000100"
        });
        assert_eq!(resumed(&inbound), Some(("1700000000.000100", &reply)));
        assert_eq!(started(&inbound), Some(("thread-handler", &reply)));
    }

    #[tokio::test]
    async fn a_reply_with_a_file_or_to_the_channel_too_is_a_reply() {
        for subtype in ["file_share", "thread_broadcast"] {
            let reply = json!({
                "type": "message", "subtype": subtype, "channel": "C0001", "channel_type": "channel",
                "user": "U0001", "text": "see this", "ts": "1.2", "thread_ts": "1.0",
                "files": [{"id": "F0001", "name": "plan.pdf"}], "root": {"type": "message", "ts": "1.0"}
            });
            let inbound = handle(posted(reply.clone())).await;
            assert_eq!(resumed(&inbound).unwrap().0, "1.0", "{subtype}");
            assert_eq!(started(&inbound).unwrap().0, "thread-handler");
            // Nor does it make a bot's words a person's.
            let mut bot = reply;
            bot["bot_id"] = json!("B1");
            assert_eq!(ignored(&handle(posted(bot)).await), Some("a bot said it"));
        }
        for subtype in ["channel_join", "bot_message", "message_deleted", "me_message", "FILE_SHARE"] {
            let other = json!({"type": "message", "subtype": subtype, "channel": "C1", "ts": "1.1", "thread_ts": "1.0"});
            assert!(ignored(&handle(posted(other)).await).unwrap().ends_with(subtype), "{subtype}");
        }
    }

    #[tokio::test]
    async fn a_mention_starts_help_request_also_in_a_thread() {
        let mention = |thread: Option<&str>| {
            posted(json!({
                "type": "app_mention", "channel": "C0001", "user": "U0001", "text": "<@B1> help",
                "ts": "5.1", "event_ts": "5.1", "thread_ts": thread
            }))
        };
        for (thread, expected) in [(None, "5.1"), (Some("4.0"), "4.0")] {
            let inbound = handle(mention(thread)).await;
            assert_eq!(resumed(&inbound), None);
            let (brain, input) = started(&inbound).unwrap();
            assert_eq!((brain, input["thread"].as_str()), ("help-request", Some(expected)));
        }
    }

    #[tokio::test]
    async fn a_direct_message_belongs_to_the_users_conversation() {
        let dm = json!({
            "type": "message", "channel": "D0001", "channel_type": "im", "user": "U0007", "text": "hello", "ts": "1.1"
        });
        let inbound = handle(posted(dm)).await;
        assert_eq!(resumed(&inbound).unwrap().0, "dm-U0007");
        assert_eq!(started(&inbound).unwrap().0, "dm-conversation");
    }

    #[tokio::test]
    async fn bots_subtypes_and_plain_talk_are_ignored() {
        let edited = json!({
            "type": "message", "subtype": "message_changed", "hidden": true, "channel": "C0001",
            "channel_type": "channel", "ts": "1.2", "event_ts": "1.2",
            "message": {"type": "message", "user": "U0001", "text": "new", "ts": "1.1"}
        });
        let bot = json!({
            "type": "message", "channel": "D0001", "channel_type": "im", "user": "U0B07", "bot_id": "B1",
            "text": "beep", "ts": "1.3", "thread_ts": "1.0"
        });
        let talk = json!({
            "type": "message", "channel": "C0001", "channel_type": "channel", "user": "U0001", "text": "lunch?",
            "ts": "1.4", "blocks": [{"type": "rich_text", "elements": []}]
        });
        for (event, reason) in [(edited, "message_changed"), (bot, "a bot"), (talk, "neither")] {
            let inbound = handle(posted(event)).await;
            assert!(ignored(&inbound).unwrap().contains(reason), "{inbound:?}");
        }
    }

    #[tokio::test]
    async fn other_events_fit_the_schema_and_are_ignored() {
        let reaction = json!({
            "type": "reaction_added", "user": "U0001", "reaction": "tada", "item_user": "U0002",
            "item": {"type": "message", "channel": "C0001", "ts": "1.1"}, "event_ts": "1.5"
        });
        // `channel` is an object here, and a text in a message.
        let channel =
            json!({"type": "channel_created", "channel": {"id": "C0009", "name": "new", "created": 1}});
        let tab = json!({"type": "app_home_opened", "user": "U0001", "channel": "D0001", "tab": "home"});
        for event in [reaction, channel, tab] {
            assert_eq!(ignored(&handle(posted(event)).await), Some("not a message"));
        }
        let limited =
            json!({"type": "app_rate_limited", "team_id": "T0001", "minute_rate_limited": 1_700_000_000});
        assert_eq!(ignored(&handle(limited).await), Some("not a message"));
    }

    #[test]
    fn a_message_that_is_none_is_a_violation_with_its_path() {
        let no_channel = posted(json!({"type": "message", "ts": "1.1", "user": "U0001", "text": 7}));
        let found = violations("slack", &no_channel);
        assert!(found.iter().any(|path| path == "/event/text"), "{found:?}");
        assert!(found.iter().any(|path| path == "/event"), "{found:?}");
    }
}
