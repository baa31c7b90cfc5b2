//! The headers of a request beside its signature.

use http::header::{self, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use px_core::CallbackId;
use px_core::hook::{Format, Signing};
use px_core::lifecycle::Envelope;

use super::content_type;

/// The event's type.
pub const EVENT: HeaderName = HeaderName::from_static("x-px-event");
/// The event's id, which every attempt repeats: what receivers deduplicate by
/// where the format has no id in its body.
pub(crate) const EVENT_ID: HeaderName = HeaderName::from_static("x-px-event-id");
/// The delivery's id, by which px lists it.
pub const DELIVERY: HeaderName = HeaderName::from_static("x-px-delivery");

/// The headers of every attempt of a delivery: who sends, what it is, which
/// event and which delivery. A hook that signs as GitHub does names the event
/// and its id as GitHub does, too.
#[must_use]
pub fn headers(format: Format, signing: &Signing, envelope: &Envelope, delivery: CallbackId) -> HeaderMap {
    let kind = HeaderValue::from_static(envelope.kind.as_str());
    let id = text(&envelope.id.to_string());
    let mut headers = HeaderMap::from_iter([
        (USER_AGENT, HeaderValue::from_static(crate::USER_AGENT)),
        (CONTENT_TYPE, HeaderValue::from_static(content_type(format))),
        (EVENT, kind.clone()),
        (EVENT_ID, id.clone()),
        (DELIVERY, text(&delivery.to_string())),
    ]);
    if *signing == Signing::Github {
        headers.insert(HeaderName::from_static("x-github-event"), kind);
        headers.insert(HeaderName::from_static("x-github-delivery"), id);
    }
    headers
}

/// Ids are letters, digits and underscores.
fn text(id: &str) -> HeaderValue {
    HeaderValue::from_str(id).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// A header of a hook that cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the header '{name}' cannot be sent with a hook: {why}")]
pub struct HeaderError {
    name: String,
    why: &'static str,
}

/// Reads a header that a hook adds to its requests, such as `Authorization`.
/// Its value is marked as sensitive, so that no `Debug` shows it.
///
/// # Errors
/// If it is no header, or one that px or HTTP itself sets.
pub fn custom_header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), HeaderError> {
    let refused = |why| HeaderError { name: name.to_owned(), why };
    let parsed: HeaderName = name.parse().map_err(|_| refused("it is no header's name"))?;
    let taken = [
        header::CONNECTION,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::EXPECT,
        header::HOST,
        header::TE,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::USER_AGENT,
    ];
    if taken.contains(&parsed) {
        return Err(refused("px and HTTP itself set it"));
    }
    let reserved = ["webhook-", "x-px-", "proxy-"];
    if reserved.iter().any(|prefix| parsed.as_str().starts_with(prefix)) {
        return Err(refused("names that begin with webhook-, x-px- and proxy- are reserved"));
    }
    let mut value =
        HeaderValue::from_str(value).map_err(|_| refused("its value is no visible ASCII in one line"))?;
    value.set_sensitive(true);
    Ok((parsed, value))
}
