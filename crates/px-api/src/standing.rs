//! The place at which a run of a list stands.

#![expect(missing_docs, reason = "a field whose name says it all has no description in the document either")]

use px_core::{Timestamp, wait};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Cause;

/// Registrations that are named of one run in a list.
const MAX_AWAITED: usize = 10;

/// As much of a run as a list needs to say what it waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Standing {
    /// The step that it is at, or that comes next, with the steps around it: `pay[2]/book`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Webhooks and identifiers that it listens to: the first ten of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub awaits: Vec<Awaited>,
    /// Number of all that it listens to.
    #[serde(default)]
    pub awaits_count: u32,
    /// Time since which it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Time at which it goes on without an event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Cause of its pause or cancellation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Message of the error that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Reason that the run exists.
    pub cause: Cause,
    /// Number of entries its log has.
    pub seq: u64,
}

/// A webhook and an identifier that a run of a list listens to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Awaited {
    pub slug: String,
    pub identifier: String,
}

impl Awaited {
    /// Everything that a wait still listens to.
    pub fn at(wait: &wait::Wait) -> impl Iterator<Item = Self> {
        let open = (0..).zip(&wait.registrations).filter(|(index, _)| !wait.is_answered(*index));
        open.map(|(_, registration)| Self {
            slug: registration.key.slug.to_string(),
            identifier: registration.key.identifier.to_string(),
        })
    }
}

/// Returns the step that a run is at with the steps around it, as its log names it.
#[must_use]
pub fn step_of(run: &px_core::Run) -> Option<String> {
    let frame = run.frame().filter(|frame| !frame.step.is_empty())?;
    Some(run.path().map_or_else(|| frame.step.clone(), |path| format!("{path}/{}", frame.step)))
}

impl From<&px_core::Run> for Standing {
    fn from(run: &px_core::Run) -> Self {
        let is_open = !run.status.is_terminal();
        let awaits: Vec<Awaited> = run.waits.iter().flat_map(Awaited::at).collect();
        Self {
            step: step_of(run).filter(|_| is_open),
            awaits_count: u32::try_from(awaits.len()).unwrap_or(u32::MAX),
            awaits: awaits.into_iter().take(MAX_AWAITED).collect(),
            since: run.waits.iter().map(|wait| wait.opened_at).min(),
            until: run.waits.iter().filter_map(|wait| wait.deadline).min().or(run.retry_at),
            reason: run.reason.clone(),
            error: run.error.as_ref().map(|error| crate::Failure::from(error).in_words()),
            cause: Cause::of(run),
            seq: run.seq,
        }
    }
}
