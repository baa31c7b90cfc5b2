//! Names of values that outlive runs: a brain, a scope within it, and a key.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Maximum number of characters of a key, and of a scope.
const MAX_NAME: usize = 255;

/// The name of a value that outlives runs. Names are ordered by brain, scope and key, each by its bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KvId {
    /// Title of the brain whose steps have the value.
    pub brain: String,
    /// Group of runs that share the value: [`KvId::SHARED`], or a name that a step has chosen.
    pub scope: String,
    /// The key.
    pub key: String,
}

impl KvId {
    /// The scope that all runs of a brain share.
    pub const SHARED: &'static str = "shared";

    /// The name of a value that all runs of a brain share.
    #[must_use]
    pub fn shared(brain: impl Into<String>, key: impl Into<String>) -> Self {
        Self { brain: brain.into(), scope: Self::SHARED.into(), key: key.into() }
    }

    /// Checks the scope and the key: each has 1 to 255 characters, none of them a control
    /// character, and is neither `.` nor `..`, by which no URL names anything.
    ///
    /// # Errors
    /// A sentence about the one that does not fit.
    pub fn check(&self) -> Result<(), String> {
        for (what, name) in [("key", &self.key), ("scope", &self.scope)] {
            let length = name.chars().count();
            if length == 0 || length > MAX_NAME {
                return Err(format!("a {what} has 1 to {MAX_NAME} characters, and this one has {length}"));
            }
            if matches!(name.as_str(), "." | "..") {
                return Err(format!("a {what} is not '{name}': no URL can name it"));
            }
            if name.chars().any(char::is_control) {
                return Err(format!("{what} '{}' has a control character", name.escape_debug()));
            }
        }
        Ok(())
    }
}

impl fmt::Display for KvId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' of brain '{}'", self.key, self.brain)?;
        if self.scope == Self::SHARED { Ok(()) } else { write!(f, " in scope '{}'", self.scope) }
    }
}

/// A change of a value that outlives runs.
#[derive(Debug, Clone, PartialEq)]
pub enum KvChange {
    /// Nothing; only the version counts.
    Keep,
    /// It is written.
    Put(Value),
    /// It is removed.
    Remove,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_bounds() {
        assert_eq!(KvId::shared("b", "k".repeat(MAX_NAME)).check(), Ok(()));
        let in_scope = |scope: &str| KvId { scope: scope.into(), ..KvId::shared("b", "k") };
        assert_eq!(in_scope("customer 7").check(), Ok(()));
        assert_eq!(in_scope("...").check(), Ok(()));
        for (id, part) in [
            (KvId::shared("b", ""), "a key has 1 to 255 characters, and this one has 0"),
            (KvId::shared("b", "é".repeat(256)), "this one has 256"),
            (KvId::shared("b", "a\nb"), "key 'a\\nb' has a control character"),
            (in_scope(""), "a scope has 1 to 255"),
            (in_scope(".."), "a scope is not '..'"),
            (KvId::shared("b", "."), "a key is not '.'"),
        ] {
            assert!(id.check().is_err_and(|why| why.contains(part)), "{id}");
        }
    }

    #[test]
    fn a_name_says_its_scope_where_it_has_one() {
        assert_eq!(KvId::shared("b", "k").to_string(), "'k' of brain 'b'");
        let own = KvId { scope: "s".into(), ..KvId::shared("b", "k") };
        assert_eq!(own.to_string(), "'k' of brain 'b' in scope 's'");
    }
}
