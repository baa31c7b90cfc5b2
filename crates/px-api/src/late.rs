//! Waits that are older than their brain expects.

#![expect(missing_docs, reason = "a field whose name says it all has no description in the document either")]

use std::time::Duration;

use px_core::{RunId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::lenient::non_empty;
use crate::{Awaited, Run, words};

/// The page of the list of late waits (`GET /waits/late`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(description = "")]
pub struct ListLate {
    /// At most so many; 50 if it is not said, and never more than 1,000.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "")]
    pub limit: Option<usize>,
    /// The `nextCursor` of the page before.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "", regex(pattern = "^([0-9a-f]{2,4096})?$"))]
    pub cursor: Option<String>,
}

/// A page of late waits, by brain, of each the oldest run first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct LatePage {
    pub late: Vec<LateWait>,
    /// Number of waiting runs that were looked at for this page.
    pub looked: u64,
    /// For the query of the next page, if there may be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A run that has waited for longer than its brain expects. It goes on waiting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct LateWait {
    pub brain_run_id: RunId,
    pub brain_title: String,
    /// The step that the answer is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Time since which it waits.
    pub since: Timestamp,
    /// Milliseconds within which the answer was expected.
    pub expected_within: u64,
    /// Webhooks and identifiers that the run listens to: the first ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub awaits: Vec<Awaited>,
}

/// Says when the answer to a run that waits is expected, in a sentence.
pub(crate) fn sentence(run: &Run, now: Timestamp) -> Option<String> {
    let (since, within) =
        run.waiting_for.iter().find_map(|wait| Some((wait.since, wait.expected_within?)))?;
    let within = Duration::from_millis(within);
    let due = words::moment(since.after(within), now);
    Some(match since.after(within) < now {
        true => {
            format!("Its brain expected an answer within {}, by {due}: it is late.", words::duration(within))
        }
        false => format!("Its brain expects an answer by {due}."),
    })
}
