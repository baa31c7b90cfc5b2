//! What a redactor does not look for, since there is too much of it: said, and not passed over in silence.

use std::collections::BTreeSet;
use std::fmt;

use super::{MAX_PARTS, forms};

/// Names of secrets that a sentence has at most.
const NAMED: usize = 5;

/// Values and parts of values that are too many to be looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Number of texts within values that are JSON.
    pub texts: usize,
    /// Names of the secrets that have these texts.
    pub names: BTreeSet<String>,
    /// Number of values that count no more.
    pub past: usize,
}

impl LeftOut {
    pub(super) fn add(&mut self, name: &str, texts: usize) {
        if texts > 0 {
            self.texts += texts;
            self.names.insert(name.to_owned());
        }
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.texts > 0 {
            let names: Vec<&str> = self.names.iter().take(NAMED).map(String::as_str).collect();
            let more = if self.names.len() > NAMED { " and others" } else { "" };
            write!(
                f,
                "{} texts within the JSON of {}{more} are not taken out of what leaves px: at most {} of one secret \
                 are looked for, the longest, and {MAX_PARTS} of all; set those that are secrets under names of their own",
                self.texts,
                names.join(", "),
                forms::MAX_PARTS
            )?;
        }
        if self.past > 0 {
            let and = if self.texts > 0 { "; " } else { "" };
            write!(
                f,
                "{and}{} values of secrets that count no more are not taken out of what leaves px: there are too many",
                self.past
            )?;
        }
        Ok(())
    }
}
