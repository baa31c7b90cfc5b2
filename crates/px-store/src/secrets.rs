//! Secrets as they rest: sealed values by name, and who has read them. What
//! seals and opens them is px-secrets; a store has no key and reads no value.

use px_core::hook::Secrets;
use px_core::{RunId, Scope, Timestamp};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::model::Versioned;
use crate::scan::{Row, Table};
use crate::store::Store;

/// Maximum number of secrets.
pub const MAX_SECRETS: usize = 500;

/// Maximum number of readers that are remembered of a secret.
const MAX_READERS: usize = 100;

/// A secret at rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRecord {
    /// Its name, the key of its row.
    pub name: String,
    /// Its sealed values: the current one, and older ones that still count.
    pub values: Secrets,
    /// The time at which it was first set.
    pub created_at: Timestamp,
    /// The time at which it was last set.
    pub updated_at: Timestamp,
    /// Those who have read it, at most a hundred, the newest last, in a row of
    /// [`Part::Reads`]. They lag what happens by a second or so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<SecretReads>,
}

impl SecretRecord {
    /// The time until which a value before the current one counts, if one still does.
    #[must_use]
    pub fn old_value_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.values.old.iter().map(|old| old.until).filter(|until| *until > now).max()
    }
}

/// A part of a project that reads secrets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretReader {
    /// A step of a brain.
    Step {
        /// The brain's title.
        brain: String,
        /// The step's name.
        step: String,
    },
    /// The handler of a webhook, by its slug.
    Handler(String),
    /// The verification of a webhook, by its slug.
    Verifier(String),
    /// A hook of the configuration, by its name.
    Hook(String),
}

/// Reads of a secret by one reader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretReads {
    /// The reader.
    pub reader: SecretReader,
    /// Number of reads.
    pub count: u64,
    /// The time of the first one.
    pub first_at: Timestamp,
    /// The time of the last one.
    pub last_at: Timestamp,
    /// The run that read it last, if runs do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
}

impl SecretReads {
    /// Adds reads to those that are remembered, and forgets the oldest reader
    /// where there are too many.
    pub fn merge(self, into: &mut Vec<Self>) {
        let mut merged = self;
        if let Some(at) = into.iter().position(|other| other.reader == merged.reader) {
            let other = into.remove(at);
            merged.count = merged.count.saturating_add(other.count);
            merged.first_at = merged.first_at.min(other.first_at);
            if other.last_at > merged.last_at {
                merged.last_at = other.last_at;
                merged.run = other.run;
            }
        }
        let place = into.partition_point(|other| other.last_at <= merged.last_at);
        into.insert(place, merged);
        into.drain(..into.len().saturating_sub(MAX_READERS));
    }
}

/// A change of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretWrite {
    /// Its name.
    pub name: String,
    /// The version that was read; `None` demands that there is no such secret.
    pub expected: Option<u64>,
    /// Its own version, never used before.
    pub version: u64,
    /// The secret from then on; `None` removes it.
    pub record: Option<SecretRecord>,
}

/// Rows of a secret, each a record of its own: what changes often is not written with
/// what is large, and what outlives the secret is kept apart from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Its values that count.
    Values,
    /// Its values that count no more. They are kept to be taken out of what leaves px,
    /// after the secret was removed, too.
    Past,
    /// Those who have read it. They are kept as long as past values, after the secret was removed, too. In
    /// older stores they are with its values.
    Reads,
}

impl Part {
    /// The mark behind the name of a secret, which has no slash itself.
    const fn mark(self) -> &'static str {
        match self {
            Self::Values => "",
            Self::Past => "/past",
            Self::Reads => "/reads",
        }
    }

    /// The name of the row of this part.
    #[must_use]
    pub fn row(self, name: &str) -> String {
        format!("{name}{}", self.mark())
    }

    /// The secret, and the part of it, that a row of this name is about.
    #[must_use]
    pub fn of(row: &str) -> (&str, Self) {
        let marked = [Self::Past, Self::Reads];
        let found = marked.into_iter().find_map(|part| Some((row.strip_suffix(part.mark())?, part)));
        found.unwrap_or((row, Self::Values))
    }
}

/// The values of every secret of a scope that count, in the order of their names.
///
/// # Errors
/// As [`rows`].
pub async fn list(store: &dyn Store, scope: Scope) -> Result<Vec<Versioned<SecretRecord>>, Error> {
    let mut secrets = rows(store, scope).await?;
    secrets.retain(|row| Part::of(&row.record.name).1 == Part::Values);
    Ok(secrets)
}

/// Every row of the secrets of a scope, in the order of their names.
///
/// # Errors
/// The store could not be read, or a row is damaged: a secret that cannot be read
/// is none that is not there.
pub async fn rows(store: &dyn Store, scope: Scope) -> Result<Vec<Versioned<SecretRecord>>, Error> {
    // Values of each; reads and past ones of each, and of as many again that were removed.
    let page = store.scan(scope, Table::Secret, None, 5 * MAX_SECRETS + 1).await?;
    let mut secrets = Vec::with_capacity(page.rows.len());
    for row in page.rows {
        match row {
            Row::Secret(secret) => secrets.push(*secret),
            Row::Unreadable(_, why) => return Err(Error::Corrupt(format!("a secret: {why}"))),
            _ => {}
        }
    }
    secrets.sort_by(|one, other| one.record.name.cmp(&other.record.name));
    Ok(secrets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(slug: &str, at: u64) -> SecretReads {
        let at = Timestamp::from_millis(at);
        SecretReads {
            reader: SecretReader::Handler(slug.into()),
            count: 1,
            first_at: at,
            last_at: at,
            run: None,
        }
    }

    #[test]
    fn a_row_is_of_a_secret_and_a_part_of_it() {
        for part in [Part::Values, Part::Past, Part::Reads] {
            assert_eq!(Part::of(&part.row("STRIPE_KEY")), ("STRIPE_KEY", part));
        }
    }

    #[test]
    fn reads_of_one_reader_are_one_entry_and_the_oldest_reader_is_forgotten() {
        let mut kept = Vec::new();
        for at in [5, 3, 9] {
            reads("a", at).merge(&mut kept);
        }
        let [one] = kept.as_slice() else { panic!("one reader: {kept:?}") };
        assert_eq!((one.count, one.first_at.as_millis(), one.last_at.as_millis()), (3, 3, 9));
        for n in 0..MAX_READERS as u64 {
            reads(&format!("b{n}"), 100 + n).merge(&mut kept);
        }
        assert_eq!(kept.len(), MAX_READERS);
        assert!(kept.iter().all(|reads| reads.reader != SecretReader::Handler("a".into())));
        assert!(kept.is_sorted_by_key(|reads| reads.last_at));
    }
}
