//! Hooks: who is told what happens to runs.

#![expect(missing_docs, reason = "a field whose name says it all has no description in the document either")]

use std::collections::BTreeMap;

use px_core::{HookId, RunId, Timestamp};
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::{CallbackState, Nullable, Object, Open, Secret};

/// Hooks.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Hooks {
    pub hooks: Vec<Hook>,
    pub count: u64,
}

impl From<Vec<Hook>> for Hooks {
    fn from(hooks: Vec<Hook>) -> Self {
        Self { count: hooks.len() as u64, hooks }
    }
}

/// A hook. Its secret and the values of its headers are never shown.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Hook {
    pub id: HookId,
    pub name: String,
    pub url: String,
    /// Types of events, or patterns.
    pub events: Vec<String>,
    /// Titles of brains, or patterns.
    pub brains: Vec<String>,
    pub format: String,
    /// A mode, or an object with `mode` and the names of headers.
    pub signature: Open<Signature>,
    pub has_secret: bool,
    /// Times until which former secrets sign too.
    pub old_secrets_until: Vec<Timestamp>,
    /// A preset, a list of delays, or an object.
    pub retry: Open<Retry>,
    /// The names of the headers that every request carries.
    pub headers: Vec<String>,
    pub timeout_ms: u64,
    pub max_in_flight: u32,
    #[schemars(with = "Nullable<u32>")]
    pub rate: Option<u32>,
    pub ordered: bool,
    pub allow_private: bool,
    pub enabled: bool,
    pub created_at: Timestamp,
    /// `api`, `config` or `run`.
    pub source: String,
    /// The run that brought it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brain_run_id: Option<RunId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled: Option<Disabled>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_keys: Option<Vec<String>>,
    /// Shown once, when the hook is made or its secret rotated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// Number of deliveries that were kept meanwhile, when it is enabled again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<u64>,
    /// What to know about it, such as a brain that is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warnings: Option<Vec<String>>,
}

/// Signature scheme of a hook's requests: the mode, and the names of headers where a mode lets one choose
/// them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Signature {
    /// A mode that fixes its headers.
    Mode(String),
    /// A mode whose headers have names of one's own.
    #[serde(rename_all = "camelCase")]
    Named {
        mode: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        header: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        timestamp_header: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        signature_header: Option<String>,
    },
}

/// Backoff between the tries of a callback.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Retry {
    /// A backoff by name.
    Preset(String),
    /// The delays before each try.
    Delays(Vec<String>),
    /// Delays that grow.
    Growing { base: String, factor: f64, max: String, attempts: u32 },
}

/// Reason that a hook takes no callbacks, and the time since which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Disabled {
    pub by: String,
    pub at: Timestamp,
}

/// Figures of a hook's callbacks: counts, success rate and latency.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct HookStats {
    pub deliveries: u64,
    pub is_sample: bool,
    #[schemars(with = "BTreeMap<String, u64>")]
    pub states: BTreeMap<CallbackState, u64>,
    pub attempts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_rate: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_pending_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parked_until: Option<Timestamp>,
}

/// A hook that is to be made, or changed; what is left out stays as it is.
// Unknown fields are refused. The names with underscores are those of px.toml.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CreateHook {
    /// A name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// URL that requests are sent to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Types of events, or patterns such as `run.*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
    /// Titles of brains, or patterns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brains: Option<Vec<String>>,
    /// `px`, `cloudevents`, `forge` or `rdev`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// A mode, or an object with `mode` and the names of headers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<Value>,
    /// The secret; a new one is made if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// A preset, a list of delays, or `{base, factor, max, attempts}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Value>,
    /// Headers that every request carries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, Secret>>,
    /// Time that an attempt may take: `10s`, or seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Value>,
    /// Number of requests that may be under way at once.
    #[serde(alias = "max_in_flight", skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<u32>,
    /// Number of requests a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// One delivery of a run at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ordered: Option<bool>,
    /// True if private addresses are open.
    #[serde(alias = "allow_private", skip_serializing_if = "Option::is_none")]
    pub allow_private: Option<bool>,
}

/// Changes of a hook; fields that are absent stay as they are.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdateHook {
    #[serde(flatten)]
    pub hook: CreateHook,
    /// True if it takes deliveries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// True if what was kept meanwhile is sent, when it is enabled again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_kept: Option<bool>,
}

// By hand: serde's `flatten` would let fields pass that nobody knows.
impl<'de> Deserialize<'de> for UpdateHook {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Object::deserialize(deserializer)?;
        let mut flag = |name| {
            let value = fields.remove(name);
            value.map(serde_json::from_value).transpose().map_err(D::Error::custom)
        };
        let (enabled, send_kept) = (flag("enabled")?, flag("sendKept")?);
        let hook = serde_json::from_value(fields.into()).map_err(D::Error::custom)?;
        Ok(Self { hook, enabled, send_kept })
    }
}

/// Another secret.
// Unknown fields are refused.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RotateSecret {
    /// The new secret; one is made if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// Time that the old one signs too: `24h`, or seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<Value>,
}

/// Selection of callbacks that are to be sent again.
// Unknown fields are refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RecoverHook {
    /// Time from which callbacks are sent again.
    #[schemars(with = "Timestamp")]
    pub since: Option<Timestamp>,
    /// Types of events; all if there are none.
    #[serde(default)]
    #[schemars(!default, with = "Option<Vec<String>>")]
    pub types: Vec<String>,
    /// Only counts.
    #[serde(default)]
    #[schemars(!default, with = "Option<bool>")]
    pub dry_run: bool,
    /// Number a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
}

/// Public keys (RFC 7517).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Keys {
    pub keys: Vec<Object>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_of_a_hook_refuses_what_it_does_not_know() {
        let change = json!({"enabled": true, "sendKept": false, "events": ["run.*"], "max_in_flight": 2});
        let read: UpdateHook = serde_json::from_value(change).unwrap();
        assert_eq!(
            (read.enabled, read.send_kept, read.hook.max_in_flight),
            (Some(true), Some(false), Some(2))
        );
        let written = json!({"enabled": true, "sendKept": false, "events": ["run.*"], "maxInFlight": 2});
        assert_eq!(serde_json::to_value(&read).unwrap(), written);
        let unknown = serde_json::from_value::<UpdateHook>(json!({"enable": true})).unwrap_err();
        assert!(unknown.to_string().contains("unknown field `enable`"), "{unknown}");
    }
}
