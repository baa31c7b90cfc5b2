//! Values that outlive runs. The paths say `store`, as the API that px is compatible with does.

#![expect(missing_docs, reason = "a field whose name says it all has no description in the document either")]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::lenient::non_empty;

/// A page of the list of values, or of the brains that have some (`GET /store`, `GET /store/{brain}`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(description = "")]
pub struct ListStore {
    /// At most this many; 50 if it is not said, and never more than 1,000.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "")]
    pub limit: Option<usize>,
    /// The `nextCursor` of the page before.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "")]
    pub cursor: Option<String>,
}

/// The brains that have values, by title.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct StoreBrains {
    /// Their titles. A brain that is not in the server's binary any more may have values too.
    pub brains: Vec<String>,
    /// Number of all brains that have values, on other pages too.
    pub count: u64,
    /// The place where the next page begins, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A value in a list, without what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct StoreKey {
    pub key: String,
    /// `shared` for a value that all runs of the brain share; else the name that the brain's step chose.
    pub scope: String,
    /// Bytes of the value as JSON.
    pub size: u64,
    /// The time at which it was written, as RFC 3339 in UTC.
    pub last_modified: String,
}

/// The values of a brain, by scope and key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct StoreKeys {
    pub keys: Vec<StoreKey>,
    /// Number of all values of the brain, on other pages too.
    pub count: u64,
    /// The place where the next page begins, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A value that outlives runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct StoreValue {
    pub key: String,
    /// The value: any JSON.
    pub value: Value,
    /// As in the list.
    pub scope: String,
    /// Bytes of the value as JSON.
    pub size: u64,
    /// The time at which it was written, as RFC 3339 in UTC.
    pub last_modified: String,
}

/// The values of a brain were removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ClearedStore {
    /// Number of the values.
    pub deleted: u64,
}
