//! The check value of the key of secrets: one row, under a precondition.

use std::sync::Arc;

use px_core::hook::Sealed;

use super::{SCOPE, block_on};
use crate::secret_key::{KeyCheck, KeyCheckWrite};
use crate::{Admission, Batch, Conflict, Outcome, Row, Store, Table};

/// Two processes that find none both write it, and one of them comes second.
///
/// # Panics
/// If the store does otherwise.
pub fn the_check_of_the_key_is_written_once(store: Arc<dyn Store>) {
    let write = |byte: u8, expected| {
        let check = KeyCheck { sealed: Sealed(vec![byte; 40]), store: Some([byte; 16]), links: None };
        let write = KeyCheckWrite { check, expected, version: u64::from(byte) };
        let batch = Batch { scope: SCOPE, key_check: Some(write), ..Batch::default() };
        block_on(store.commit(batch, Admission::Wait)).unwrap()
    };
    let found = || {
        let rows = block_on(store.scan(SCOPE, Table::KeyCheck, None, 2)).unwrap().rows;
        let read = rows.iter().map(|row| match row {
            Row::KeyCheck(check) => {
                (check.version, check.record.sealed.0.first().copied().unwrap_or_default())
            }
            other => panic!("another row: {other:?}"),
        });
        read.collect::<Vec<_>>()
    };
    assert_eq!(found(), []);
    assert!(matches!(write(1, None), Outcome::Committed { .. }));
    assert_eq!(write(2, None), Outcome::Conflict(Conflict::KeyCheck), "there is one already");
    assert_eq!(write(2, Some(7)), Outcome::Conflict(Conflict::KeyCheck), "it is another one");
    assert_eq!(found(), [(1, 1)]);
    assert!(matches!(write(2, Some(1)), Outcome::Committed { .. }));
    assert_eq!(found(), [(2, 2)]);
}
