//! The server itself.

#![expect(missing_docs, reason = "a field whose name says it all has no description in the document either")]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The server takes requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Status {
    pub ready: bool,
}

/// State of the server, as a health check reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Health {
    /// `live`, `ready`, `degraded` (work is taken, and an operator has to look)
    /// or `not ready`.
    pub status: String,
    /// The first reason, if it is not ready: for callers who may read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Each reason that it is degraded or not ready: for callers who may read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasons: Option<Vec<HealthReason>>,
}

/// Reason that a server is degraded or not ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct HealthReason {
    /// Kind of reason, for programs: `closing`, `store-failed`, `store-unwritten`,
    /// `store-damaged`, `threads-stalled` or `hook-cannot-sign`.
    pub code: String,
    /// Sentence that says what is wrong and what to do.
    pub text: String,
}

impl Health {
    /// A server of this status, without reasons.
    #[must_use]
    pub fn of(status: &str) -> Self {
        Self { status: status.to_owned(), reason: None, reasons: None }
    }
}
