//! Incoming text messages, from Twilio. A message resumes the run that waits
//! for its sender's number; if none does, it is kept for a while for one that
//! will.
//!
//! In Twilio's console give this webhook's URL to the phone number, under "A
//! message comes in". Twilio signs with the account's auth token, which goes
//! into `TWILIO_AUTH_TOKEN`, and signs the URL that it calls: behind a proxy
//! set `server.public_url` in px.toml.

use px::prelude::*;

px::webhook! {
    /// Incoming text messages, by the sender's number
    slug = "twilio",
    payload = IncomingMessage,
    response = Sms,
    verify = px::verify::twilio("TWILIO_AUTH_TOKEN"),
    handler = receive,
}

/// A text message: what a step that waits for `twilio` gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sms {
    /// The sender's number, as in `+15550100`.
    pub from: String,
    /// The number that it was sent to.
    pub to: String,
    /// The text.
    pub body: String,
}

/// Body of Twilio's requests: a form, of which px makes an object of texts. There are more fields; these
/// are all that is needed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
#[schemars(example = example())]
pub struct IncomingMessage {
    /// The message's id.
    pub message_sid: String,
    /// The sender's number.
    pub from: String,
    /// The number that it was sent to.
    pub to: String,
    /// The text; empty for a picture without words.
    pub body: String,
}

async fn receive(message: IncomingMessage) -> Result<Inbound<Sms>> {
    let IncomingMessage { from, to, body, message_sid: _ } = message;
    Ok(Inbound::resume(from.clone(), Sms { from, to, body }))
}

/// A text message, as Twilio posts it.
fn example() -> serde_json::Value {
    serde_json::json!({
        "MessageSid": "SM00000000000000000000000000000001",
        "From": "+15550100",
        "To": "+15550199",
        "Body": "I like it",
        "SmsStatus": "received",
        "NumMedia": "0"
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhooks::testing::{resumed, started, violations};
    use serde_json::json;

    #[tokio::test]
    async fn a_text_message_resumes_by_its_senders_number() {
        assert_eq!(violations("twilio", &example()), Vec::<String>::new());
        let inbound = receive(serde_json::from_value(example()).unwrap()).await.unwrap();
        let sms = json!({"from": "+15550100", "to": "+15550199", "body": "I like it"});
        assert_eq!(resumed(&inbound), Some(("+15550100", &sms)));
        assert_eq!(started(&inbound), None);
    }

    #[test]
    fn a_message_without_a_sender_is_a_violation() {
        let message = json!({"MessageSid": "SM1", "To": "+15550199", "Body": ["a", "b"]});
        assert_eq!(violations("twilio", &message), ["", "/Body"]);
    }
}
