//! Messages of this project, to Slack and by SMS. No part of px; a brain may use any client.
//!
//! Without a token nothing is sent: the message is logged, and its id is made from the idempotency key, so
//! the whole project runs offline.
//!
//! | variable | |
//! |---|---|
//! | `SLACK_BOT_TOKEN` | the bot's token, `xoxb-…`; without it Slack messages are only logged |
//! | `SLACK_API_URL` | default `https://slack.com/api` |
//! | `TWILIO_ACCOUNT_SID`, `TWILIO_AUTH_TOKEN` | the account; without both text messages are only logged |
//! | `TWILIO_PHONE_NUMBER` | the sender's number, needed with an account |
//! | `TWILIO_API_URL` | default `https://api.twilio.com` |

use std::sync::OnceLock;
use std::time::Duration;

use px::prelude::*;
use serde_json::json;

/// No request takes longer than this.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Posts to a channel, or to a thread of it. Returns the message's id, by which
/// the thread that it begins is known.
///
/// # Errors
/// Slack did not answer, or refused; a refusal is permanent.
pub async fn slack(channel: &str, thread: Option<&str>, text: &str, key: &str) -> Result<String> {
    let Some(token) = setting("SLACK_BOT_TOKEN") else {
        tracing::info!(channel, thread, text, "not sent to Slack: SLACK_BOT_TOKEN is not set");
        return Ok(offline_id("slack", key));
    };
    let api = setting("SLACK_API_URL").unwrap_or_else(|| "https://slack.com/api".to_owned());
    let posted: Posted = client()?
        .post(format!("{}/chat.postMessage", api.trim_end_matches('/')))
        .bearer_auth(token)
        .header("Idempotency-Key", format!("{key}:slack"))
        .json(&json!({"channel": channel, "thread_ts": thread, "text": text}))
        .send()
        .await?
        .error_for_status()?
        .json()
        .await?;
    // Slack refuses with 200 and `ok: false`; what is wrong then stays wrong.
    posted.ts.filter(|_| posted.ok).ok_or_else(|| {
        Error::permanent(format_args!(
            "Slack refused: {}",
            posted.error.as_deref().unwrap_or("no reason given")
        ))
    })
}

/// Slack's answer to a posted message.
#[derive(Deserialize)]
struct Posted {
    ok: bool,
    ts: Option<String>,
    error: Option<String>,
}

/// Sends a text message. Returns its id.
///
/// # Errors
/// Twilio did not answer, or refused.
pub async fn sms(to: &str, text: &str, key: &str) -> Result<String> {
    let (Some(account), Some(token)) = (setting("TWILIO_ACCOUNT_SID"), setting("TWILIO_AUTH_TOKEN")) else {
        tracing::info!(
            to,
            text,
            "not sent by SMS: TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN are not both set"
        );
        return Ok(offline_id("sms", key));
    };
    let from = setting("TWILIO_PHONE_NUMBER").ok_or_else(|| {
        Error::permanent("set TWILIO_PHONE_NUMBER to the number that text messages come from")
    })?;
    let api = setting("TWILIO_API_URL").unwrap_or_else(|| "https://api.twilio.com".to_owned());
    let sent: Sent = client()?
        .post(format!("{}/2010-04-01/Accounts/{account}/Messages.json", api.trim_end_matches('/')))
        .basic_auth(&account, Some(token))
        .header("Idempotency-Key", format!("{key}:sms"))
        .form(&[("From", from.as_str()), ("To", to), ("Body", text)])
        .send()
        .await?
        .error_for_status()?
        .json()
        .await?;
    Ok(sent.sid)
}

/// Twilio's answer to a message that was sent.
#[derive(Deserialize)]
struct Sent {
    sid: String,
}

/// The id of a message that was only logged: the same for the same key.
fn offline_id(way: &str, key: &str) -> String {
    format!("{key}:{way}")
}

/// An environment variable; an empty one counts as not set.
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The HTTP client, made at first use.
fn client() -> Result<&'static reqwest::Client> {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    if let Some(client) = CLIENT.get() {
        return Ok(client);
    }
    // rustls wants to be told once which cryptography to use. An error says
    // that it has been told already, and that is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().timeout(TIMEOUT).build()?;
    Ok(CLIENT.get_or_init(|| client))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_tokens_ids_come_from_the_key() {
        let first = slack("general", None, "hi", "run_1:ask:0").await.unwrap();
        assert_eq!(first, "run_1:ask:0:slack");
        assert_eq!(sms("+15550100", "hi", "run_1:ask:0").await.unwrap(), "run_1:ask:0:sms");
    }

    #[test]
    fn the_client_can_be_made() {
        client().unwrap();
    }
}
