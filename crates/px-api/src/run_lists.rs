//! Runs in lists, with the parts of each that are asked for.

#![expect(missing_docs, reason = "a field whose name says it all has no description in the document either")]

use px_core::{Labels, RunId, Timestamp, wire};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::position::Position;
use crate::runs::ROOT;
use crate::standing::Standing;
use crate::{Nullable, Object, Open, RunStatus};

/// A run in a list: options and error are JSON texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct RunSummary {
    pub brain_run_id: RunId,
    pub brain_title: String,
    #[schemars(with = "Nullable<String>")]
    pub brain_description: Option<String>,
    /// The last event of the run as a whole.
    #[serde(rename = "type")]
    pub kind: String,
    pub status: RunStatus,
    pub options: String,
    #[schemars(with = "Nullable<String>")]
    pub error: Option<String>,
    pub created_at: Timestamp,
    #[schemars(with = "Nullable<Timestamp>")]
    pub started_at: Option<Timestamp>,
    #[schemars(with = "Nullable<Timestamp>")]
    pub completed_at: Option<Timestamp>,
    pub user_name: String,
    /// Texts by which it is found, by name.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Position of the run, for `px check`; present only if the query asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Object>")]
    pub position: Option<Open<Position>>,
    /// The place at which it stands; present only if the query asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
}

impl From<&px_core::Run> for RunSummary {
    fn from(run: &px_core::Run) -> Self {
        Self {
            brain_run_id: run.id,
            brain_title: run.brain.clone(),
            brain_description: run.description.clone(),
            kind: run.last_event.clone(),
            status: run.status.into(),
            options: run.options.to_string(),
            error: run.error.as_ref().map(|error| wire::failure(error).to_string()),
            created_at: run.created_at,
            started_at: run.started_at,
            completed_at: run.completed_at,
            user_name: ROOT.to_owned(),
            labels: run.labels.clone(),
            position: None,
            standing: None,
        }
    }
}

impl RunSummary {
    /// The same, with all that decides whether a binary can go on with it.
    #[must_use]
    pub fn with_position(run: &px_core::Run) -> Self {
        let position = Position::from(run);
        Self { position: Some(Open::Known(position)), ..Self::from(run) }
    }
}

/// Parts of a run of a list that are shown if the query asks for them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Include {
    /// All that decides whether a binary can go on with it.
    pub position: bool,
    /// What it waits for.
    pub standing: bool,
}

impl RunSummary {
    /// A run with the parts that were asked for.
    #[must_use]
    pub fn with(run: &px_core::Run, include: Include) -> Self {
        let mut shown = if include.position { Self::with_position(run) } else { Self::from(run) };
        shown.standing = include.standing.then(|| Standing::from(run));
        shown
    }
}

/// Runs, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Runs {
    pub runs: Vec<RunSummary>,
}

/// A page of runs, newest first unless the query says otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct RunPage {
    pub runs: Vec<RunSummary>,
    /// For the query of the next page, if there may be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// Number of runs that were looked at for this page; present where the filter has to
    /// look into each run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub looked: Option<u64>,
}

/// A frame of the feed of running runs (`GET /brains/watch`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunningBrains {
    /// The runs, newest first.
    pub running_brains: Vec<RunSummary>,
}
