//! What bank, carrier and Slack post, signed as their documentation says, with none of
//! px's own code.

use std::time::UNIX_EPOCH;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

pub(super) const BANK_SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
pub(super) const CARRIER_SECRET: &str = "a secret of the carrier's";
pub(super) const SLACK_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

/// A request to a webhook.
#[derive(Debug, Clone)]
pub struct Posted {
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Posted {
    fn new(slug: &str, content_type: &str, body: Vec<u8>, signed: &[(&str, &str)]) -> Self {
        let own = ("content-type", content_type);
        let headers = std::iter::once(&own).chain(signed);
        let headers = headers.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { path: format!("/webhooks/{slug}"), headers, body }
    }

    /// The same signature over a body of which one bit is another one.
    pub fn forged(mut self) -> Self {
        let middle = self.body.len() / 2;
        self.body[middle] ^= 1;
        self
    }
}

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

fn seconds() -> u64 {
    UNIX_EPOCH.elapsed().unwrap().as_secs()
}

/// Standard Webhooks: id, time and body are signed.
pub fn bank(slug: &str, id: &str, payload: &Value) -> Posted {
    let (at, body) = (seconds().to_string(), payload.to_string());
    let key = STANDARD.decode(BANK_SECRET.trim_start_matches("whsec_")).unwrap();
    let signature = format!("v1,{}", STANDARD.encode(mac(&key, format!("{id}.{at}.{body}").as_bytes())));
    let signed = [("webhook-id", id), ("webhook-timestamp", &*at), ("webhook-signature", &*signature)];
    Posted::new(slug, "application/json", body.into_bytes(), &signed)
}

/// The carrier signs the body, whatever it is.
fn signed_by_carrier(content_type: &str, body: Vec<u8>) -> Posted {
    let signature = hex::encode(mac(CARRIER_SECRET.as_bytes(), &body));
    Posted::new("carrier", content_type, body, &[("x-carrier-signature", &*signature)])
}

/// A line of a parcel's history.
pub fn carrier(line: &Value) -> Posted {
    signed_by_carrier("application/json", line.to_string().into_bytes())
}

/// A form with a file.
#[derive(Debug, Default)]
pub struct Form(Vec<u8>);

impl Form {
    const BOUNDARY: &str = "----desk";

    fn part(mut self, head: &str, content: &[u8]) -> Self {
        let line = format!("--{}\r\nContent-Disposition: form-data; {head}\r\n\r\n", Self::BOUNDARY);
        for piece in [line.as_bytes(), content, b"\r\n"] {
            self.0.extend_from_slice(piece);
        }
        self
    }

    pub fn text(self, field: &str, text: &str) -> Self {
        self.part(&format!("name=\"{field}\""), text.as_bytes())
    }

    pub fn file(self, field: &str, name: &str, content: &[u8]) -> Self {
        self.part(&format!("name=\"{field}\"; filename=\"{name}\"\r\nContent-Type: text/html"), content)
    }

    /// The form as the carrier posts it.
    pub fn signed(mut self) -> Posted {
        self.0.extend_from_slice(format!("--{}--\r\n", Self::BOUNDARY).as_bytes());
        signed_by_carrier(&format!("multipart/form-data; boundary={}", Self::BOUNDARY), self.0)
    }
}

/// A press of a button in Slack: a form with one field, which holds JSON.
pub fn slack_button(press: &str, user: &str, button: &Value, response_url: &str) -> Posted {
    let payload = json!({
        "type": "block_actions",
        "trigger_id": press,
        "user": { "id": user },
        "actions": [button],
        "response_url": response_url,
    });
    let encoded: String = payload.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
    let (at, body) = (seconds().to_string(), format!("payload={encoded}"));
    let signature =
        format!("v0={}", hex::encode(mac(SLACK_SECRET.as_bytes(), format!("v0:{at}:{body}").as_bytes())));
    let signed = [("x-slack-request-timestamp", &*at), ("x-slack-signature", &*signature)];
    Posted::new("slack-buttons", "application/x-www-form-urlencoded", body.into_bytes(), &signed)
}
