//! The answer to a request that is not carried out.

use px_core::Code;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Candidate;

/// Answer to a request that is not carried out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Error {
    /// Sentence that says what is wrong.
    pub error: String,
    /// Code of the error, which stays the same between versions: `px explain` has a page about each.
    // Proxies answer too, and know no codes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(!default, !skip_serializing_if, regex(pattern = r"^PX\d{4}$"))]
    pub code: String,
    /// Parts of the payload or the state that do not fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub violations: Option<Vec<Violation>>,
    /// The quarantined delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery_id: Option<String>,
    /// `multiple` if several brains could be meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub match_type: Option<String>,
    /// The brains that could be meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidates: Option<Vec<Candidate>>,
}

impl Error {
    /// An error without details.
    #[must_use]
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self { error: text.into(), code: code.as_str().to_owned(), ..Self::default() }
    }

    /// Returns what does not fit, a line each, or else which brains could be meant.
    #[must_use]
    pub fn details(&self) -> Option<String> {
        let line = |violation: &Violation| {
            let path = Some(&*violation.path).filter(|path| !path.is_empty()).unwrap_or("/");
            format!("\n  {path}: {}", violation.message)
        };
        let misfits = self.violations.as_deref().filter(|violations| !violations.is_empty());
        let misfits = misfits.map(|violations| {
            format!("this does not fit:{}", violations.iter().map(line).collect::<String>())
        });
        misfits.or_else(|| {
            let titles: Vec<&str> = self.candidates.as_ref()?.iter().map(|brain| &*brain.title).collect();
            Some(format!("say which one: {}", titles.join(", ")))
        })
    }

    /// The code, if this version knows it.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        Code::parse(&self.code)
    }
}

/// Mismatch between a value and its schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Violation {
    /// JSON pointer to the value that does not fit; the empty text is the whole.
    pub path: String,
    /// Sentence that says what is wrong there.
    pub message: String,
}
