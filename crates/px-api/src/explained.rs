//! A run in words, and the difference that a stretch of its log made.

#![expect(missing_docs, reason = "a field whose name says it all has no description in the document either")]

use px_core::{RunId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::lenient::non_empty;
use crate::story::{Listening, Story};
use crate::{Ask, Object, Run, RunStatus};

/// Account of a run: why it is where it is, and what would move it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Explained {
    pub brain_run_id: RunId,
    pub brain_title: String,
    pub status: RunStatus,
    /// Time since which it is in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Time at which it goes on without an event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Sentences, in order.
    pub why: Vec<String>,
    /// Everything that would wake it.
    pub wake: Vec<Wakes>,
    /// Sentences about events that other runs take first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ahead: Vec<String>,
    /// Runs for whose end it waits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub awaited: Vec<String>,
}

/// A webhook and an identifier that would wake a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Wakes {
    pub slug: String,
    pub identifier: String,
    /// The token that the event must bring.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The question, if a signed link asks one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ask: Option<Ask>,
    /// Address that its sender posts to; none for a signed link, which only its reader has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

impl Explained {
    /// The account of a run of which the story was told. `url` gives the address at which
    /// an event is posted.
    #[must_use]
    pub fn of(run: &Run, story: Story, url: impl Fn(&Listening) -> Option<String>) -> Self {
        let wake = story.waits.into_iter().map(|listening| {
            let url = url(&listening);
            let Listening { slug, identifier, token, ask } = listening;
            Wakes { slug, identifier, token, ask, url }
        });
        Self {
            brain_run_id: run.brain_run_id,
            brain_title: run.brain_title.clone(),
            status: run.status.clone(),
            since: story.since,
            until: story.until,
            why: story.sentences,
            wake: wake.collect(),
            ahead: story.ahead,
            awaited: story.awaited,
        }
    }
}

/// The stretch of a log whose difference is asked for (`GET /brains/runs/{id}/diff`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(description = "")]
pub struct DiffRun {
    /// The event before the stretch; 0, which is also what counts if it is not said, is
    /// before the first one.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// The last event of the stretch; the newest one if it is not said.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
}

/// Changes that a stretch of its log made to the state of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct StateDiff {
    pub brain_run_id: RunId,
    pub from: u64,
    pub to: u64,
    /// Operations of a JSON patch (RFC 6902).
    #[schemars(with = "Vec<Object>")]
    pub patch: Vec<Value>,
}
