//! Server-sent events as bytes (WHATWG HTML, section 9.2), and what a client of
//! a stream understands of them.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderMap, HeaderValue, header};

/// Time after which a stream without anything to say says that it is there, so
/// that no proxy takes it for dead.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(15);

/// A comment, which clients of server-sent events pass over.
pub(crate) const COMMENT: Bytes = Bytes::from_static(b":\n\n");

/// A client's way of reading a stream (docs/rules.md#37).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reader {
    /// It reads fields beside `data:`, and comments. Others get bare frames, as
    /// the ancestor's clients read them.
    pub(crate) knows_fields: bool,
    /// The last event that it has.
    pub(crate) last: Option<u64>,
}

impl Reader {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let last = headers.get("last-event-id");
        let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
        let names_it = accepts.flat_map(|line| line.split(',')).any(|range| {
            let essence = range.split(';').next().unwrap_or_default();
            essence.trim().eq_ignore_ascii_case("text/event-stream")
        });
        Self {
            knows_fields: names_it || last.is_some(),
            last: last.and_then(|id| id.to_str().ok()).and_then(|id| id.trim().parse().ok()),
        }
    }
}

/// A frame of this data, which is JSON and so one line.
pub(crate) fn frame(id: Option<u64>, data: &str) -> Bytes {
    let mut frame = String::with_capacity(data.len() + 40);
    if let Some(id) = id {
        // Writing to a text does not fail.
        let _ = writeln!(frame, "id: {id}");
    }
    frame.push_str("data: ");
    frame.push_str(data);
    frame.push_str("\n\n");
    frame.into()
}

/// The length of a frame of this data without an id.
pub(crate) const fn length(data: &str) -> usize {
    "data: ".len() + data.len() + "\n\n".len()
}

/// A stream as a response.
pub(crate) fn respond(frames: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let frames = futures_util::StreamExt::map(frames, Ok::<_, Infallible>);
    let mut response = Body::from_stream(frames).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_names_the_type_or_an_event_gets_more_than_data() {
        for (name, value, knows_fields, last) in [
            ("accept", "*/*", false, None),
            ("accept", "text/*", false, None),
            ("accept", "application/json", false, None),
            ("accept", "text/event-stream", true, None),
            ("accept", "application/json, Text/Event-Stream;q=0.5", true, None),
            ("accept", "text/event-streams", false, None),
            ("last-event-id", "7", true, Some(7)),
            ("last-event-id", "x", true, None),
            ("last-event-id", "", true, None),
        ] {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
            assert_eq!(Reader::of(&headers), Reader { knows_fields, last }, "{name}: {value}");
        }
        assert!(!Reader::of(&HeaderMap::new()).knows_fields);
        assert_eq!(&*frame(None, "{}"), b"data: {}\n\n");
        assert_eq!(&*frame(Some(3), "{}"), b"id: 3\ndata: {}\n\n");
    }
}
