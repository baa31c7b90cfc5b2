//! Values that outlive runs: their records, their part of a batch, and their reads.
//!
//! Each value is a record of its own with a version, and each brain that has values has a record that
//! counts them. A write demands the version that it was made from. One that makes a value or removes one
//! also changes the count, under its version: so a brain has no more values than it may, whoever writes.
//!
//! This file refuses to know who writes values, and when a write is made anew.

use px_core::{KvChange, KvId, Scope, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::Versioned;
use crate::store::Read;

/// A value that outlives runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KvRecord {
    /// The value: any JSON, `null` too.
    pub value: Value,
    /// The time at which it was written.
    pub at: Timestamp,
}

/// The record of a brain that has values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KvBrain {
    /// Number of its values, in all scopes.
    pub keys: u64,
}

/// A value that is written, or on whose version a commit rests.
#[derive(Debug, Clone, PartialEq)]
pub struct KvWrite {
    /// Its name.
    pub id: KvId,
    /// The version that was read; 0 if there was no value.
    pub expected: u64,
    /// The new version, never used before; of no account where nothing changes.
    pub version: u64,
    /// The time of the write.
    pub at: Timestamp,
    /// The change.
    pub change: KvChange,
}

/// A change of the number of values that a brain has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvBrainWrite {
    /// The brain's title.
    pub brain: String,
    /// The version that was read; 0 if there was no record.
    pub expected: u64,
    /// The new version, never used before.
    pub version: u64,
    /// The number; the record of a brain without values is removed.
    pub keys: u64,
}

/// The part of a batch that is about values.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KvBatch {
    /// Values.
    pub values: Vec<KvWrite>,
    /// Numbers of values.
    pub brains: Vec<KvBrainWrite>,
}

/// A brain has as many values as it may.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("brain '{brain}' has {most} values, which is as many as it may have")]
pub struct KvFull {
    /// The brain's title.
    pub brain: String,
    /// The bound.
    pub most: u64,
}

/// The reads of values. Lists are in the order of names.
pub trait KvStore: Send + Sync {
    /// A value.
    fn value<'a>(&'a self, scope: Scope, id: &'a KvId) -> Read<'a, Option<Versioned<KvRecord>>>;

    /// The values of a brain that come after a scope and a key, at most `limit`.
    fn values<'a>(
        &'a self,
        scope: Scope,
        brain: &'a str,
        after: Option<(&'a str, &'a str)>,
        limit: usize,
    ) -> Read<'a, Vec<(KvId, Versioned<KvRecord>)>>;

    /// The record of a brain.
    fn brain<'a>(&'a self, scope: Scope, brain: &'a str) -> Read<'a, Option<Versioned<KvBrain>>>;

    /// The brains that have values and come after a title, at most `limit`.
    fn brains<'a>(
        &'a self,
        scope: Scope,
        after: Option<&'a str>,
        limit: usize,
    ) -> Read<'a, Vec<(String, Versioned<KvBrain>)>>;
}
