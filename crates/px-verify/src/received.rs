//! A webhook request as it came in: what verifiers look at, and what a
//! handler may take beside its payload (docs/rules.md#24).

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method};
use px_core::Timestamp;

/// One HTTP request to `/webhooks/<slug>`, body read, nothing parsed.
#[derive(Debug, Clone)]
pub struct Received {
    /// The request's method.
    pub method: Method,
    /// The path as the client sent it, percent-encoded, without the query.
    pub path: String,
    /// The query string as the client sent it, without the question mark.
    pub query: Option<String>,
    /// Scheme and authority of the request's target, `http://px.example` for
    /// instance, where the client sent an absolute one. They count before the
    /// header `Host` (RFC 9112 section 3.2.2).
    pub base: Option<String>,
    /// All headers, also those that are redacted in the inbox.
    pub headers: HeaderMap,
    /// The exact bytes of the body; signatures cover these.
    pub body: Bytes,
    /// The peer of the connection.
    pub remote: SocketAddr,
    /// Time at which the request's head was read; time windows are checked against it.
    pub at: Timestamp,
}

impl Received {
    /// The value of the only header line of this name, as text. `None` if it
    /// is missing, repeated, or not visible ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?;
        if values.next().is_some() {
            return None;
        }
        value.to_str().ok()
    }
}
