//! The queries of routes that list. A parameter that is empty counts as absent.

mod label_filter;

use px_core::CallbackId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::RunStatus;
use crate::lenient::non_empty;

pub use label_filter::LabelFilter;

/// The pattern of a list of statuses, for the document.
const STATUSES: &str = "^((pending|running|waiting|paused|complete|error|cancelled)\
                        (,(pending|running|waiting|paused|complete|error|cancelled))*)?$";

/// The pattern of a delivery's state, for the document.
const STATES: &str =
    "^(resumed|started|queued|collected|duplicate|ignored|late|expired|quarantined|rejected)?$";

/// Statuses as [`ListRuns::status`] takes them: with commas between them.
#[must_use]
pub fn format_statuses(statuses: &[RunStatus]) -> String {
    statuses.iter().map(RunStatus::as_str).collect::<Vec<_>>().join(",")
}

/// Filter of the list of brains (`GET /brains`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(description = "")]
pub struct FindBrains {
    /// A title, a file name, or a part of one.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "")]
    pub q: Option<String>,
}

/// Number of runs of a brain that are listed (`GET /brains/{id}/history`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(description = "")]
pub struct BrainHistory {
    /// At most this many; 10 if it is not said, and never more than 1,000.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "")]
    pub limit: Option<usize>,
}

/// Filter of the list of runs (`GET /brains/runs`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(description = "")]
pub struct ListRuns {
    /// Statuses, with commas between them.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = STATUSES))]
    pub status: Option<String>,
    /// Only runs of the brain that this text means.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "")]
    pub brain: Option<String>,
    /// Only runs created at this time or later, milliseconds since 1970-01-01 UTC.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "")]
    pub since: Option<u64>,
    /// Only runs created at this time or earlier, milliseconds since 1970-01-01 UTC.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "")]
    pub until: Option<u64>,
    /// Only runs that ended at this time or later, milliseconds since 1970-01-01 UTC.
    #[serde(
        default,
        rename = "endedSince",
        deserialize_with = "non_empty",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(description = "")]
    pub ended_since: Option<u64>,
    /// Only runs that wait for an event with this identifier, or that were started for it.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "")]
    pub identifier: Option<String>,
    /// With `identifier`: only at this webhook.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "")]
    pub slug: Option<String>,
    /// Only the run that a request of this name started.
    #[serde(
        default,
        rename = "requestId",
        deserialize_with = "non_empty",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(description = "")]
    pub request_id: Option<String>,
    /// Only runs that are at this step, by its title or with the steps around it: `pay[2]/book`.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "")]
    pub step: Option<String>,
    /// Only runs whose state has this value: `/customer/id=42`. The value of a label's place
    /// is looked up among the labels.
    #[serde(
        default,
        rename = "where",
        deserialize_with = "non_empty",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(regex(pattern = r"^(/[^=]*=.*)?$"))]
    pub state: Option<String>,
    /// `oldest` for the oldest first; the newest come first if it is not said.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "", regex(pattern = "^(newest|oldest)?$"))]
    pub order: Option<String>,
    /// Only runs with this label: `order=o2`. It may be said several times, and then a run has all of them.
    #[serde(default, skip_serializing_if = "LabelFilter::is_empty")]
    #[schemars(schema_with = "label_filter::repeated")]
    pub label: LabelFilter,
    /// At most this many; 50 if it is not said, and never more than 1,000.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "")]
    pub limit: Option<usize>,
    /// The `nextCursor` of the page before.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^(run_[0-9a-f]{32})?$"))]
    pub cursor: Option<String>,
    /// `standing` adds what each run waits for, `position` what `px check` has to know;
    /// with commas between them.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "", regex(pattern = "^((standing|position)(,(standing|position))*)?$"))]
    pub include: Option<String>,
}

/// The point of its log at which a run is shown (`GET /brains/runs/{id}`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(description = "")]
pub struct ShowRun {
    /// The run as it was after the event of this number.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
}

/// Filter of the entries of a run's log (`GET /brains/runs/{id}/events`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(description = "")]
pub struct RunEvents {
    /// Only events after the one of this number.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "")]
    pub after: Option<u64>,
    /// The `nextCursor` of the page before; it counts more than `after`.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "")]
    pub cursor: Option<u64>,
    /// At most this many; 1,000 if it is not said, which is also the most.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "")]
    pub limit: Option<usize>,
}

/// Filter of the list of webhooks' deliveries (`GET /webhooks/deliveries`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(description = "")]
pub struct ListDeliveries {
    /// Only of this webhook.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "")]
    pub slug: Option<String>,
    /// Only with an event in this state.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "", regex(pattern = STATES))]
    pub state: Option<String>,
    /// Only with an event of this identifier.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "")]
    pub identifier: Option<String>,
    /// Only received at this time or later, milliseconds since 1970-01-01 UTC.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "")]
    pub since: Option<u64>,
    /// At most this many; 50 if it is not said, and never more than 1,000.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "")]
    pub limit: Option<usize>,
    /// The `nextCursor` of the page before.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "", regex(pattern = r"^(whd_[0-9a-f]{32})?$"))]
    pub cursor: Option<String>,
}

/// Filter of the list of callbacks (`GET /deliveries` and `GET /hooks/{id}/deliveries`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(description = "")]
pub struct ListCallbacks {
    /// Only to the hook of this id.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "")]
    pub hook: Option<String>,
    /// Only about this run.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "")]
    pub brain_run_id: Option<String>,
    /// Only in this state.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "", regex(pattern = "^(pending|delivered|dead|held|discarded|parked)?$"))]
    pub state: Option<String>,
    /// Only written at this time or later, milliseconds since 1970-01-01 UTC.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "")]
    pub since: Option<u64>,
    /// At most this many; 50 if it is not said, and never more than 1,000.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "")]
    pub limit: Option<usize>,
    /// The `nextCursor` of the page before.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "", with = "Option<String>", regex(pattern = r"^(dlv_[0-9a-f]{32})?$"))]
    pub cursor: Option<CallbackId>,
}
