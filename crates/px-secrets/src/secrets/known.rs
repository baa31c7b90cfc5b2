//! What a process remembers of the secrets of its store: their rows, and what they hold, opened. Rows
//! are read more often than values change, so what was opened is kept while the values are the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use px_core::Timestamp;
use px_core::hook::{OldSecret, Sealed, Secrets as Values};
use px_store::Versioned;
use px_store::secrets::{self, MAX_SECRETS, Part, SecretReads, SecretRecord, SecretWrite};
use secrecy::SecretString;

use crate::key::{KeyParts, store_number};
use crate::vault::Place;

/// Maximum number of values of a secret that count no more and are kept.
const MAX_PAST: usize = 20;

/// Maximum bytes of them, as they are sealed. The newest is kept in any case.
const MAX_PAST_BYTES: usize = 128 * 1024;

/// The values of a secret.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// The current one; none if this process' key does not open it.
    pub current: Option<SecretString>,
    /// Those before it, and until when they count.
    pub old: Vec<(SecretString, Timestamp)>,
}

/// What rests sealed, opened.
#[derive(Debug, Default)]
pub(super) struct Opened {
    pub(super) held: BTreeMap<String, Held>,
    /// Values that count no more, each with its name: the newest of each secret first.
    past: Vec<(String, SecretString)>,
    /// Number of these values, which no others have had.
    pub(super) generation: u64,
}

impl Opened {
    /// Every value that counts no more, with its name: the newest of each secret first.
    pub(super) fn past(&self) -> Vec<(String, SecretString)> {
        self.past.clone()
    }

    /// Every value that counts, with its name.
    pub(super) fn values(&self) -> Vec<(String, SecretString)> {
        let of = |(name, held): (&String, &Held)| {
            let all = held.current.iter().chain(held.old.iter().map(|(value, _)| value));
            all.map(|value| (name.clone(), value.clone())).collect::<Vec<_>>()
        };
        self.held.iter().flat_map(of).collect()
    }
}

type Rows = BTreeMap<String, Versioned<SecretRecord>>;

/// Memory of what the store has. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// Those of values, in the order of names.
    pub(super) rows: Arc<Vec<Versioned<SecretRecord>>>,
    past: Arc<Rows>,
    reads: Rows,
    pub(super) opened: Arc<Opened>,
}

/// A change of a row: the version that was read, its name, and what it is then.
pub(super) type Changed = (Option<u64>, String, Option<SecretRecord>);

impl Known {
    /// Reads the rows, and opens them unless those of `before` have the same values.
    pub(super) async fn read(
        parts: &KeyParts,
        before: Option<Arc<Self>>,
        generation: impl FnOnce() -> u64,
    ) -> Result<Self, px_store::Error> {
        let KeyParts { store, scope, .. } = parts;
        let (mut values, mut past, mut reads) = (Vec::new(), Rows::new(), Rows::new());
        for row in secrets::rows(&**store, *scope).await? {
            let (name, part) = Part::of(&row.record.name);
            let name = name.to_owned();
            match part {
                Part::Values => values.push(row),
                Part::Past => drop(past.insert(name, row)),
                Part::Reads => drop(reads.insert(name, row)),
            }
        }
        if let Some(before) = before
            && same_values(before.rows.iter(), values.iter())
            && same_values(before.past.values(), past.values())
        {
            return Ok(Self { rows: Arc::new(values), past: Arc::new(past), reads, ..(*before).clone() });
        }
        let opened = open(parts, &values, &past, generation()).await?;
        Ok(Self { rows: Arc::new(values), past: Arc::new(past), reads, opened: Arc::new(opened) })
    }

    /// The row of the values of a secret.
    pub(super) fn row(&self, name: &str) -> Option<&Versioned<SecretRecord>> {
        let place = self.rows.binary_search_by(|row| row.record.name.as_str().cmp(name)).ok()?;
        self.rows.get(place)
    }

    /// Those who have read a secret. In older stores they are with its values.
    pub(super) fn reads_of(&self, name: &str) -> Vec<SecretReads> {
        let row = self.reads.get(name).or_else(|| self.row(name));
        row.map(|row| row.record.reads.clone()).unwrap_or_default()
    }

    /// The change that adds reads of a secret.
    pub(super) fn with_reads(&self, name: &str, reads: &[SecretReads], now: Timestamp) -> Changed {
        let mut all = self.reads_of(name);
        reads.iter().cloned().for_each(|reads| reads.merge(&mut all));
        let row = self.reads.get(name);
        let record = SecretRecord { reads: all, ..blank(Part::Reads, name, row, now) };
        (row.map(|row| row.version), record.name.clone(), Some(record))
    }

    /// Returns whether the store has a secret, or remembers one that was removed.
    pub(super) fn is_of_store(&self, name: &str) -> bool {
        self.row(name).is_some() || self.past.contains_key(name)
    }

    /// The change that keeps who has read a secret though its values go: in older stores they are with these.
    pub(super) fn kept_reads(&self, name: &str, now: Timestamp) -> Option<Changed> {
        let of_values = self.row(name).filter(|row| !row.record.reads.is_empty());
        (of_values.is_some() && !self.reads.contains_key(name)).then(|| self.with_reads(name, &[], now))
    }

    /// The change that keeps values of a secret which count no more, if there are any.
    pub(super) fn with_past(&self, name: &str, gone: Vec<Sealed>, now: Timestamp) -> Option<Changed> {
        if gone.is_empty() {
            return None;
        }
        let row = self.past.get(name);
        let mut record = blank(Part::Past, name, row, now);
        let gone = gone.into_iter().map(|secret| OldSecret { secret, until: now });
        let before = row.map(|row| row.record.values.old.clone()).unwrap_or_default();
        let mut bytes = 0;
        let fits = |old: &OldSecret| {
            bytes += old.secret.0.len();
            bytes <= MAX_PAST_BYTES || bytes == old.secret.0.len()
        };
        record.values.old = gone.chain(before).take(MAX_PAST).take_while(fits).collect();
        Some((row.map(|row| row.version), record.name.clone(), Some(record)))
    }

    /// The changes that forget the secret which was removed first, and who has read it, if removing one
    /// more makes them too many.
    pub(super) fn without_oldest_past(&self, removed: &str) -> Vec<Changed> {
        let is_removed = |name: &str| name != removed && self.row(name).is_none();
        let removed: Vec<_> = self.past.iter().filter(|(name, _)| is_removed(name)).collect();
        let oldest = removed.iter().min_by_key(|(_, row)| row.record.updated_at);
        let Some((name, past)) = oldest.filter(|_| removed.len() >= MAX_SECRETS) else { return Vec::new() };
        let rows = std::iter::once(*past).chain(self.reads.get(*name));
        rows.map(|row| (Some(row.version), row.record.name.clone(), None)).collect()
    }

    /// The same, after a commit of rows of reads.
    pub(super) fn after(&self, writes: Vec<SecretWrite>) -> Self {
        let mut known = self.clone();
        for SecretWrite { name, version, record, .. } in writes {
            if let (Some(record), (of, Part::Reads)) = (record, Part::of(&name)) {
                known.reads.insert(of.to_owned(), Versioned { version, record });
            }
        }
        known
    }
}

fn blank(part: Part, name: &str, row: Option<&Versioned<SecretRecord>>, now: Timestamp) -> SecretRecord {
    SecretRecord {
        name: part.row(name),
        values: Values::default(),
        created_at: row.map_or(now, |row| row.record.created_at),
        updated_at: now,
        reads: Vec::new(),
    }
}

fn same_values<'a>(
    some: impl Iterator<Item = &'a Versioned<SecretRecord>>,
    others: impl Iterator<Item = &'a Versioned<SecretRecord>>,
) -> bool {
    let of = |row: &'a Versioned<SecretRecord>| (&row.record.name, &row.record.values);
    some.map(of).eq(others.map(of))
}

async fn open(
    parts: &KeyParts,
    rows: &[Versioned<SecretRecord>],
    past: &Rows,
    generation: u64,
) -> Result<Opened, px_store::Error> {
    let KeyParts { store, scope, vault, .. } = parts;
    let number = store_number(store, *scope).await?;
    let open = |name: &str, sealed: &Sealed| {
        vault.open_for(&Place { store: number, scope: *scope, name }, sealed).ok()
    };
    let mut held = BTreeMap::new();
    for SecretRecord { name, values, .. } in rows.iter().map(|row| &row.record) {
        let current = values.current.as_ref().and_then(|sealed| open(name, sealed));
        if current.is_none() {
            tracing::error!(
                secret = name,
                "a secret of the store cannot be decrypted: `px secrets set` sets it anew"
            );
        }
        let old = values.old.iter().filter_map(|old| Some((open(name, &old.secret)?, old.until))).collect();
        held.insert(name.clone(), Held { current, old });
    }
    let past = past.iter().flat_map(|(name, row)| {
        let old = row.record.values.old.iter().enumerate();
        old.filter_map(|(age, old)| Some((age, (name.clone(), open(name, &old.secret)?))))
    });
    let mut past: Vec<_> = past.collect();
    past.sort_by_key(|(age, _)| *age);
    Ok(Opened { held, past: past.into_iter().map(|(_, value)| value).collect(), generation })
}

/// The sealed values that were there before and are no more.
pub(super) fn gone(before: &Values, after: &Values) -> Vec<Sealed> {
    let all = |values: &Values| -> Vec<Sealed> {
        let old = values.old.iter().map(|old| &old.secret);
        values.current.iter().chain(old).cloned().collect()
    };
    let after = all(after);
    all(before).into_iter().filter(|sealed| !after.contains(sealed)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(part: Part, name: &str, at: u64) -> Versioned<SecretRecord> {
        Versioned { version: at, record: blank(part, name, None, Timestamp::from_millis(at)) }
    }

    #[test]
    fn of_too_many_secrets_that_were_removed_the_first_is_forgotten() {
        let name = |n: usize| format!("S{n}");
        let removed =
            |count: usize| (0..count).map(|n| (name(n), row(Part::Past, &name(n), 1_000 - n as u64)));
        let mut past: Rows = removed(MAX_SECRETS).collect();
        // One that is there still, and is about to go.
        past.insert("THERE".into(), row(Part::Past, "THERE", 1));
        let rows = Arc::new(vec![row(Part::Values, "THERE", 1)]);
        let oldest = name(MAX_SECRETS - 1);
        let read = [&oldest, &name(0)].map(|name| (name.clone(), row(Part::Reads, name, 7)));
        let known = Known {
            rows: Arc::clone(&rows),
            past: Arc::new(past),
            reads: read.into_iter().collect(),
            ..Known::default()
        };
        let past = (Some(1_000 - (MAX_SECRETS as u64 - 1)), Part::Past.row(&oldest), None);
        let changes = known.without_oldest_past("THERE");
        assert_eq!(changes, [past, (Some(7), Part::Reads.row(&oldest), None)]);
        let known = Known { rows, past: Arc::new(removed(MAX_SECRETS - 1).collect()), ..Known::default() };
        assert!(known.without_oldest_past("THERE").is_empty());
    }

    #[test]
    fn what_is_kept_of_a_secret_is_bounded_and_the_newest_stays() {
        let now = Timestamp::from_millis(1);
        let kept = |gone: Vec<Sealed>| {
            let (_, _, record) = Known::default().with_past("S", gone, now).unwrap();
            record.unwrap().values.old.len()
        };
        assert_eq!(kept(vec![Sealed(vec![7; 50]); 30]), MAX_PAST);
        assert_eq!(kept(vec![Sealed(vec![7; MAX_PAST_BYTES / 3]); 30]), 3);
        assert_eq!(kept(vec![Sealed(vec![7; 2 * MAX_PAST_BYTES]); 30]), 1);
        assert!(Known::default().with_past("S", Vec::new(), now).is_none());
    }
}
