//! Transport of requests: a [`Transport`] takes one and says how it ended. The
//! real one is [`Http`]; tests in virtual time use [`Simulated`].

mod http;
mod simulated;

use std::time::Duration;

use ::http::HeaderMap;
use bytes::Bytes;
use px_store::BoxFuture;
use px_store::outbox::Timing;

pub use self::http::Http;
pub use simulated::Simulated;

/// So much of an answer's body is kept; the rest is not read.
pub const MAX_ANSWER_BYTES: usize = 16 * 1024;
/// An answer whose head is longer is none that can be read, bytes.
pub(crate) const MAX_HEAD_BYTES: usize = 64 * 1024;
/// So many header lines of an answer are kept.
pub const MAX_ANSWER_HEADERS: usize = 64;
/// So much of each of them is kept, bytes.
pub const MAX_ANSWER_HEADER_BYTES: usize = 1_024;

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    /// URL of the receiver.
    pub url: String,
    /// All of its headers, the signature among them.
    pub headers: HeaderMap,
    /// The signed bytes.
    pub body: Bytes,
    /// Time that it may take, all in all.
    pub timeout: Duration,
    /// True if it may go to private addresses.
    pub allow_private: bool,
}

/// Answer of a receiver.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, at most [`MAX_ANSWER_HEADERS`].
    pub headers: Vec<(String, String)>,
    /// The beginning of the body, at most [`MAX_ANSWER_BYTES`].
    pub body: Bytes,
    /// SenderContext of the time that it took.
    pub timing: Timing,
}

/// Reason that a request got no answer, as attempt records name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// The name has no address, or could not be looked up.
    Dns,
    /// Nobody listens there.
    Refused,
    /// The connection ended early.
    Reset,
    /// It took too long.
    Timeout,
    /// TLS failed: a certificate, a version.
    Tls,
    /// The address is not one that px may send to.
    Egress,
    /// The request could not be signed or made.
    Unsendable,
    /// Anything else.
    Other,
}

impl Class {
    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns_error",
            Self::Refused => "connection_refused",
            Self::Reset => "connection_reset",
            Self::Timeout => "timeout",
            Self::Tls => "tls_error",
            Self::Egress => "egress_denied",
            Self::Unsendable => "unsendable",
            Self::Other => "network_error",
        }
    }
}

/// Nothing was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Kind of failure.
    pub class: Class,
    /// Description of the failure; it holds no secret and no query.
    pub message: String,
    /// SenderContext of the time that it took.
    pub timing: Timing,
}

/// Sends requests. It follows no redirect and tries nothing twice.
pub trait Transport: Send + Sync + 'static {
    /// Sends one request. Dropping the future gives it up.
    fn send(&self, request: Request) -> BoxFuture<'static, Result<Answer, Failure>>;
}
