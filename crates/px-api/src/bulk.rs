//! Jobs that do one thing with many runs.

#![expect(missing_docs, reason = "a field whose name says it all has no description in the document either")]

use px_core::{BulkId, RunId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::open::{listed_words, plain_words, words};
use crate::{LabelFilter, ListRuns};

words! {
    /// Something that is done with runs.
    pub enum BulkAction {
        /// They end.
        Cancel = "cancel",
        /// They stand still.
        Pause = "pause",
        /// Paused ones go on.
        Resume = "resume",
    }
}
listed_words!(BulkAction, BulkAction::KNOWN, "Something that is done with runs");

words! {
    /// State of a job.
    pub enum BulkState {
        /// It goes on.
        Running = "running",
        /// It came to the end of its list.
        Done = "done",
        /// Somebody stopped it.
        Stopped = "stopped",
    }
}
plain_words!(BulkState);

/// Filter of runs, as that of `GET /brains/runs`: at least one field is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(description = "")]
pub struct BulkFilter {
    /// Statuses, with commas between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The brain: its title, its file name, or a part of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brain: Option<String>,
    /// Only runs created at this time or later, milliseconds since 1970-01-01 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// Only runs created at this time or earlier, milliseconds since 1970-01-01 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// Only runs that wait for an event with this identifier, or that were started for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<String>,
    /// With `identifier`: only at this webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
    /// Only runs that are at this step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Only runs whose state has this value: `/customer/id=42`.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Only runs with this label, `order=o2`, or with all labels of a list.
    #[serde(default, skip_serializing_if = "LabelFilter::is_empty")]
    pub label: LabelFilter,
}

impl BulkFilter {
    /// Returns whether it names no runs, and so would mean all of them.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The list of runs of a filter.
impl From<&BulkFilter> for ListRuns {
    fn from(filter: &BulkFilter) -> Self {
        let filter = filter.clone();
        Self {
            status: filter.status,
            brain: filter.brain,
            since: filter.since,
            until: filter.until,
            identifier: filter.identifier,
            slug: filter.slug,
            step: filter.step,
            state: filter.state,
            label: filter.label,
            ..Self::default()
        }
    }
}

/// The filter of a list of runs. Its order and the page do not matter to a job.
impl From<&ListRuns> for BulkFilter {
    fn from(list: &ListRuns) -> Self {
        let list = list.clone();
        Self {
            status: list.status,
            brain: list.brain,
            since: list.since,
            until: list.until,
            identifier: list.identifier,
            slug: list.slug,
            step: list.step,
            state: list.state,
            label: list.label,
        }
    }
}

/// Starts a job, or says what it would do (`POST /bulk`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(description = "")]
pub struct StartBulk {
    pub action: BulkAction,
    pub filter: BulkFilter,
    /// True to change nothing, and be told what would be done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Starts nothing if it would be done with more runs than so many: the number of a preview.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<u64>,
}

/// The things that a job would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct BulkPreview {
    pub action: BulkAction,
    /// Number of runs that it would be done with.
    pub would: u64,
    /// Number of runs of the filter that would refuse.
    pub cannot: u64,
    /// Why they would, the most frequent reason first.
    pub reasons: Vec<BulkReason>,
    /// The first of the runs that it would be done with.
    pub first: Vec<RunId>,
    /// Number of runs that were looked at.
    pub looked: u64,
}

/// A reason for which runs refuse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct BulkReason {
    /// A fragment of a sentence.
    pub text: String,
    pub count: u64,
}

/// A job that does one thing with the runs that a filter had at its start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct BulkJob {
    pub id: BulkId,
    pub action: BulkAction,
    pub filter: BulkFilter,
    /// The name of the API token that started it; `this machine` where there was none.
    pub by: String,
    pub state: BulkState,
    pub created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Number of runs of its list: those that refused at its start are not in it.
    pub total: u64,
    /// Number of runs of its list that are not tried yet.
    pub left: u64,
    pub done: u64,
    /// Number of runs that refused, at its start or later.
    pub refused: u64,
    /// The first of these.
    pub refusals: Vec<BulkRefusal>,
}

/// A run that refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct BulkRefusal {
    pub brain_run_id: RunId,
    /// A fragment of a sentence.
    pub why: String,
}

/// The jobs that are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct BulkJobs {
    /// The newest first.
    pub jobs: Vec<BulkJob>,
}
