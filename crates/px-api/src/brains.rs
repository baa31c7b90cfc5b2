//! Brains.

#![expect(missing_docs, reason = "a field whose name says it all has no description in the document either")]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Object;

/// Brains.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Brains {
    pub brains: Vec<BrainSummary>,
    pub count: u64,
}

impl From<Vec<BrainSummary>> for Brains {
    fn from(brains: Vec<BrainSummary>) -> Self {
        Self { count: brains.len() as u64, brains }
    }
}

/// A brain in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct BrainSummary {
    /// The name of its source file, without ending.
    pub filename: String,
    pub title: String,
    pub description: String,
}

/// A brain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Brain {
    pub title: String,
    pub description: String,
    pub steps: Vec<BrainStep>,
    /// The JSON Schema of its initial state.
    pub input: Value,
    /// The JSON Schema of its options.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<Value>,
    pub version: u32,
    /// Source file that defines it.
    pub source: String,
}

/// A step of a brain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct BrainStep {
    /// `step`, `guard`, `map`, `loop`, `brain`, `branch` or `repeat`.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    /// The brain inside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Object>")]
    pub inner_brain: Option<InnerBrain>,
    /// The arms of a branch, or the turn of a loop.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<Object>")]
    pub parts: Vec<BrainPart>,
    /// Milliseconds within which the wait that it opens is expected to be answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_within: Option<u64>,
    /// Reminders of the wait that it opens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reminders: Vec<BrainReminder>,
}

/// Code that runs while the wait of a step is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct BrainReminder {
    pub name: String,
    /// Milliseconds from the opening of the wait to its first turn.
    pub after: u64,
    /// Milliseconds between two turns, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// Maximum number of its turns.
    pub at_most: u32,
}

/// An arm of a branch, or the turn of a loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BrainPart {
    /// The arm's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arm: Option<String>,
    pub steps: Vec<BrainStep>,
}

/// A brain that is a step of another one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InnerBrain {
    pub title: String,
    pub description: String,
    pub steps: Vec<BrainStep>,
}

/// A brain that could be meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Candidate {
    pub title: String,
    pub filename: String,
    pub path: String,
    pub description: String,
}
