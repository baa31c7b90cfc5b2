//! Reads of secrets that are not in the store yet. A read costs a step no commit:
//! it is noted in memory, and a server writes what was noted once a second. What a
//! process had noted when it died is lost; its log has a line for each.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use px_core::{RunId, Timestamp};
use px_store::secrets::{SecretReader, SecretReads};

use crate::metrics;

/// Maximum number of pairs of secret and reader that are noted. What is beyond is
/// in the log alone.
const MAX_NOTED: usize = 4_096;

/// Reads by secret and reader.
#[derive(Debug, Default)]
pub(crate) struct Noted(Mutex<BTreeMap<(String, SecretReader), SecretReads>>);

impl Noted {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, SecretReader), SecretReads>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a read.
    pub(crate) fn note(&self, name: &str, reader: SecretReader, run: Option<RunId>, at: Timestamp) {
        metrics::READS.add(1);
        let run_text = run.map(|run| run.to_string()).unwrap_or_default();
        tracing::debug!(secret = name, ?reader, run = run_text, "a secret was read");
        let reads = SecretReads { reader: reader.clone(), count: 1, first_at: at, last_at: at, run };
        self.put_back(name, reads);
    }

    /// Adds reads to those that are noted.
    pub(crate) fn put_back(&self, name: &str, reads: SecretReads) {
        let mut noted = self.lock();
        let key = (name.to_owned(), reads.reader.clone());
        if noted.len() >= MAX_NOTED && !noted.contains_key(&key) {
            return;
        }
        let mut of_reader: Vec<_> = noted.remove(&key).into_iter().collect();
        reads.merge(&mut of_reader);
        noted.extend(of_reader.pop().map(|reads| (key, reads)));
    }

    /// Takes what was noted of the secrets that `is_kept` names, by their names.
    pub(crate) fn take(&self, is_kept: impl Fn(&str) -> bool) -> BTreeMap<String, Vec<SecretReads>> {
        let mut noted = self.lock();
        let mut taken: BTreeMap<String, Vec<SecretReads>> = BTreeMap::new();
        noted.retain(|(name, _), reads| {
            if is_kept(name) {
                taken.entry(name.clone()).or_default().push(reads.clone());
            }
            !is_kept(name)
        });
        taken
    }

    /// The noted reads of a secret.
    pub(crate) fn of(&self, name: &str) -> Vec<SecretReads> {
        self.lock().iter().filter(|((of, _), _)| of == name).map(|(_, reads)| reads.clone()).collect()
    }
}
