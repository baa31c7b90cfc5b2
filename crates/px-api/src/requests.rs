//! Bodies of requests about runs. Unknown fields are not refused: clients of the ancestor send some.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::lenient::{step_number, text};
use crate::open::listed_words;
use crate::{Object, Secret};

/// Starts a run (`POST /brains/runs`).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(description = "", extend("anyOf" = [{"required": ["identifier"]}, {"required": ["brainTitle"]}]))]
pub struct StartRun {
    /// The brain: its title, its file name, or a part of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub identifier: Option<String>,
    /// The same, as older clients call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub brain_title: Option<String>,
    /// The options of the brain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<Value>,
    /// State of the first step; the empty object if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_state: Option<Value>,
    /// URL that is called when something happens to the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_url: Option<String>,
    /// The secret that calls are signed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_secret: Option<Secret>,
    /// Starts one run, however often it is sent. The header `Idempotency-Key` means
    /// the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Name that the caller gives to the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl StartRun {
    /// A run of the brain that this title, file name or part of one means.
    #[must_use]
    pub fn of(brain: impl Into<String>) -> Self {
        Self { identifier: Some(brain.into()), ..Self::default() }
    }

    /// With an initial state, usually the brain's own input type.
    ///
    /// # Errors
    /// The state cannot be written as JSON.
    pub fn with_state(self, state: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self { initial_state: Some(serde_json::to_value(state)?), ..self })
    }

    /// With a key that starts one run, however often the request is sent: with
    /// it, a request whose answer was lost can be sent again.
    #[must_use]
    pub fn with_idempotency_key(self, key: impl Into<String>) -> Self {
        Self { idempotency_key: Some(key.into()), ..self }
    }
}

/// Sends a run that is over back to a step (`POST /brains/runs/rerun`).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(description = "")]
pub struct RerunRun {
    /// The run.
    #[serde(default, deserialize_with = "text")]
    #[schemars(!default, with = "String", length(min = 1))]
    pub run_id: Option<String>,
    /// The number of the step, from 1.
    #[serde(default, deserialize_with = "step_number")]
    #[schemars(!default, with = "std::num::NonZeroU32")]
    pub starts_at: Option<u32>,
    /// URL that is called when something happens to the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_url: Option<String>,
    /// The secret that calls are signed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_secret: Option<Secret>,
}

impl RerunRun {
    /// This run, from the step of this number on; the first is 1.
    #[must_use]
    pub fn from_step(run: impl ToString, starts_at: u32) -> Self {
        Self { run_id: Some(run.to_string()), starts_at: Some(starts_at), ..Self::default() }
    }
}

/// Starts a run from a step of another one (`POST /brains/runs/{id}/fork`).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(description = "", deny_unknown_fields)]
pub struct ForkRun {
    /// The number of the step, from 1.
    #[serde(default, deserialize_with = "step_number")]
    #[schemars(!default, with = "std::num::NonZeroU32")]
    pub starts_at: Option<u32>,
    /// The state to begin with, instead of the one of then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Map<String, Value>>")]
    pub state: Option<Value>,
    /// URL that is called when something happens to the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_url: Option<String>,
    /// The secret that calls are signed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_secret: Option<Secret>,
    /// Name that the caller gives to the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl ForkRun {
    /// A run that begins with the step of this number; the first is 1.
    #[must_use]
    pub fn from_step(starts_at: u32) -> Self {
        Self { starts_at: Some(starts_at), ..Self::default() }
    }
}

/// Resumes a paused run (`POST /brains/runs/{id}/resume`).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(description = "")]
pub struct ResumeRun {
    /// URL that is called when something happens to the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_url: Option<String>,
    /// The secret that calls are signed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_secret: Option<Secret>,
}

/// A signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SignalRun {
    /// Type of the signal.
    #[serde(rename = "type")]
    pub kind: SignalType,
    /// The response, for `WEBHOOK_RESPONSE`; the empty object if it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<Object>,
    /// The webhook whose response it is, where the run waits on several; else the
    /// first is taken whose response it can be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
}

impl From<SignalType> for SignalRun {
    fn from(kind: SignalType) -> Self {
        Self { kind, response: None, slug: None }
    }
}

/// Type of a signal, which says what the run is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SignalType {
    /// Ends.
    Kill,
    /// Stands still until it is resumed.
    Pause,
    /// Goes on; a waiting run with a deadline counts as timed out.
    Resume,
    /// Takes a response by hand.
    WebhookResponse,
}

impl SignalType {
    /// Every signal.
    pub const ALL: [Self; 4] = [Self::Kill, Self::Pause, Self::Resume, Self::WebhookResponse];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kill => "KILL",
            Self::Pause => "PAUSE",
            Self::Resume => "RESUME",
            Self::WebhookResponse => "WEBHOOK_RESPONSE",
        }
    }

    /// The signal of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|signal| signal.as_str() == name)
    }
}

listed_words!(SignalType, Self::ALL.map(Self::as_str), "What a run is to do.");
