//! Bodies and headers: an [`Envelope`] becomes the bytes that are signed.
//!
//! A body follows from the envelope, the format and the base of the links, and
//! from nothing else, so that it has the same bytes at every attempt. It knows
//! no secret, no schedule and no receiver.
//!
//! Four formats, one file each, in the order of docs/hooks.md. What a format
//! has no field of its own for goes into its payload, as `Rest`.
//!
//! Tests: `tests/format.rs`, byte for byte.

mod cloudevents;
mod forge;
mod headers;
mod links;
mod px;
mod rdev;

pub use headers::{DELIVERY, EVENT, HeaderError, custom_header, headers};
pub use links::Links;

use bytes::Bytes;
use px_core::hook::Format;
use px_core::lifecycle::{Envelope, RunRef};
use serde::Serialize;
use serde_json::{Map, Value};

/// A longer body becomes thin: its `data` gives way to a `dataUrl`.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// The content type of a format's bodies.
#[must_use]
pub const fn content_type(format: Format) -> &'static str {
    match format {
        Format::CloudEvents => "application/cloudevents+json",
        Format::Px | Format::Forge | Format::Rdev => "application/json",
    }
}

/// The body. At most [`MAX_BODY_BYTES`] long, unless the rest without
/// `data` (names that users chose) is longer already.
///
/// # Errors
/// None that an envelope can cause; serialisation as such may fail.
pub fn body(format: Format, envelope: &Envelope, links: &Links) -> Result<Bytes, serde_json::Error> {
    let data = Data::Full(&envelope.data);
    let full = render(format, envelope, links, data)?;
    if full.len() <= MAX_BODY_BYTES {
        return Ok(full.into());
    }
    let data =
        Data::Thin { data_url: links.data(envelope), data_bytes: serde_json::to_vec(&envelope.data)?.len() };
    render(format, envelope, links, data).map(Bytes::from)
}

fn render(
    format: Format,
    envelope: &Envelope,
    links: &Links,
    data: Data<'_>,
) -> Result<Vec<u8>, serde_json::Error> {
    match format {
        Format::Px => px::render(envelope, links, data),
        Format::CloudEvents => cloudevents::render(envelope, links, data),
        Format::Forge => forge::render(envelope, links, data),
        Format::Rdev => rdev::render(envelope, links, data),
    }
}

/// Data of the event's type, or a link to it.
enum Data<'a> {
    Full(&'a Map<String, Value>),
    Thin { data_url: Option<String>, data_bytes: usize },
}

/// Fields of every format, in this order. The other fields are the format's own.
#[derive(Serialize)]
struct Rest<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'a RunRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'static str>,
    /// True if a test event caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<bool>,
    #[serde(rename = "testedBy", skip_serializing_if = "Option::is_none")]
    tested_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Map<String, Value>>,
    #[serde(rename = "dataUrl", skip_serializing_if = "Option::is_none")]
    data_url: Option<String>,
    #[serde(rename = "dataBytes", skip_serializing_if = "Option::is_none")]
    data_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api: Option<links::Api>,
}

impl<'a> Rest<'a> {
    fn new(envelope: &'a Envelope, links: &Links, data: Data<'a>) -> Self {
        let (from, to) = envelope.change.map(|(from, to)| (from.as_str(), to.as_str())).unzip();
        let (data, data_url, data_bytes) = match data {
            Data::Full(data) => (Some(data), None, None),
            Data::Thin { data_url, data_bytes } => (None, data_url, Some(data_bytes)),
        };
        let test = envelope.test.as_ref();
        Self {
            run: envelope.run.as_ref(),
            from,
            to,
            test: test.map(|_| true),
            tested_by: test.and_then(|test| test.by.as_deref()),
            data,
            data_url,
            data_bytes,
            api: links.api(envelope),
        }
    }
}

/// The event's place among those of its run; none for events of no run.
fn seq(envelope: &Envelope) -> Option<u64> {
    envelope.run.is_some().then_some(envelope.seq)
}
