//! The decision over a group of batches that are to share one write: in order,
//! each against what is committed and against what the batches before it in the
//! group change. Every committer of rows decides by it, so that none can come to
//! another verdict.
//!
//! This file refuses to know how a group is made durable.

use std::collections::HashMap;

use bytes::Bytes;
use foldhash::fast::RandomState;
use px_store::Error;

use crate::rows::{Check, Expect};

/// The rows that a group of batches finds: as of the newest commit before it.
pub trait Committed {
    /// Returns true if a row satisfies a check. Apart from [`Committed::get`] for stores
    /// that find a version without reading the value.
    ///
    /// # Errors
    /// The row cannot be read.
    fn satisfies(&self, check: &Check) -> Result<bool, Error>;

    /// Reads one row.
    ///
    /// # Errors
    /// The row cannot be read.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error>;
}

/// The value of a row that a batch of the group writes, in the form in which the
/// committer holds it.
pub trait NewValue {
    /// Returns true if a row of this value satisfies a check.
    fn satisfies(&self, check: &Check) -> bool;

    /// The value itself.
    ///
    /// # Errors
    /// Its form cannot be undone.
    fn bytes(&self) -> Result<Bytes, Error>;
}

/// The decision about one batch.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// All checks hold, and the changes may happen.
    Commit,
    /// A check did not hold.
    Conflict {
        /// Index of the check that did not hold.
        check: usize,
        /// The row as it is instead.
        found: Option<Bytes>,
        /// True if it is an earlier batch of the group that the check lost to:
        /// then it stands only if the group becomes durable.
        in_group: bool,
    },
    /// A check could not be read.
    Fail(Error),
}

/// The rows that the batches of a group change, so far.
#[derive(Debug)]
pub struct Group<'a, V> {
    changed: HashMap<&'a [u8], Option<&'a V>, RandomState>,
}

impl<V> Default for Group<'_, V> {
    fn default() -> Self {
        Self { changed: HashMap::default() }
    }
}

impl<'a, V: NewValue> Group<'a, V> {
    /// Decides one batch. If it is to be committed, its changes are to be told to
    /// the group before the next one is decided.
    pub fn decide(&self, checks: &[Check], committed: &impl Committed) -> Verdict {
        for (index, check) in checks.iter().enumerate() {
            let pending = self.changed.get(&*check.key);
            let holds = match pending {
                Some(Some(value)) => Ok(value.satisfies(check)),
                Some(None) => Ok(check.holds(None)),
                None => committed.satisfies(check),
            };
            match holds {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => return Verdict::Fail(error),
            }
            // Nothing but the committer can change what the row is.
            let found = match pending {
                Some(pending) => pending.map(NewValue::bytes).transpose(),
                None => committed.get(&check.key),
            };
            return match found {
                Ok(found) => Verdict::Conflict { check: index, found, in_group: pending.is_some() },
                Err(error) => Verdict::Fail(error),
            };
        }
        Verdict::Commit
    }

    /// A batch of the group writes a row.
    pub fn put(&mut self, key: &'a [u8], value: &'a V) {
        self.changed.insert(key, Some(value));
    }

    /// A batch of the group removes a row.
    pub fn remove(&mut self, key: &'a [u8]) {
        self.changed.insert(key, None);
    }
}

impl Check {
    /// Returns true if a row satisfies this check; `None` if there is no row. At least the
    /// first eight bytes of it have to be here, and all of it where the check
    /// [wants them](Check::wants_whole_value).
    #[must_use]
    pub fn holds(&self, found: Option<&[u8]>) -> bool {
        match (&self.expect, found) {
            (Expect::Absent, found) => found.is_none(),
            (Expect::Present, found) => found.is_some(),
            (Expect::Version(_) | Expect::Same(_), None) => false,
            (Expect::Version(version), Some(value)) => {
                value.first_chunk::<8>().is_some_and(|head| u64::from_be_bytes(*head) == *version)
            }
            (Expect::Same(wanted), Some(value)) => *value == **wanted,
        }
    }

    /// Returns true if the first eight bytes of a row do not tell whether this
    /// check holds.
    #[must_use]
    pub const fn wants_whole_value(&self) -> bool {
        matches!(self.expect, Expect::Same(_))
    }
}

impl NewValue for Bytes {
    fn satisfies(&self, check: &Check) -> bool {
        check.holds(Some(self))
    }

    fn bytes(&self) -> Result<Bytes, Error> {
        Ok(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::rows::RowKey;

    struct Rows(BTreeMap<&'static [u8], Bytes>);

    impl Committed for Rows {
        fn satisfies(&self, check: &Check) -> Result<bool, Error> {
            Ok(check.holds(self.0.get(&*check.key).map(AsRef::as_ref)))
        }

        fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
            Ok(self.0.get(key).cloned())
        }
    }

    fn value(version: u64) -> Bytes {
        Bytes::copy_from_slice(&version.to_be_bytes())
    }

    fn check(key: &[u8], expect: Expect) -> Check {
        Check { key: RowKey::from_slice(key), expect }
    }

    #[test]
    fn a_batch_is_decided_against_the_batches_before_it_in_its_group() {
        let rows = Rows(BTreeMap::from([(b"a".as_slice(), value(1)), (b"b", value(1))]));
        let (two, mut group) = (value(2), Group::default());
        let first = [check(b"a", Expect::Version(1)), check(b"c", Expect::Absent)];
        assert!(matches!(group.decide(&first, &rows), Verdict::Commit));
        group.put(b"a", &two);
        group.remove(b"b");
        let stale = [check(b"c", Expect::Absent), check(b"a", Expect::Version(1))];
        let Verdict::Conflict { check: 1, found, in_group: true } = group.decide(&stale, &rows) else {
            panic!("the group wrote the row");
        };
        assert_eq!(found, Some(two.clone()));
        assert!(matches!(group.decide(&[check(b"a", Expect::Version(2))], &rows), Verdict::Commit));
        let gone = group.decide(&[check(b"b", Expect::Present)], &rows);
        assert!(matches!(gone, Verdict::Conflict { check: 0, found: None, in_group: true }));
        assert!(matches!(group.decide(&[check(b"b", Expect::Absent)], &rows), Verdict::Commit));
        let before = group.decide(&[check(b"c", Expect::Present)], &rows);
        assert!(matches!(before, Verdict::Conflict { check: 0, found: None, in_group: false }));
        let as_read = |key: &[u8], value: &Bytes| [check(key, Expect::Same(value.clone()))];
        assert!(matches!(group.decide(&as_read(b"a", &two), &rows), Verdict::Commit));
        let one = group.decide(&as_read(b"a", &value(1)), &rows);
        assert!(matches!(one, Verdict::Conflict { check: 0, found: Some(_), in_group: true }));
        let gone = group.decide(&as_read(b"b", &value(1)), &rows);
        assert!(matches!(gone, Verdict::Conflict { check: 0, found: None, in_group: true }));
    }
}
