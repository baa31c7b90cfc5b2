//! The providers' questions before the first delivery, and their answers.

use crate::Received;
use crate::record::{Handshake, When};
use http::{HeaderMap, HeaderName, Method};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use super::{Place, Refusal, form, header};

/// Header with the origin that asks whether it may send.
const REQUEST_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");

/// Longest challenge that is echoed.
const MAX_CHALLENGE_BYTES: usize = 4096;

/// The answer to a handshake. It is no delivery and leaves no trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandshakeReply {
    /// The status.
    pub status: u16,
    /// The content type; empty for none.
    pub content_type: String,
    /// The body.
    pub body: String,
}

impl HandshakeReply {
    fn json(value: &Value) -> Self {
        Self { status: 200, content_type: "application/json".to_owned(), body: value.to_string() }
    }

    fn text(body: String) -> Self {
        // Never HTML: the challenge is echoed, and a browser may be asking.
        Self { status: 200, content_type: "text/plain; charset=utf-8".to_owned(), body }
    }
}

/// Handshakes that come as an unsigned GET.
pub(super) fn greet(
    handshake: &Handshake,
    verify_token: Option<&str>,
    received: &Received,
) -> Option<Result<HandshakeReply, Refusal>> {
    if received.method != Method::GET {
        return None;
    }
    let query = received.query.as_deref().unwrap_or_default().as_bytes();
    let field =
        |name: &str| form::pairs(query).find(|(key, _)| **key == *name.as_bytes()).map(|(_, value)| value);
    match handshake {
        Handshake::Probe { query } => field(query)
            .map(|_| Ok(HandshakeReply { status: 200, content_type: String::new(), body: String::new() })),
        Handshake::Subscribe { verify_token: variable } => {
            if *field("hub.mode")? != *b"subscribe" {
                return None;
            }
            let Some(expected) = verify_token else {
                return Some(Err(Refusal::Unverified { variable: Some(variable.clone()), why: None }));
            };
            Some(subscribe(expected, field("hub.verify_token").as_deref(), field("hub.challenge").as_deref()))
        }
        _ => None,
    }
}

/// Returns whether the origin in the headers may send, and which it is.
pub(super) fn permitted<'a>(handshake: &Handshake, headers: &'a HeaderMap) -> Option<&'a str> {
    let Handshake::Origin { origins } = handshake else { return None };
    let asked = header::single(headers, &REQUEST_ORIGIN).ok()?;
    let is_listed = origins.is_empty() || origins.iter().any(|origin| origin.eq_ignore_ascii_case(asked));
    (is_listed && asked.len() <= MAX_CHALLENGE_BYTES).then_some(asked)
}

fn subscribe(
    expected: &str,
    given: Option<&[u8]>,
    challenge: Option<&[u8]>,
) -> Result<HandshakeReply, Refusal> {
    let place = |name: &str| Place::Query(name.to_owned());
    let given = given.ok_or_else(|| Refusal::Missing(place("hub.verify_token")))?;
    // hashes, so that the length does not show in the time either
    if !bool::from(Sha256::digest(expected).as_slice().ct_eq(Sha256::digest(given).as_slice())) {
        return Err(Refusal::Invalid {
            place: place("hub.verify_token"),
            signatures: 1,
            keys: 1,
            signed_bytes: given.len(),
            hint: "the verify token that is entered at the provider is another one",
        });
    }
    let challenge = challenge.ok_or_else(|| Refusal::Missing(place("hub.challenge")))?;
    match std::str::from_utf8(challenge) {
        Ok(challenge) if challenge.len() <= MAX_CHALLENGE_BYTES => {
            Ok(HandshakeReply::text(challenge.to_owned()))
        }
        _ => Err(Refusal::malformed(place("hub.challenge"), "it is too long or not UTF-8")),
    }
}

/// Handshakes that come as a verified delivery. `mac` is the hex MAC of a
/// text under the key that verified it.
pub(super) fn answer(
    handshake: &Handshake,
    body: &Value,
    mac: impl Fn(&[u8]) -> Option<String>,
) -> Option<HandshakeReply> {
    match handshake {
        Handshake::Echo { when, pointer } if asks(when, body) => {
            let name = pointer.rsplit('/').next().unwrap_or_default();
            let mut object = Map::new();
            object.insert(name.to_owned(), Value::String(challenge(body, pointer)?.to_owned()));
            Some(HandshakeReply::json(&Value::Object(object)))
        }
        Handshake::Fixed { when, status, content_type, body: text } if asks(when, body) => {
            Some(HandshakeReply { status: *status, content_type: content_type.clone(), body: text.clone() })
        }
        Handshake::Hmac { when, pointer } if asks(when, body) => {
            let token = challenge(body, pointer)?;
            let reply = json!({"plainToken": token, "encryptedToken": mac(token.as_bytes())?});
            Some(HandshakeReply::json(&reply))
        }
        _ => None,
    }
}

fn asks(when: &When, body: &Value) -> bool {
    body.pointer(&when.pointer) == Some(&when.equals)
}

fn challenge<'a>(body: &'a Value, pointer: &str) -> Option<&'a str> {
    body.pointer(pointer)?.as_str().filter(|challenge| challenge.len() <= MAX_CHALLENGE_BYTES)
}
