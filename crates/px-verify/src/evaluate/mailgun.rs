//! Mailgun's scheme, which does not fit the declarative form: the signature is
//! in the body, and covers a timestamp and a token but not the event. Its webhooks
//! send JSON with an object `signature`, its routes send forms with the fields
//! `timestamp`, `token` and `signature`. Source: "Securing Webhooks" and "Routes" on
//! documentation.mailgun.com.
//!
//! The body has to be read before it is believed; it is read strictly, and its
//! syntax errors are refusals like any other.

use std::time::Duration;

use crate::Received;
use crate::record::{Algorithm, Keyring, TimeUnit};
use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use super::body::{FORM, body_type, essence};
use super::form_data::is_form_data;
use super::keys::Keys;
use super::mac::Mac;
use super::prepared::{Error, Verified};
use super::{Place, Refusal, form, json, multipart, window};

/// Pointer to the signature of an event.
pub(super) const SIGNATURE: &str = "/signature/signature";

/// Pointers to the signature, the time and the token of an event, and of a form.
const IN_EVENT: [&str; 3] = [SIGNATURE, "/signature/timestamp", "/signature/token"];
const IN_FORM: [&str; 3] = ["/signature", "/timestamp", "/token"];

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
    /// Where it is.
    place: &'static str,
}

impl Check {
    pub(super) fn new(tolerance_secs: u64, variable: &str, keyring: &Keyring) -> Result<Self, Error> {
        let keys = Keys::new(variable, keyring, |secret| {
            Mac::new(Algorithm::HmacSha256, secret.expose_secret().as_bytes())
        })?;
        Ok(Self { keys, tolerance: Duration::from_secs(tolerance_secs) })
    }

    pub(super) fn verify(&self, received: &Received) -> Result<Verified, Refusal> {
        let facts = match facts(received) {
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
            place: Place::Field(facts.place.to_owned()),
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

/// The body as far as the signature is in it.
fn body_of(received: &Received) -> Result<(Value, [&'static str; 3]), Refusal> {
    let malformed = |why| Refusal::malformed(Place::Body, why);
    let content_type =
        body_type(received).map_err(|_| malformed("its type cannot be read"))?.unwrap_or_default();
    if is_form_data(&received.headers) {
        let no_form = |_| malformed("it is no form");
        let parts = multipart::boundary(content_type)
            .and_then(|boundary| multipart::parts(&received.body, &boundary))
            .map_err(no_form)?;
        let mut fields = Map::new();
        for part in parts.parts.iter().filter(|part| part.file.is_none()) {
            let is_asked = IN_FORM.iter().any(|pointer| pointer.strip_prefix('/') == Some(&part.name));
            if is_asked {
                form::insert(&mut fields, &part.name, String::from_utf8_lossy(&part.content).into_owned());
            }
        }
        return Ok((Value::Object(fields), IN_FORM));
    }
    if essence(content_type).eq_ignore_ascii_case(FORM) {
        let fields = form::object(json::without_mark(&received.body));
        return Ok((Value::Object(fields.ok_or_else(|| malformed("it is no form"))?), IN_FORM));
    }
    Ok((json::strict(&received.body).map_err(|_| malformed("it is not JSON"))?, IN_EVENT))
}

fn facts(received: &Received) -> Result<Facts, Refusal> {
    let (body, [place, sent, token]) = body_of(received)?;
    // Mailgun writes the timestamp as a string or as a number.
    let text = |pointer: &str| match body.pointer(pointer) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(_) => Err(Refusal::malformed(Place::Field(pointer.to_owned()), "it is no text")),
        None => Err(Refusal::Missing(Place::Field(pointer.to_owned()))),
    };
    let timestamp = text(sent)?;
    let seconds = window::integer(&timestamp).ok_or_else(|| {
        Refusal::malformed(Place::Field(sent.to_owned()), "it is not a plain decimal integer")
    })?;
    let mut signature = [0; 32];
    hex::decode_to_slice(text(place)?, &mut signature)
        .map_err(|_| Refusal::malformed(Place::Field(place.to_owned()), "it is not 64 hexadecimal digits"))?;
    Ok(Facts {
        sent: window::point(seconds, TimeUnit::Seconds),
        timestamp,
        token: text(token)?,
        signature,
        place,
    })
}
