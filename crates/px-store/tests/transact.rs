//! The conflict loop: each round hears what the last one lost to, the rounds are
//! bounded, and what the last conflict means is still an answer.

#![expect(clippy::expect_used, reason = "a test says by panicking that it failed")]

mod records;

use std::cell::Cell;

use px_core::{KeyId, KeyRecord, RunId, Scope};
use px_store::conformance::block_on;
use px_store::{
    Admission, Batch, Bound, Conflict, Contended, Error, KeyWrite, Outcome, Round, RoundError, Store,
};
use records::Records;

const SCOPE: Scope = Scope(0);

/// Why a loop of these tests ends without a value.
#[derive(Debug, PartialEq)]
enum Failure {
    Contended(u32),
    Store(String),
}

impl From<Contended> for Failure {
    fn from(contended: Contended) -> Self {
        Self::Contended(contended.rounds)
    }
}

impl RoundError for Failure {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Store(error.to_string())
    }
}

fn key() -> KeyId {
    KeyId::new("hub", "k")
}

/// Writes the key over this version.
fn write(expected: u64, version: u64) -> Batch {
    let owner = Some(RunId::from_bytes([1; 16]));
    let record = Some(KeyRecord { owner, ..KeyRecord::default() });
    Batch {
        keys: vec![KeyWrite { key: key(), expected, version, record, changed: true }],
        ..Batch::default()
    }
}

fn version(store: &Records) -> u64 {
    block_on(store.key(SCOPE, &key())).expect("a read").version
}

/// Changes the key between a round's read and its commit, as somebody else would.
fn interfere(store: &Records) {
    let was = version(store);
    let done = block_on(store.commit(write(was, was + 1), Admission::Wait));
    assert!(matches!(done, Ok(Outcome::Committed { .. })));
}

#[test]
fn a_round_that_lost_hears_of_it_and_reads_anew() {
    let records = Records::new();
    let (store, heard): (&dyn Store, _) = (&records, Cell::new(0));
    let (records, heard) = (&records, &heard);
    let done: Result<u64, Failure> = block_on(store.transact(Bound::waiting(5), |lost| async move {
        assert_eq!(lost, (heard.get() > 0).then(|| Conflict::Key(key())));
        heard.set(heard.get() + 1);
        let read = version(records);
        if heard.get() < 3 {
            interfere(records);
        }
        Ok(Round::Commit(Box::new(write(read, 100)), read))
    }));
    assert_eq!((done, heard.get(), version(records)), (Ok(2), 3, 100));
}

#[test]
fn rounds_are_bounded_and_write_nothing_when_they_are_used_up() {
    let records = Records::new();
    let (store, commits): (&dyn Store, _) = (&records, Cell::new(0));
    let (records, commits) = (&records, &commits);
    let done: Result<(), Failure> = block_on(store.transact(Bound::refusing(4), |_| async move {
        let read = version(records);
        interfere(records);
        commits.set(commits.get() + 1);
        Ok(Round::Commit(Box::new(write(read, 100)), ()))
    }));
    assert_eq!(done, Err(Failure::Contended(4)));
    // The fifth was drafted for what the last conflict means, and not committed.
    assert_eq!((commits.get(), version(records)), (5, 5));
    let again: Result<(), Failure> =
        block_on(store.transact(Bound::waiting(3), |_| async { Ok(Round::Again) }));
    assert_eq!(again, Err(Failure::Contended(3)));
}

#[test]
fn the_last_conflict_can_be_the_answer() {
    let records = Records::new();
    let store: &dyn Store = &records;
    let records = &records;
    let done: Result<&str, Failure> = block_on(store.transact(Bound::waiting(1), |lost| async move {
        if lost.is_some() {
            return Ok(Round::Done("somebody was first"));
        }
        let read = version(records);
        interfere(records);
        Ok(Round::Commit(Box::new(write(read, 100)), "written"))
    }));
    assert_eq!((done, version(records)), (Ok("somebody was first"), 1));
}

#[test]
fn a_store_that_fails_ends_the_loop() {
    let records = Records::new();
    records.close().expect("an end");
    let store: &dyn Store = &records;
    let done: Result<(), Failure> = block_on(
        store.transact(Bound::waiting(5), |_| async { Ok(Round::Commit(Box::new(write(0, 1)), ())) }),
    );
    assert_eq!(done, Err(Failure::Store(Error::Closed.to_string())));
}
