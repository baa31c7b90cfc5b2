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
    /// Those who have read it, at most a hundred, the newest last. They lag
    /// what happens by a second or so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<SecretReads>,
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

/// Every secret of a scope, in the order of their names.
///
/// # Errors
/// The store could not be read, or a row is damaged: a secret that cannot be read
/// is none that is not there.
pub async fn list(store: &dyn Store, scope: Scope) -> Result<Vec<Versioned<SecretRecord>>, Error> {
    let page = store.scan(scope, Table::Secret, None, MAX_SECRETS + 1).await?;
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
