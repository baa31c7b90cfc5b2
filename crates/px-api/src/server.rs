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
    /// Reason that the server is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Health {
    /// A server that is well in this respect.
    #[must_use]
    pub fn good(status: &str) -> Self {
        Self { status: status.to_owned(), reason: None }
    }

    /// A server that takes no webhooks now, and why.
    #[must_use]
    pub fn not_ready(reason: &str) -> Self {
        Self { status: "not ready".to_owned(), reason: Some(reason.to_owned()) }
    }
}
