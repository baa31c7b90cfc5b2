//! Secrets: rows by name, each under a precondition.

use std::sync::Arc;

use px_core::Timestamp;
use px_core::hook::{Sealed, Secrets};

use super::driver::Driver;
use super::{SCOPE, block_on};
use crate::secrets::{self, SecretRecord, SecretWrite};
use crate::{Admission, Batch, Conflict, Outcome, Store, Table};

impl Driver {
    /// Sets a secret, or removes it, as it was read.
    pub(super) fn put_secret(
        &mut self,
        name: &str,
        expected: Option<u64>,
        sealed: Option<Vec<u8>>,
    ) -> Outcome {
        self.now += 1;
        let now = Timestamp::from_millis(self.now);
        let record = sealed.map(|sealed| SecretRecord {
            name: name.to_owned(),
            values: Secrets { current: Some(Sealed(sealed)), old: Vec::new() },
            created_at: now,
            updated_at: now,
            reads: Vec::new(),
        });
        let write = SecretWrite { name: name.to_owned(), expected, version: self.ids.version(now), record };
        self.commit(Batch { scope: SCOPE, secrets: vec![write], ..Batch::default() })
    }

    /// The version of a secret, if there is one.
    pub(super) fn secret_version(&self, name: &str) -> Option<u64> {
        let rows = block_on(secrets::rows(&*self.store, SCOPE)).expect("secrets");
        rows.iter().find(|row| row.record.name == name).map(|row| row.version)
    }
}

/// A secret changes only as it was read, is found under its own name, and is gone
/// when it is removed.
///
/// # Panics
/// If the store does otherwise.
pub fn a_secret_changes_only_as_it_was_read(store: Arc<dyn Store>) {
    let record = |name: &str, byte: u8| SecretRecord {
        name: name.to_owned(),
        values: Secrets { current: Some(Sealed(vec![byte; 30])), old: Vec::new() },
        created_at: Timestamp::from_millis(1),
        updated_at: Timestamp::from_millis(u64::from(byte)),
        reads: Vec::new(),
    };
    let write = |name: &str, expected: Option<u64>, byte: Option<u8>| {
        let version = byte.map_or(99, u64::from);
        let record = byte.map(|byte| record(name, byte));
        let write = SecretWrite { name: name.to_owned(), expected, version, record };
        let batch = Batch { scope: SCOPE, secrets: vec![write], ..Batch::default() };
        block_on(store.commit(batch, Admission::Wait)).unwrap()
    };
    let found = || {
        let listed = block_on(secrets::list(&*store, SCOPE)).unwrap();
        listed.into_iter().map(|secret| (secret.record.name, secret.version)).collect::<Vec<_>>()
    };
    let conflict = |name: &str| Outcome::Conflict(Conflict::Secret(name.to_owned()));
    assert_eq!(found(), []);
    assert!(matches!(write("B", None, Some(1)), Outcome::Committed { .. }));
    assert!(matches!(write("A", None, Some(2)), Outcome::Committed { .. }));
    assert!(matches!(write("AB", None, Some(3)), Outcome::Committed { .. }));
    assert_eq!(write("A", None, Some(4)), conflict("A"), "there is one already");
    assert_eq!(write("A", Some(7), Some(4)), conflict("A"), "it is another one");
    assert_eq!(write("C", Some(1), None), conflict("C"), "there is none");
    assert_eq!(found(), [("A".into(), 2), ("AB".into(), 3), ("B".into(), 1)]);
    assert!(matches!(write("A", Some(2), Some(5)), Outcome::Committed { .. }));
    assert!(matches!(write("B", Some(1), None), Outcome::Committed { .. }));
    assert_eq!(found(), [("A".into(), 5), ("AB".into(), 3)]);
    let page = block_on(store.scan(SCOPE, Table::Secret, None, 1)).unwrap();
    let rest = block_on(store.scan(SCOPE, Table::Secret, page.next.as_ref(), 9)).unwrap();
    assert_eq!((page.rows.len(), rest.rows.len()), (1, 1));
}
