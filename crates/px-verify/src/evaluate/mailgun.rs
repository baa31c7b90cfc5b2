//! Mailgun's scheme, which does not fit the declarative form: the signature is
//! in the body, and covers a timestamp and a token but not the event. Source:
//! "Securing Webhooks" on documentation.mailgun.com.
//!
//! The body has to be read before it is believed; it is read strictly, and its
//! syntax errors are refusals like any other.

use std::time::Duration;

use crate::Received;
use crate::record::{Algorithm, Keyring, TimeUnit};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::keys::Keys;
use super::mac::Mac;
use super::prepared::{Error, Verified};
use super::{Place, Refusal, json, window};

/// Pointer to the signature.
pub(super) const SIGNATURE: &str = "/signature/signature";
const TIMESTAMP: &str = "/signature/timestamp";
const TOKEN: &str = "/signature/token";

/// Mailgun's signing keys, made ready.
pub(super) struct Check {
    keys: Keys<Mac>,
    tolerance: Duration,
}

/// The signature object of a body.
struct Facts {
    timestamp: String,
    sent: px_core::Timestamp,
    token: String,
    signature: [u8; 32],
}

impl Check {
    pub(super) fn new(tolerance_secs: u64, variable: &str, keyring: &Keyring) -> Result<Self, Error> {
        let keys = Keys::new(variable, keyring, |secret| {
            Mac::new(Algorithm::HmacSha256, secret.expose_secret().as_bytes())
        })?;
        Ok(Self { keys, tolerance: Duration::from_secs(tolerance_secs) })
    }

    pub(super) fn verify(&self, received: &Received) -> Result<Verified, Refusal> {
        let facts = match facts(&received.body) {
            Ok(facts) => facts,
            Err(refusal) => {
                // as much work with the keys as for a well-formed signature
                for (_, mac) in self.keys.active(received.at) {
                    std::hint::black_box(mac.tag(signed("", "")));
                }
                return Err(refusal);
            }
        };
        let mut tried = 0;
        for (index, mac) in self.keys.active(received.at) {
            tried += 1;
            if mac.tag(signed(&facts.timestamp, &facts.token)).matches(&facts.signature) {
                window::check(facts.sent, received.at, self.tolerance)?;
                return Ok(Verified::by(index, Some(facts.sent)));
            }
        }
        if tried == 0 {
            return Err(Refusal::NoActiveKey);
        }
        Err(Refusal::Invalid {
            place: Place::Field(SIGNATURE.to_owned()),
            signatures: 1,
            keys: tried,
            signed_bytes: facts.timestamp.len() + facts.token.len(),
            hint: "the key may be another one; it is the webhook signing key, not the API key",
        })
    }
}

/// The signed bytes.
pub(super) fn signed<'a>(timestamp: &'a str, token: &'a str) -> impl Iterator<Item = &'a [u8]> {
    [timestamp.as_bytes(), token.as_bytes()].into_iter()
}

fn facts(body: &[u8]) -> Result<Facts, Refusal> {
    let body = json::strict(body).map_err(|_| Refusal::malformed(Place::Body, "it is not JSON"))?;
    // Mailgun writes the timestamp as a string or as a number.
    let text = |pointer: &str| match body.pointer(pointer) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(_) => Err(Refusal::malformed(Place::Field(pointer.to_owned()), "it is no text")),
        None => Err(Refusal::Missing(Place::Field(pointer.to_owned()))),
    };
    let timestamp = text(TIMESTAMP)?;
    let seconds = window::integer(&timestamp).ok_or_else(|| {
        Refusal::malformed(Place::Field(TIMESTAMP.to_owned()), "it is not a plain decimal integer")
    })?;
    let mut signature = [0; 32];
    hex::decode_to_slice(text(SIGNATURE)?, &mut signature).map_err(|_| {
        Refusal::malformed(Place::Field(SIGNATURE.to_owned()), "it is not 64 hexadecimal digits")
    })?;
    Ok(Facts { sent: window::point(seconds, TimeUnit::Seconds), timestamp, token: text(TOKEN)?, signature })
}
