//! Declaration of the requests that are repetitions of one another, where the provider sends no id
//! (docs/rules.md#19). Without either there is no deduplication: two people may both
//! answer "yes".

use std::time::Duration;

/// Rule by which two deliveries are the same one. For the option `dedup` of
/// [`webhook!`](crate::webhook); it takes the place of the provider's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dedup(pub(crate) Rule);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rule {
    Body(Duration),
    Path(String),
}

/// The same bytes again within `window` are a repetition. The window begins
/// with the first of them and does not move.
#[must_use]
pub fn body(window: Duration) -> Dedup {
    Dedup(Rule::Body(window))
}

/// Returns what is at this JSON pointer (RFC 6901) of the parsed body is the id.
pub fn path(pointer: impl Into<String>) -> Dedup {
    Dedup(Rule::Path(pointer.into()))
}
