//! The secrets of a store, by name. They are remembered, opened, with the epoch of
//! the store, so that a read costs no store and a change elsewhere is seen at the
//! next look; whatever changes them demands the epoch that it read.

mod known;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use px_core::RunId;
use px_core::hook::{Sealed, Secrets as Values};
use px_store::secrets::{MAX_SECRETS, SecretReader, SecretReads, SecretRecord, SecretWrite};
use px_store::{Admission, Batch, Epoch, EpochWrite, Outcome, Versioned, Watched};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;

use crate::key::{KeyParts, store_number};
use crate::reads::Noted;
use crate::rules::{Unfit, check_deletable, check_name, check_value};
use crate::vault::Place;
pub use known::Held;
use known::{Changed, Known, gone};

/// Maximum number of rounds in which a change is tried anew when other processes
/// change the secrets too.
const MAX_ROUNDS: usize = 100;

/// Reason that a secret is not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is none of this name.
    #[error("Secret '{0}' not found")]
    NotFound(String),
    /// The name or the value cannot be.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The time that the old value still counts is too long.
    #[error("The grace of a secret's old value is at most {} days", Values::MAX_GRACE.as_secs() / 86_400)]
    Grace,
    /// That time is not written as one. It is not repeated: it may be a value.
    #[error("The grace of a secret's old value is not a time: write it like 500ms, 10s, 5m, 2h or 1d")]
    GraceForm,
    /// There are too many.
    #[error("There are at most {MAX_SECRETS} secrets; delete those that nobody reads (`px secrets reads`)")]
    TooMany,
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] px_store::Error),
}

/// A secret to be set.
#[derive(Debug, Clone)]
pub struct NewSecret {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: SecretString,
    /// Time that the value before it still counts where senders are verified.
    pub grace: Duration,
}

/// Number of secrets that a change has made and given another value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Change {
    /// New ones.
    pub created: u64,
    /// Those that were there.
    pub updated: u64,
    /// Those of them whose value is the one that they had.
    pub unchanged: u64,
}

/// The secrets of one store. Cheap to clone.
#[derive(Clone)]
pub struct Secrets(Arc<Inner>);

struct Inner {
    parts: KeyParts,
    known: Watched<Known>,
    /// The last generation that was given to what was read.
    generations: AtomicU64,
    noted: Noted,
    /// Changes, one at a time.
    changing: Mutex<()>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").field("count", &self.known().rows.len()).finish_non_exhaustive()
    }
}

impl Secrets {
    /// The secrets of this store, under the key of these parts.
    ///
    /// # Errors
    /// The store cannot be read, or a row is damaged.
    pub async fn open(parts: KeyParts) -> Result<Self, px_store::Error> {
        let inner = Inner {
            parts,
            known: Watched::default(),
            generations: AtomicU64::new(0),
            noted: Noted::default(),
            changing: Mutex::default(),
        };
        let secrets = Self(Arc::new(inner));
        secrets.refresh().await?;
        Ok(secrets)
    }

    /// As they were at the last look.
    fn known(&self) -> Arc<Known> {
        self.0.known.last().map(|(_, known)| known).unwrap_or_default()
    }

    /// Looks whether another process has changed them.
    ///
    /// # Errors
    /// The store cannot be read, or a row is damaged.
    pub async fn refresh(&self) -> Result<(), px_store::Error> {
        self.at_epoch().await.map(drop)
    }

    async fn at_epoch(&self) -> Result<(u64, Arc<Known>), px_store::Error> {
        let parts = &self.0.parts;
        let at = (&*parts.store, parts.scope, Epoch::Secrets);
        self.0.known.get(at, async || self.read().await).await
    }

    async fn read(&self) -> Result<Known, px_store::Error> {
        let next = || self.0.generations.fetch_add(1, Ordering::SeqCst) + 1;
        Known::read(&self.0.parts, self.0.known.last().map(|(_, known)| known), next).await
    }

    /// A number that is another one when values may have changed. Whoever reads it
    /// before the values has these or newer ones.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.known().opened.generation
    }

    /// Every secret at rest, by name.
    #[must_use]
    pub fn list(&self) -> Vec<SecretRecord> {
        self.known().rows.iter().map(|row| row.record.clone()).collect()
    }

    /// Every value that counts, with its name.
    #[must_use]
    pub fn values(&self) -> Vec<(String, SecretString)> {
        self.known().opened.values()
    }

    /// Every value that is remembered and counts no more, with its name.
    #[must_use]
    pub fn past_values(&self) -> Vec<(String, SecretString)> {
        self.known().opened.past()
    }

    /// The values of a secret, if there is one of this name.
    #[must_use]
    pub fn held(&self, name: &str) -> Option<Held> {
        self.known().opened.held.get(name).cloned()
    }

    /// Names of the secrets that this process' key does not open.
    #[must_use]
    pub fn unreadable(&self) -> Vec<String> {
        let known = self.known();
        let closed = known.opened.held.iter().filter(|(_, held)| held.current.is_none());
        closed.map(|(name, _)| name.clone()).collect()
    }

    /// Notes that a secret was read, whether it is in the store or not.
    pub fn note(&self, name: &str, reader: SecretReader, run: Option<RunId>) {
        self.0.noted.note(name, reader, run, self.0.parts.clock.now());
    }

    /// The reads of a secret, the newest last: those of the store, and those of this
    /// process that are not there yet.
    ///
    /// # Errors
    /// The store cannot be read, or a row is damaged.
    pub async fn reads(&self, name: &str) -> Result<Vec<SecretReads>, px_store::Error> {
        // Their rows change without an epoch.
        let (epoch, _) = self.at_epoch().await?;
        let known = Arc::new(self.read().await?);
        self.0.known.remember(epoch, Arc::clone(&known));
        let mut reads = known.reads_of(name);
        self.0.noted.of(name).into_iter().for_each(|noted| noted.merge(&mut reads));
        Ok(reads)
    }

    /// Writes the reads that were noted of secrets of the store: into rows of their own,
    /// without a look at the values.
    ///
    /// # Errors
    /// The store could not be written; they are noted still.
    pub async fn flush(&self) -> Result<(), px_store::Error> {
        let known = self.known();
        let taken = self.0.noted.take(|name| known.is_of_store(name));
        if taken.is_empty() {
            return Ok(());
        }
        let _alone = self.0.changing.lock().await;
        let now = self.0.parts.clock.now();
        let written = self.write(Touches::Reads, |known| {
            // One that was removed, and forgotten since, has no readers.
            let there = taken.iter().filter(|(name, _)| known.is_of_store(name));
            Ok(there.map(|(name, reads)| known.with_reads(name, reads, now)).collect())
        });
        match written.await {
            Ok(()) => Ok(()),
            Err(error) => {
                for (name, reads) in taken {
                    reads.into_iter().for_each(|reads| self.0.noted.put_back(&name, reads));
                }
                match error {
                    Error::Store(error) => Err(error),
                    _ => Err(px_store::Error::Busy),
                }
            }
        }
    }

    /// Sets secrets, all of them or none. Of two of one name the last one counts.
    ///
    /// # Errors
    /// See [`enum@Error`].
    pub async fn set(&self, wanted: Vec<NewSecret>) -> Result<Change, Error> {
        let mut by_name = BTreeMap::new();
        for new in wanted {
            check_name(&new.name)?;
            check_value(new.value.expose_secret())?;
            if new.grace > Values::MAX_GRACE {
                return Err(Error::Grace);
            }
            by_name.insert(new.name.clone(), new);
        }
        let KeyParts { store, scope, .. } = &self.0.parts;
        let number = store_number(store, *scope).await?;
        let _alone = self.0.changing.lock().await;
        let mut change = Change::default();
        self.write(Touches::Values, |known| {
            let (there, new): (Vec<_>, Vec<_>) =
                by_name.values().partition(|new| known.row(&new.name).is_some());
            if known.rows.len() + new.len() > MAX_SECRETS {
                return Err(Error::TooMany);
            }
            change = Change { created: new.len() as u64, updated: there.len() as u64, unchanged: 0 };
            let now = self.0.parts.clock.now();
            let mut make = |wanted: &NewSecret| {
                let row = known.row(&wanted.name);
                let place = Place { store: number, scope: *scope, name: &wanted.name };
                let (next, is_same) = self.next(row, wanted, &place);
                change.unchanged += u64::from(is_same);
                let gone = row.map(|row| gone(&row.record.values, &next.values)).unwrap_or_default();
                let past = known.with_past(&wanted.name, gone, now);
                let next = (row.map(|row| row.version), wanted.name.clone(), Some(next));
                std::iter::once(next).chain(past)
            };
            let mut changes = Vec::new();
            by_name.values().for_each(|wanted| changes.extend(make(wanted)));
            Ok(changes)
        })
        .await?;
        Ok(change)
    }

    /// A secret with its new value, and whether it is the one that it had.
    fn next(
        &self,
        row: Option<&Versioned<SecretRecord>>,
        wanted: &NewSecret,
        place: &Place<'_>,
    ) -> (SecretRecord, bool) {
        let KeyParts { vault, clock, .. } = &self.0.parts;
        let now = clock.now();
        let mut record = row.map(|row| row.record.clone()).unwrap_or_else(|| SecretRecord {
            name: wanted.name.clone(),
            values: Values::default(),
            created_at: now,
            updated_at: now,
            reads: Vec::new(),
        });
        record.updated_at = now;
        // One that this key cannot open is worth nothing beside the new one.
        record.values.retain(|sealed| vault.open_for(place, sealed).is_ok());
        let is_same = |sealed: &Sealed| {
            let current = vault.open_for(place, sealed);
            current.is_ok_and(|current| current.expose_secret() == wanted.value.expose_secret())
        };
        let is_same = record.values.current.as_ref().is_some_and(is_same);
        if !is_same {
            record.values.rotate(vault.seal_for(place, &wanted.value), now, wanted.grace);
        } else if wanted.grace.is_zero() {
            record.values.old.clear();
        }
        (record, is_same)
    }

    /// Removes a secret, and its old values with it: they are nobody's from then on, and
    /// taken out of what leaves px all the same. Who has read it stays known.
    ///
    /// # Errors
    /// See [`enum@Error`].
    pub async fn remove(&self, name: &str) -> Result<(), Error> {
        check_deletable(name)?;
        let _alone = self.0.changing.lock().await;
        let now = self.0.parts.clock.now();
        self.write(Touches::Values, |known| {
            let row = known.row(name).ok_or_else(|| Error::NotFound(name.to_owned()))?;
            let gone = gone(&row.record.values, &Values::default());
            let mut changes = vec![(Some(row.version), name.to_owned(), None)];
            changes.extend(known.with_past(name, gone, now));
            // Who had the value of a secret is asked most where it was removed, since it became known.
            changes.extend(known.kept_reads(name, now));
            changes.extend(known.without_oldest_past(name));
            Ok(changes)
        })
        .await
    }

    /// Commits changes of the secrets as they were read, made anew as often as others
    /// change them too, and remembers what they are then.
    async fn write(
        &self,
        touches: Touches,
        mut changes: impl FnMut(&Known) -> Result<Vec<Changed>, Error>,
    ) -> Result<(), Error> {
        let KeyParts { store, clock, ids, scope, .. } = &self.0.parts;
        for _ in 0..MAX_ROUNDS {
            let (epoch, known) = self.at_epoch().await?;
            let version = || ids.version(clock.now());
            let write = |(expected, name, record)| SecretWrite { name, expected, version: version(), record };
            let secrets: Vec<_> = changes(&known)?.into_iter().map(write).collect();
            let epochs = match touches {
                Touches::Values => {
                    vec![EpochWrite { epoch: Epoch::Secrets, expected: Some(epoch), next: Some(version()) }]
                }
                Touches::Reads => Vec::new(),
            };
            let batch = Batch { scope: *scope, secrets: secrets.clone(), epochs, ..Batch::default() };
            let is_done = matches!(store.commit(batch, Admission::Wait).await?, Outcome::Committed { .. });
            if is_done && touches == Touches::Reads {
                self.0.known.remember(epoch, Arc::new(known.after(secrets)));
                return Ok(());
            }
            // Before the secrets, which may be newer then, and never older.
            let now = store.epoch(*scope, Epoch::Secrets).await?;
            self.0.known.remember(now, Arc::new(self.read().await?));
            if is_done {
                return Ok(());
            }
        }
        Err(px_store::Error::Busy.into())
    }
}

/// Rows that a commit changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Touches {
    /// Those of values, which every process looks at anew.
    Values,
    /// Those of reads, which nobody waits for.
    Reads,
}
