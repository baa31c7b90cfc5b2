//! Secrets: their names and times, and never a value but on its way in.

#![expect(missing_docs, reason = "a field whose name says it all has no description in the document either")]

use px_core::{RunId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Secret;
use crate::open::{plain_words, words};

/// A secret without its value. Its times are texts, as the ancestor writes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct SecretInfo {
    pub name: String,
    /// Time at which it was first set: RFC 3339, UTC.
    pub created_at: String,
    /// Time at which it was last set: RFC 3339, UTC.
    pub updated_at: String,
    /// Time until which a value before it still verifies senders: RFC 3339, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_value_until: Option<String>,
    /// True if nobody gets it, since it was sealed under another key than the server has.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unreadable: bool,
    /// True if nobody gets it, since the environment of the server, or a file that it names, has a value of
    /// this name.
    #[serde(default, skip_serializing_if = "is_false")]
    pub shadowed: bool,
    /// True if it was set just now, to the value that it had.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unchanged: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Every secret, in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Secrets {
    pub count: u64,
    pub secrets: Vec<SecretInfo>,
}

impl From<Vec<SecretInfo>> for Secrets {
    fn from(secrets: Vec<SecretInfo>) -> Self {
        Self { count: secrets.len() as u64, secrets }
    }
}

/// Secret to set.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SetSecret {
    /// Name of letters, digits and underscores, such as `STRIPE_KEY`.
    pub name: Option<String>,
    /// Its value, 8 to 32768 bytes.
    pub value: Option<Secret>,
    /// Time that the value before it still verifies senders: `24h`, the default, or
    /// seconds; at most 7 days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<Value>,
}

impl SetSecret {
    /// A secret of this name and value.
    #[must_use]
    pub fn new(name: impl Into<String>, value: impl Into<Secret>) -> Self {
        Self { name: Some(name.into()), value: Some(value.into()), grace: None }
    }
}

/// Secrets to set, all of them or none.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SetSecrets {
    pub secrets: Option<Vec<SetSecret>>,
}

/// Number of secrets that were set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SecretsSet {
    /// Those that are new.
    pub created: u64,
    /// Those that were there.
    pub updated: u64,
    /// Those of them whose value is the one that they had.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unchanged: u64,
}

/// Whether there is a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SecretExists {
    pub exists: bool,
}

words! {
    /// Kind of a reader of secrets.
    pub enum ReaderKind {
        /// A step of a brain.
        Step = "step",
        /// The handler of a webhook.
        Handler = "handler",
        /// The verification of a webhook's senders.
        Verifier = "verifier",
        /// A hook of the configuration.
        Hook = "hook",
    }
}
plain_words!(ReaderKind);

/// Reads of a secret by one reader.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct SecretRead {
    /// `step`, `handler`, `verifier` or `hook`.
    pub kind: ReaderKind,
    /// Title of the brain, slug of the webhook, or name of the hook.
    pub reader: String,
    /// The step, for a brain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The run that read it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brain_run_id: Option<RunId>,
    pub count: u64,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
}

/// Those who have read a secret, the last one first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SecretReads {
    pub count: u64,
    pub reads: Vec<SecretRead>,
}

impl From<Vec<SecretRead>> for SecretReads {
    fn from(reads: Vec<SecretRead>) -> Self {
        Self { count: reads.len() as u64, reads }
    }
}
