//! The waits of a run.

#![expect(missing_docs, reason = "a field whose name says it all has no description in the document either")]

use px_core::wait::{self, WaitMode};
use px_core::{RunId, Timestamp, WaitId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Nullable, Open, Reminder};

/// Wait that a run is parked on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Wait {
    pub wait_id: WaitId,
    pub wait_for: Vec<Registration>,
    /// `any`, `all`, `stream`, or an object with `count`.
    pub mode: Open<WaitMode>,
    pub since: Timestamp,
    #[schemars(with = "Nullable<Timestamp>")]
    pub deadline: Option<Timestamp>,
    pub have: u32,
    pub need: u32,
    /// Milliseconds from its opening within which its brain expects an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_within: Option<u64>,
    /// Reminders of it, those that are over too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reminders: Option<Vec<Reminder>>,
}

impl Wait {
    /// An open wait of a run.
    #[must_use]
    pub fn of(run: &px_core::Run, wait: &wait::Wait) -> Self {
        let mut shown = Self::from(wait);
        let under_way = run.reminding.as_ref().filter(|reminding| reminding.wait == wait.id);
        for reminder in shown.reminders.iter_mut().flatten() {
            let is_running = under_way.is_some_and(|reminding| reminding.name == reminder.name);
            reminder.running = is_running.then_some(true);
        }
        shown
    }
}

impl From<&wait::Wait> for Wait {
    fn from(wait: &wait::Wait) -> Self {
        Self {
            wait_id: wait.id,
            wait_for: wait
                .registrations
                .iter()
                .zip(0..)
                .map(|(registration, index)| Registration {
                    answered: wait.is_answered(index).then_some(true),
                    ..registration.into()
                })
                .collect(),
            mode: Open::Known(wait.mode.clone()),
            since: wait.opened_at,
            deadline: wait.deadline,
            have: wait.have(),
            need: wait.need(),
            expected_within: None,
            reminders: (!wait.reminders.is_empty())
                .then(|| wait.reminders.iter().map(Reminder::from).collect()),
        }
    }
}

/// A webhook and an identifier that a run listens to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Registration {
    pub slug: String,
    pub identifier: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Runs that an event would go to first: the oldest ten of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ahead: Option<Vec<RunId>>,
    /// Number of all such runs.
    #[serde(rename = "aheadCount", skip_serializing_if = "Option::is_none")]
    pub ahead_count: Option<u64>,
    /// True if its one response has come, and a second one would be ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered: Option<bool>,
    /// The question that a signed link asks, if this is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ask: Option<Ask>,
    /// Reason that an event here does not let the run go on: the server's binary has another webhook now than
    /// when the run began to wait, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub misfit: Option<String>,
}

/// A question that a signed link asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Ask {
    pub words: String,
    pub answers: Vec<AskedAnswer>,
    /// Person whom the link was made for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approver: Option<String>,
    /// Time from which the link is worth nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// One of the answers to a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct AskedAnswer {
    /// Text of its button.
    pub label: String,
    /// Value that the run is given as `answer`.
    pub value: Value,
}

impl From<&wait::Ask> for Ask {
    fn from(ask: &wait::Ask) -> Self {
        let answers = ask.answers.iter();
        Self {
            words: ask.words.clone(),
            answers: answers
                .map(|answer| AskedAnswer { label: answer.label.clone(), value: answer.value.clone() })
                .collect(),
            approver: ask.approver.clone(),
            expires: ask.expires,
        }
    }
}

impl Registration {
    /// Returns true if an event for it would be ignored, since its one response has come.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.answered == Some(true)
    }
}

impl From<&wait::Registration> for Registration {
    fn from(registration: &wait::Registration) -> Self {
        Self {
            slug: registration.key.slug.to_string(),
            identifier: registration.key.identifier.to_string(),
            token: registration.token.clone(),
            ahead: None,
            ahead_count: None,
            answered: None,
            ask: registration.ask.as_deref().map(Into::into),
            misfit: None,
        }
    }
}
