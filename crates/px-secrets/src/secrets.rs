//! The secrets of a store, by name. They are remembered, opened, with the epoch of
//! the store, so that a read costs no store and a change elsewhere is seen at the
//! next look; whatever changes them demands the epoch that it read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use px_core::hook::{Sealed, Secrets as Values};
use px_core::{RunId, Timestamp};
use px_store::secrets::{self, MAX_SECRETS, SecretReader, SecretReads, SecretRecord, SecretWrite};
use px_store::{Admission, Batch, Epoch, EpochWrite, Outcome, Versioned, Watched};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;

use crate::key::{KeyParts, store_number};
use crate::reads::Noted;
use crate::rules::{Unfit, check_deletable, check_name, check_value};
use crate::vault::Place;

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
}

/// The values of a secret.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// The current one; none if this process' key does not open it.
    pub current: Option<SecretString>,
    /// Those before it, and until when they count.
    pub old: Vec<(SecretString, Timestamp)>,
}

/// Memory of what the store has.
#[derive(Debug, Default)]
struct Known {
    rows: Vec<Versioned<SecretRecord>>,
    held: BTreeMap<String, Held>,
}

/// The secrets of one store. Cheap to clone.
#[derive(Clone)]
pub struct Secrets(Arc<Inner>);

struct Inner {
    parts: KeyParts,
    known: Watched<Known>,
    /// Grows when values change.
    generation: AtomicU64,
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
            generation: AtomicU64::new(0),
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
        let KeyParts { store, scope, vault, .. } = &self.0.parts;
        let rows = secrets::list(&**store, *scope).await?;
        let number = store_number(store, *scope).await?;
        let mut held = BTreeMap::new();
        for row in &rows {
            let place = Place { store: number, scope: *scope, name: &row.record.name };
            let open = |sealed: &Sealed| vault.open_for(&place, sealed).ok();
            let values = &row.record.values;
            let current = values.current.as_ref().and_then(open);
            if current.is_none() {
                tracing::error!(
                    secret = row.record.name,
                    "a secret of the store cannot be decrypted: `px secrets set` sets it anew"
                );
            }
            let old = values.old.iter().filter_map(|old| Some((open(&old.secret)?, old.until))).collect();
            held.insert(row.record.name.clone(), Held { current, old });
        }
        let known = self.known();
        let values = |rows: &[Versioned<SecretRecord>]| {
            rows.iter().map(|row| (row.record.name.clone(), row.record.values.clone())).collect::<Vec<_>>()
        };
        // Who has read them changes more often.
        if self.0.known.last().is_none() || values(&known.rows) != values(&rows) {
            self.0.generation.fetch_add(1, Ordering::SeqCst);
        }
        Ok(Known { rows, held })
    }

    /// A number that grows when values may have changed.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::SeqCst)
    }

    /// Every secret at rest, by name.
    #[must_use]
    pub fn list(&self) -> Vec<SecretRecord> {
        self.known().rows.iter().map(|row| row.record.clone()).collect()
    }

    /// Every value that is remembered, old ones too, with its name.
    #[must_use]
    pub fn values(&self) -> Vec<(String, SecretString)> {
        let known = self.known();
        let of = |(name, held): (&String, &Held)| {
            let all = held.current.iter().chain(held.old.iter().map(|(value, _)| value));
            all.map(|value| (name.clone(), value.clone())).collect::<Vec<_>>()
        };
        known.held.iter().flat_map(of).collect()
    }

    /// The values of a secret, if there is one of this name.
    #[must_use]
    pub fn held(&self, name: &str) -> Option<Held> {
        self.known().held.get(name).cloned()
    }

    /// Names of the secrets that this process' key does not open.
    #[must_use]
    pub fn unreadable(&self) -> Vec<String> {
        let known = self.known();
        let closed = known.held.iter().filter(|(_, held)| held.current.is_none());
        closed.map(|(name, _)| name.clone()).collect()
    }

    /// Notes that a secret was read, whether it is in the store or not.
    pub fn note(&self, name: &str, reader: SecretReader, run: Option<RunId>) {
        self.0.noted.note(name, reader, run, self.0.parts.clock.now());
    }

    /// The reads of a secret, the newest last: those of the store, and those of this
    /// process that are not there yet.
    #[must_use]
    pub fn reads(&self, name: &str) -> Vec<SecretReads> {
        let known = self.known();
        let row = known.rows.iter().find(|row| row.record.name == name);
        let mut reads = row.map(|row| row.record.reads.clone()).unwrap_or_default();
        self.0.noted.of(name).into_iter().for_each(|noted| noted.merge(&mut reads));
        reads
    }

    /// Writes the reads that were noted of secrets of the store.
    ///
    /// # Errors
    /// The store could not be written; they are noted still.
    pub async fn flush(&self) -> Result<(), px_store::Error> {
        let known = self.known();
        let is_kept = |name: &str| known.rows.iter().any(|row| row.record.name == name);
        let taken = self.0.noted.take(is_kept);
        if taken.is_empty() {
            return Ok(());
        }
        let _alone = self.0.changing.lock().await;
        let add = |mut record: SecretRecord| {
            let reads = taken.get(&record.name).cloned().unwrap_or_default();
            reads.into_iter().for_each(|reads| reads.merge(&mut record.reads));
            Some(record)
        };
        let written = self.write(|known| {
            let rows = known.rows.iter().filter(|row| taken.contains_key(&row.record.name));
            Ok(rows
                .map(|row| (Some(row.version), row.record.name.clone(), add(row.record.clone())))
                .collect())
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
        self.write(|known| {
            let (there, new): (Vec<_>, Vec<_>) =
                by_name.values().partition(|new| known.held.contains_key(&new.name));
            if known.rows.len() + new.len() > MAX_SECRETS {
                return Err(Error::TooMany);
            }
            change = Change { created: new.len() as u64, updated: there.len() as u64 };
            let make = |wanted: &NewSecret| {
                let row = known.rows.iter().find(|row| row.record.name == wanted.name);
                let place = Place { store: number, scope: *scope, name: &wanted.name };
                (row.map(|row| row.version), wanted.name.clone(), Some(self.next(row, wanted, &place)))
            };
            Ok(by_name.values().map(make).collect())
        })
        .await?;
        Ok(change)
    }

    /// A secret with its new value.
    fn next(
        &self,
        row: Option<&Versioned<SecretRecord>>,
        wanted: &NewSecret,
        place: &Place<'_>,
    ) -> SecretRecord {
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
        if !record.values.current.as_ref().is_some_and(is_same) {
            record.values.rotate(vault.seal_for(place, &wanted.value), now, wanted.grace);
        }
        record
    }

    /// Removes a secret, and its old values with it.
    ///
    /// # Errors
    /// See [`enum@Error`].
    pub async fn remove(&self, name: &str) -> Result<(), Error> {
        check_deletable(name)?;
        let _alone = self.0.changing.lock().await;
        self.write(|known| {
            let row = known.rows.iter().find(|row| row.record.name == name);
            let row = row.ok_or_else(|| Error::NotFound(name.to_owned()))?;
            Ok(vec![(Some(row.version), name.to_owned(), None)])
        })
        .await
    }

    /// Commits changes of the secrets as they were read, made anew as often as others
    /// change them too, and reads what they are then.
    async fn write(
        &self,
        mut changes: impl FnMut(&Known) -> Result<Vec<Changed>, Error>,
    ) -> Result<(), Error> {
        let KeyParts { store, clock, ids, scope, .. } = &self.0.parts;
        for _ in 0..MAX_ROUNDS {
            let (epoch, known) = self.at_epoch().await?;
            let version = || ids.version(clock.now());
            let write = |(expected, name, record)| SecretWrite { name, expected, version: version(), record };
            let secrets = changes(&known)?.into_iter().map(write).collect();
            let epochs =
                vec![EpochWrite { epoch: Epoch::Secrets, expected: Some(epoch), next: Some(version()) }];
            let batch = Batch { scope: *scope, secrets, epochs, ..Batch::default() };
            let outcome = store.commit(batch, Admission::Wait).await?;
            // Before the secrets, which may be newer then, and never older.
            let now = store.epoch(*scope, Epoch::Secrets).await?;
            self.0.known.remember(now, Arc::new(self.read().await?));
            if matches!(outcome, Outcome::Committed { .. }) {
                return Ok(());
            }
        }
        Err(px_store::Error::Busy.into())
    }
}

/// A change of a secret: the version that was read, its name, and what it is then.
type Changed = (Option<u64>, String, Option<SecretRecord>);
