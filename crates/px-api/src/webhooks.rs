//! Webhooks, and the answers of their routes.

#![expect(missing_docs, reason = "a field whose name says it all has no description in the document either")]

use px_core::{DeliveryId, RunId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::open::{plain_words, words};
use crate::{Error, Nullable, Object};

/// Webhooks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Webhooks {
    pub webhooks: Vec<Webhook>,
    pub count: u64,
}

impl From<Vec<Webhook>> for Webhooks {
    fn from(webhooks: Vec<Webhook>) -> Self {
        Self { count: webhooks.len() as u64, webhooks }
    }
}

/// A webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Webhook {
    pub slug: String,
    pub description: String,
    pub url: String,
    /// Name of the provider whose scheme verifies the senders.
    pub provider: String,
    /// True if senders are verified.
    pub verified: bool,
    /// The environment variable that the secret is in.
    #[schemars(with = "Nullable<String>")]
    pub secret: Option<String>,
    /// The place that the secret comes from now, if there is one.
    #[serde(default, rename = "secretSource", skip_serializing_if = "Option::is_none")]
    pub secret_source: Option<SecretSource>,
    /// Reason that every request is refused: the secret that verified senders is gone, or cannot be used.
    #[serde(default, rename = "refusesAll", skip_serializing_if = "Option::is_none")]
    pub refuses_all: Option<String>,
    /// True if it takes test events that the server makes and signs itself (`POST /tests`).
    #[serde(default, rename = "allowTest")]
    #[schemars(!default)]
    pub allow_test: bool,
}

words! {
    /// Place that the secret of a webhook comes from: the first of these that has one.
    pub enum SecretSource {
        /// A variable of the server's environment.
        Environment = "environment",
        /// The file that such a variable names.
        File = "file",
        /// The store.
        Store = "store",
        /// The configuration's `secrets` of the webhook alone.
        Configuration = "configuration",
    }
}
plain_words!(SecretSource);

words! {
    /// Outcome of a webhook request.
    pub enum Action {
        /// It started a run.
        Triggered = "triggered",
        /// It resumed a run.
        Resumed = "resumed",
        /// It is kept for a run.
        Queued = "queued",
        /// It is one of several responses that a wait needs.
        Collected = "collected",
        /// Its wait was over.
        Late = "late",
        /// It was seen before.
        Duplicate = "duplicate",
        /// Nothing follows from it.
        Ignored = "ignored",
    }
}
plain_words!(Action);

/// Answer to a webhook request that was accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Accepted {
    pub received: bool,
    /// `triggered`, `resumed`, `queued`, `collected`, `late`, `duplicate` or `ignored`.
    pub action: Action,
    pub delivery_id: DeliveryId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identifier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brain_run_id: Option<RunId>,
    /// Number of responses that the wait has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub have: Option<u32>,
    /// Number that it needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub need: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// First delivery of the event that a duplicate repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original: Option<Original>,
    /// Each event, if the request carried several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<Object>>,
}

/// First delivery of an event that was delivered again, and its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Original {
    pub delivery_id: DeliveryId,
    pub action: Action,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brain_run_id: Option<RunId>,
}

/// Identifier and token of the wait that a form is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FormQuery {
    /// As the wait has it.
    #[schemars(length(min = 1))]
    pub identifier: String,
    /// As the wait has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// Fields that the page of a signed link posts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LinkForm {
    /// As the page has it; good for ten minutes.
    pub nonce: String,
    /// Number of the answer, from 0.
    pub answer: String,
}

/// Answer to a form that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct FormAccepted {
    pub received: bool,
    /// `resumed`; `collected` if it is one of several; `queued` if the run is paused or busy; `ignored` if the wait
    /// has this form's answer already.
    pub action: Action,
    pub identifier: String,
    pub brain_run_id: RunId,
    pub delivery_id: DeliveryId,
    /// Number of responses that the wait has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub have: Option<u32>,
    /// Number that it needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub need: Option<u32>,
    /// `not distinct` where the answer is there already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A form without the right token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct FormRefused {
    pub received: bool,
    pub action: Action,
    pub identifier: String,
    pub reason: String,
}

/// A form that nobody waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct FormNotFound {
    pub received: bool,
    pub action: String,
    pub identifier: String,
    pub message: String,
}

/// Either what became of it, or an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RefusedForm {
    Token(FormRefused),
    Error(Error),
}
