//! The log of a run. Which fields an event has depends on its type, so those that
//! every event has are read, and the others are kept as they came:
//! [`Event::detail`] reads them where it is known what they are.

#![expect(missing_docs, reason = "a field whose name says it all has no description in the document either")]

use px_core::wait::WaitMode;
use px_core::{RunId, Timestamp, wire};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Failure, Object, Open, Registration, RunStatus, StepStatus};

/// An entry of a run's log. Which further fields there are depends on the type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// `brain:start`, `step:complete`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// From 1, without a gap.
    pub seq: u64,
    pub timestamp: Timestamp,
    pub brain_run_id: RunId,
    #[schemars(with = "Object")]
    pub options: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brain_title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brain_description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub status: Option<RunStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_id: Option<String>,
    /// The further fields.
    #[serde(flatten)]
    #[schemars(skip)]
    pub fields: Object,
}

impl Event {
    /// An event of this run's log in the flat form. `run` may be at
    /// any later point of the log.
    #[must_use]
    pub fn of(run: &px_core::Run, event: &px_core::Event) -> Self {
        let mut fields = match wire::event(run, event) {
            Value::Object(fields) => fields,
            _ => Object::new(),
        };
        let mut text = |name| match fields.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let (kind, status) = (text("type").unwrap_or_default(), text("status"));
        let (brain_title, brain_description) = (text("brainTitle"), text("brainDescription"));
        let (step_title, step_id) = (text("stepTitle"), text("stepId"));
        for known in ["seq", "timestamp", "brainRunId", "options"] {
            fields.remove(known);
        }
        Self {
            kind,
            seq: event.seq,
            timestamp: event.at,
            brain_run_id: run.id,
            options: run.options.clone(),
            brain_title,
            brain_description,
            status: status.map(|status| RunStatus::from(&*status)),
            step_title,
            step_id,
            fields,
        }
    }

    /// Returns what its further fields say.
    #[must_use]
    pub fn detail(&self) -> Detail {
        #[derive(Serialize)]
        struct Tagged<'a> {
            #[serde(rename = "type")]
            kind: &'a str,
            #[serde(flatten)]
            fields: &'a Object,
        }
        let tagged = Tagged { kind: &self.kind, fields: &self.fields };
        serde_json::to_value(tagged).and_then(serde_json::from_value).unwrap_or(Detail::Other)
    }

    /// Returns whether it is the last one of a run that is not sent back to a step: the
    /// end of a nested brain is none.
    #[must_use]
    pub fn is_end(&self) -> bool {
        let is_nested = self.fields.contains_key("depth");
        !is_nested && matches!(&*self.kind, "brain:complete" | "brain:error" | "brain:cancelled")
    }
}

/// Entries of a run's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Events {
    pub events: Vec<Event>,
    pub count: u64,
    /// The `cursor` of the next page, if something comes after this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<u64>,
}

impl From<Vec<Event>> for Events {
    fn from(events: Vec<Event>) -> Self {
        Self { count: events.len() as u64, events, next_cursor: None }
    }
}

/// The further fields of an event, by its type. Fields and types that are not
/// named here are in [`Event::fields`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Detail {
    /// The run began, with this state.
    #[serde(rename = "brain:start")]
    Start { initial_state: Value },
    /// The run failed for good.
    #[serde(rename = "brain:error")]
    Failed { error: Failure },
    /// The run was ended from outside.
    #[serde(rename = "brain:cancelled")]
    Cancelled { reason: Option<String> },
    /// The run stands still until it is resumed.
    #[serde(rename = "brain:paused")]
    Paused { reason: Option<String> },
    /// The run pauses when its step returns.
    #[serde(rename = "brain:pause_requested")]
    PauseRequested { reason: Option<String> },
    /// The run goes back to a step.
    #[serde(rename = "brain:rerun")]
    Rerun { starts_at: u32, reset_to: u64 },
    /// Another run waits for this one's end.
    #[serde(rename = "brain:awaited")]
    Awaited { by: String },
    /// A wait was opened; `timeout` is in milliseconds.
    #[serde(rename = "brain:webhook")]
    Waits { wait_for: Vec<Registration>, mode: Option<Open<WaitMode>>, timeout: Option<u64> },
    /// A wait got what it needed.
    #[serde(rename = "brain:webhook_response")]
    Response { slug: Option<String>, identifier: Option<String>, response: Option<Value> },
    /// A wait got one of several responses.
    #[serde(rename = "brain:webhook_partial")]
    Partial { slug: Option<String>, identifier: Option<String>, response: Value, have: u32, need: u32 },
    /// The status of steps changed.
    #[serde(rename = "step:status")]
    Steps { steps: Vec<StepStatus> },
    /// A step's code begins.
    #[serde(rename = "step:start")]
    StepStart { attempt: u32 },
    /// A step failed, and is tried again.
    #[serde(rename = "step:retry")]
    StepRetry { attempt: u32, error: Failure, due_at: Timestamp },
    /// A turn of a wait's reminder begins, ends or fails.
    #[serde(rename = "step:reminder")]
    Reminder {
        name: String,
        nth: u32,
        attempt: u32,
        progress: String,
        error: Option<Failure>,
        next_at: Option<Timestamp>,
    },
    /// A memoised side effect.
    #[serde(rename = "step:once")]
    Once { name: String, value: Value },
    /// Progress that a step reports.
    #[serde(rename = "step:emit")]
    Emit { name: String, data: Value },
    /// A step over a list has done one item.
    #[serde(rename = "iterate:item_complete")]
    Item { processed_count: u32, total_items: u32 },
    /// Nothing more, or nothing that this version knows.
    #[serde(other)]
    Other,
}
