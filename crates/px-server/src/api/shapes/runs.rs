//! Brains and runs.

use schemars::JsonSchema;
use serde_json::Value;

use super::{Millis, Nullable, Object};

/// Brains.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Brains {
    brains: Vec<BrainInList>,
    count: u64,
}

/// A brain in a list.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct BrainInList {
    /// The name of its source file, without ending.
    filename: String,
    title: String,
    description: String,
}

/// A brain.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Brain {
    title: String,
    description: String,
    steps: Vec<BrainStep>,
    /// The JSON Schema of its initial state.
    input: Value,
    /// The JSON Schema of its options.
    options: Option<Value>,
    version: u32,
    /// Where it is written.
    source: String,
}

/// A step of a brain.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct BrainStep {
    /// `step`, `guard`, `map`, `loop` or `brain`.
    #[serde(rename = "type")]
    kind: String,
    title: String,
    /// The brain inside it.
    inner_brain: Option<Object>,
}

/// A run in a list: options and error are JSON texts.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct RunInList {
    brain_run_id: String,
    brain_title: String,
    brain_description: Nullable<String>,
    /// The last event of the run as a whole.
    #[serde(rename = "type")]
    kind: String,
    status: RunStatus,
    options: String,
    error: Nullable<String>,
    created_at: Millis,
    started_at: Nullable<Millis>,
    completed_at: Nullable<Millis>,
    user_name: String,
    /// Where it is, for `px check`: only if it was asked for.
    position: Option<Object>,
}

/// What a run does.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) enum RunStatus {
    Pending,
    Running,
    Waiting,
    Paused,
    Complete,
    Error,
    Cancelled,
}

/// Runs, newest first.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct Runs {
    runs: Vec<RunInList>,
}

/// A page of runs, newest first.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct RunPage {
    runs: Vec<RunInList>,
    /// For the query of the next page, if there may be one.
    next_cursor: Option<String>,
}

/// A run on its own.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct Run {
    brain_run_id: String,
    brain_title: String,
    brain_description: Nullable<String>,
    #[serde(rename = "type")]
    kind: String,
    status: RunStatus,
    options: Object,
    error: Nullable<Failure>,
    created_at: Millis,
    started_at: Nullable<Millis>,
    completed_at: Nullable<Millis>,
    user_name: String,
    /// As it was committed last.
    state: Value,
    waiting_for: Vec<Wait>,
    steps: Vec<StepStatus>,
    /// How many entries its log has.
    seq: u64,
    /// The step that it is at, or that comes next.
    step: Option<String>,
    /// Where that step is, inside other steps.
    path: Option<String>,
    /// Since when its step has not yielded, if that is a second or longer: it
    /// computes or blocks.
    stalled_since: Option<Millis>,
    /// The runs that it waits for its turn behind.
    turn: Option<Turn>,
    /// Why it is paused or was cancelled.
    reason: Option<String>,
    /// What the caller called the request that started it.
    request_id: Option<String>,
    /// Why it exists.
    cause: Cause,
}

/// Runs that are before another one.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct Turn {
    /// Those whose turn it is.
    under_way: Vec<String>,
    /// Those that come first.
    ahead: Vec<String>,
}

/// An error of a run.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Failure {
    name: String,
    message: String,
    stack: Option<String>,
}

/// Why a run exists: `api`, or `event`, `run`, `schedule`, `rerun`, `fork` and its id.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Cause {
    kind: String,
    id: Option<String>,
}

/// A step in the course of a run.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct StepStatus {
    id: String,
    title: String,
    /// `pending`, `running`, `complete`, `error` or `halted`.
    status: String,
}

/// What a run waits for.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct Wait {
    wait_id: String,
    wait_for: Vec<Registration>,
    /// `any`, `all`, `stream`, or an object with `count`.
    mode: Value,
    since: Millis,
    deadline: Nullable<Millis>,
    have: u32,
    need: u32,
}

/// A webhook and an identifier that a run listens to.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Registration {
    slug: String,
    identifier: String,
    token: Option<String>,
    /// Runs that an event would go to first.
    ahead: Option<Vec<String>>,
}

/// A run was started.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct StartedRun {
    brain_run_id: String,
}

/// A run goes back to a step.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct RerunRun {
    brain_run_id: String,
    brain_title: String,
}

/// An entry of a run's log. Which further fields there are depends on the type.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Event {
    /// `brain:start`, `step:complete`, …
    #[serde(rename = "type")]
    kind: String,
    /// From 1, without a gap.
    seq: u64,
    timestamp: Millis,
    brain_run_id: String,
    options: Object,
    brain_title: Option<String>,
    brain_description: Option<String>,
    status: Option<String>,
    step_title: Option<String>,
    step_id: Option<String>,
}

/// Entries of a run's log.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Events {
    events: Vec<Event>,
    count: u64,
}

/// A signal was taken.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct SignalTaken {
    success: bool,
    signal: SignalEntry,
}

/// The signal that was taken.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct SignalEntry {
    #[serde(rename = "type")]
    kind: String,
    queued_at: Millis,
}

/// A signal.
#[derive(JsonSchema)]
pub(in crate::api) struct Signal {
    /// What the run is to do.
    #[serde(rename = "type")]
    kind: SignalType,
    /// The response, for `WEBHOOK_RESPONSE`.
    response: Option<Object>,
}

/// What a run is to do.
#[derive(JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(in crate::api) enum SignalType {
    Kill,
    Pause,
    Resume,
    WebhookResponse,
}

/// A run was resumed.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Resumed {
    success: bool,
    action: String,
}
