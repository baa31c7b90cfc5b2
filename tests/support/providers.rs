//! What providers post, signed as their documentation says, with none of px's
//! own code: what px verifies here was not signed by px.

use std::net::SocketAddr;
use std::time::UNIX_EPOCH;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::Sha256;

pub const GITHUB_SECRET: &str = "a secret for tests";
pub const SLACK_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
pub const TWILIO_TOKEN: &str = "12345";

/// A request to a webhook.
#[derive(Debug, Clone)]
pub struct Request {
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Twilio signs the URL, which is known when it is known where to send.
    twilio: Option<String>,
}

impl Request {
    /// A request without a signature.
    pub fn plain(path: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Self { path: path.to_owned(), headers, body: body.into(), twilio: None }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// The same signature over a body that one bit was changed of.
    pub fn with_flipped_byte(mut self) -> Self {
        let middle = self.body.len() / 2;
        self.body[middle] ^= 1;
        self
    }

    pub(super) fn headers_for(&self, address: SocketAddr) -> Vec<(String, String)> {
        let mut headers = self.headers.clone();
        if let Some(signed) = &self.twilio {
            let mut mac = Hmac::<Sha1>::new_from_slice(TWILIO_TOKEN.as_bytes()).unwrap();
            mac.update(format!("http://{address}{}{signed}", self.path).as_bytes());
            headers.push(("x-twilio-signature".into(), STANDARD.encode(mac.finalize().into_bytes())));
        }
        headers
    }
}

pub fn hmac_sha256_hex(key: &str, message: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(message);
    hex::encode(mac.finalize().into_bytes())
}

/// An event from GitHub. `guid` is the id of the delivery.
pub fn github(event: &str, guid: &str, body: impl Into<Vec<u8>>) -> Request {
    let body = body.into();
    let signature = format!("sha256={}", hmac_sha256_hex(GITHUB_SECRET, &body));
    Request::plain("/webhooks/github", "application/json", body)
        .header("x-github-event", event)
        .header("x-github-delivery", guid)
        .header("x-hub-signature-256", &signature)
}

/// Something happened to the pull request `<repository>#<number>`. The id of
/// the delivery follows from it.
pub fn pull_request(repository: &str, number: u64, action: &str) -> Request {
    pull_request_titled(repository, number, action, "Say hello")
}

/// The same, of a pull request with this title.
pub fn pull_request_titled(repository: &str, number: u64, action: &str, title: &str) -> Request {
    let payload = json!({
        "action": action,
        "number": number,
        "pull_request": {"number": number, "title": title, "user": {"login": "octocat"}},
        "repository": {"full_name": repository},
        "sender": {"login": "octocat"}
    });
    github("pull_request", &format!("guid-{repository}-{number}-{action}"), payload.to_string())
}

/// An event from Slack, posted now.
pub fn slack(event_id: &str, event: &Value) -> Request {
    let now = UNIX_EPOCH.elapsed().unwrap().as_secs();
    let payload = json!({"type": "event_callback", "team_id": "T1", "event_id": event_id, "event": event});
    slack_at(now, payload.to_string().into_bytes())
}

/// Anything from Slack, posted at this time.
pub fn slack_at(at_secs: u64, body: Vec<u8>) -> Request {
    let mut signed = format!("v0:{at_secs}:").into_bytes();
    signed.extend_from_slice(&body);
    let signature = format!("v0={}", hmac_sha256_hex(SLACK_SECRET, &signed));
    Request::plain("/webhooks/slack", "application/json", body)
        .header("x-slack-request-timestamp", &at_secs.to_string())
        .header("x-slack-signature", &signature)
}

/// A text message, as Twilio posts it: a form, whose fields are signed in the
/// order of their names, after the URL.
pub fn twilio(sid: &str, from: &str, text: &str) -> Request {
    let fields =
        [("Body", text), ("From", from), ("MessageSid", sid), ("SmsStatus", "received"), ("To", "+15550199")];
    let signed = fields.iter().map(|(name, value)| format!("{name}{value}")).collect();
    let encode = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
                b' ' => "+".to_owned(),
                byte => format!("%{byte:02X}"),
            })
            .collect()
    };
    let form: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    let mut request = Request::plain("/webhooks/twilio", "application/x-www-form-urlencoded", form.join("&"));
    request.twilio = Some(signed);
    request
}
