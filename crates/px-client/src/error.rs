//! Errors of requests: a description, the next step, and the answer to whether sending again is safe.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use px_api::{Code, pages};
use serde_json::{Map, Value};

/// The result of a request.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A request that was not answered with what it asked for. `Display` is one
/// sentence about what happened and where; [`Error::hint`] says what to do.
#[derive(Debug, Clone)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    kind: Kind,
    text: String,
    is_retry_safe: bool,
}

/// The kinds of failure.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// The client or the request cannot be made: the URL or the token is none.
    Setup,
    /// No connection came about: nothing was sent.
    Unreachable,
    /// The connection broke off, or no answer came in time. The request may have
    /// been carried out.
    Interrupted,
    /// px refused the request.
    Refused(Refusal),
    /// Something answered that is no px: a proxy, or another server.
    Foreign {
        /// The status of that answer.
        status: u16,
    },
    /// px carried out the request, and its answer is not understood.
    Unreadable,
}

/// A refusal by px.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// The body.
    pub error: px_api::Error,
    /// Time that the server asks to wait before the next attempt.
    pub retry_after: Option<Duration>,
    /// The fields of the body as they came, those included that this version
    /// does not know.
    pub fields: Map<String, Value>,
}

impl Error {
    pub(crate) fn new(kind: Kind, text: impl Into<String>, is_retry_safe: bool) -> Self {
        Self(Box::new(Inner { kind, text: text.into(), is_retry_safe }))
    }

    /// `is_repeatable` says that the request may be carried out twice without harm.
    pub(crate) fn refused(
        status: StatusCode,
        retry_after: Option<Duration>,
        fields: Map<String, Value>,
        is_repeatable: bool,
    ) -> Self {
        let error: px_api::Error = serde_json::from_value(Value::Object(fields.clone())).unwrap_or_default();
        let text = match error.error.as_str() {
            "" => format!("the server answered {status}"),
            text => text.to_owned(),
        };
        // Both are said before anything is done.
        let is_undone = retry_after.is_some() || status == StatusCode::REQUEST_TIMEOUT;
        let is_retry_safe = is_undone || (status.is_server_error() && is_repeatable);
        let refusal = Refusal { status: status.as_u16(), error, retry_after, fields };
        Self::new(Kind::Refused(refusal), text, is_retry_safe)
    }

    /// Returns what kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.0.kind
    }

    /// The refusal, if px answered with one.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self.kind() {
            Kind::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// The status that was answered, if there was an answer.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self.kind() {
            Kind::Refused(refusal) => Some(refusal.status),
            Kind::Foreign { status } => Some(*status),
            _ => None,
        }
    }

    /// The API's code of the error, if this version knows it. It stays the same
    /// when the text changes: programs compare this, and not the text.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        self.refusal()?.error.code()
    }

    /// Returns whether the same request can be sent again without being carried out
    /// twice, and may succeed then.
    ///
    /// It is safe if nothing was sent, if the server says that it has done
    /// nothing (`Retry-After`), and for requests that do the same however often
    /// they are sent: those that only read, `DELETE`, and the start of a run with
    /// an idempotency key. A refusal for good, such as 404, is not worth a retry.
    #[must_use]
    pub fn is_retry_safe(&self) -> bool {
        self.0.is_retry_safe
    }

    /// Returns how long to wait before a retry, if the server says so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.refusal()?.retry_after
    }

    /// Returns what to do next, if there is something to say: what does not fit, which
    /// brains could be meant, or the advice of the code's page.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self.kind() {
            Kind::Setup => None,
            Kind::Unreachable => Some("check that the server runs, and that the URL names it".to_owned()),
            Kind::Interrupted => Some("see what the server says, and what became of the request".to_owned()),
            Kind::Foreign { .. } => Some("check that the URL names a px server".to_owned()),
            Kind::Unreadable => Some("the server may be newer: update px-client".to_owned()),
            Kind::Refused(Refusal { error, .. }) => {
                error.details().or_else(|| error.code().map(|code| pages::advice(code).to_owned()))
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl std::error::Error for Error {}
