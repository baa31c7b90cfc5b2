//! The secrets of a store: set, rotated, moved where they do not belong, changed by
//! several processes, and read by many.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

use std::sync::Arc;
use std::time::Duration;

use px_core::{Clock, Ids, ManualClock, RunId, Scope, Timestamp};
use px_secrets::vault::Vault;
use px_secrets::{Change, Error, KeyParts, NewSecret, Secrets, Unfit, key};
use px_store::secrets::{MAX_SECRETS, SecretReader, SecretReads, SecretWrite, list};
use px_store::{Admission, Batch, Epoch, EpochWrite, Outcome, Store};
use px_store_rows::{Embedded, MemoryRows};
use secrecy::ExposeSecret as _;

const BEGIN: Timestamp = Timestamp::from_millis(1_000_000);

fn parts(store: Arc<dyn Store>, byte: u8, clock: &ManualClock) -> KeyParts {
    KeyParts {
        store,
        clock: Arc::new(clock.clone()) as Arc<dyn Clock>,
        ids: Arc::new(Ids::new()),
        scope: Scope::default(),
        vault: Vault::new(&[byte; 32]),
    }
}

async fn open(rows: MemoryRows, byte: u8, clock: &ManualClock) -> (Secrets, Arc<dyn Store>) {
    let store: Arc<dyn Store> = Arc::new(Embedded::new(rows));
    let parts = parts(Arc::clone(&store), byte, clock);
    key::prove_key(&parts, false).await.unwrap();
    (Secrets::open(parts).await.unwrap(), store)
}

fn new(name: &str, value: &str) -> NewSecret {
    NewSecret { name: name.into(), value: value.into(), grace: Duration::from_hours(1) }
}

fn current(secrets: &Secrets, name: &str) -> Option<String> {
    Some(secrets.held(name)?.current?.expose_secret().to_owned())
}

#[tokio::test]
async fn a_value_is_kept_and_the_one_before_it_for_its_grace() {
    let clock = ManualClock::at(BEGIN);
    let rows = MemoryRows::new();
    let (secrets, _) = open(rows.clone(), 1, &clock).await;
    assert_eq!(
        secrets.set(vec![new("A", "first value")]).await.unwrap(),
        Change { created: 1, ..Change::default() }
    );
    let generation = secrets.generation();
    let both = vec![new("A", "second value"), new("B", "another value")];
    assert_eq!(secrets.set(both).await.unwrap(), Change { created: 1, updated: 1, unchanged: 0 });
    assert!(secrets.generation() > generation);
    let held = secrets.held("A").unwrap();
    let old: Vec<_> = held.old.iter().map(|(value, until)| (value.expose_secret(), *until)).collect();
    assert_eq!(old, [("first value", BEGIN.after(Duration::from_hours(1)))]);
    // The same value again is no rotation.
    let again = secrets.set(vec![new("A", "second value")]).await.unwrap();
    assert_eq!(again, Change { created: 0, updated: 1, unchanged: 1 });
    assert_eq!(secrets.held("A").unwrap().old.len(), 1);
    // A new process reads them, and what is there shows none.
    let (again, store) = open(rows.beside(), 1, &clock).await;
    assert_eq!(current(&again, "A").as_deref(), Some("second value"));
    assert!(!format!("{:?} {again:?}", list(&*store, Scope::default()).await.unwrap()).contains("value\""));
    secrets.remove("A").await.unwrap();
    assert!(matches!(secrets.remove("A").await, Err(Error::NotFound(_))));
    assert!(matches!(
        secrets.remove("ROOT_PUBLIC_KEY").await,
        Err(Error::Unfit(Unfit::Reserved { verb: "delete" }))
    ));
    again.refresh().await.unwrap();
    assert_eq!(current(&again, "A"), None);
}

/// Runs hold what a step once put into their state: it is taken out of what leaves px for as long as there
/// are such runs.
#[tokio::test]
async fn a_value_that_counts_no_more_is_known_still() {
    let clock = ManualClock::at(BEGIN);
    let rows = MemoryRows::new();
    let (secrets, store) = open(rows.clone(), 1, &clock).await;
    let at_once = |value: &str| NewSecret { grace: Duration::ZERO, ..new("A", value) };
    secrets.set(vec![new("A", "the first value")]).await.unwrap();
    secrets.set(vec![at_once("the second value")]).await.unwrap();
    assert!(secrets.held("A").unwrap().old.is_empty());
    for n in 0..12 {
        secrets.set(vec![new("A", &format!("value number {n}"))]).await.unwrap();
    }
    secrets.set(vec![new("B", "another value")]).await.unwrap();
    secrets.remove("A").await.unwrap();
    assert_eq!(secrets.list().len(), 1);
    let (again, _) = open(rows.beside(), 1, &clock).await;
    for secrets in [&secrets, &again] {
        assert!(secrets.held("A").is_none());
        let values = [secrets.values(), secrets.past_values()].concat();
        let knows =
            |value: &str| values.iter().any(|(name, known)| name == "A" && known.expose_secret() == value);
        assert!(knows("the first value") && knows("the second value"), "{}", values.len());
        assert!((0..12).all(|n| knows(&format!("value number {n}"))), "{}", values.len());
    }
    for n in 0..40 {
        secrets.set(vec![new("C", &format!("the value {n}"))]).await.unwrap();
    }
    let values = [secrets.values(), secrets.past_values()].concat();
    assert!(values.iter().filter(|(name, _)| name == "C").count() <= 32, "of one secret the newest");
    let rows = px_store::secrets::rows(&*store, Scope::default()).await.unwrap();
    assert_eq!(rows.len(), 4, "B, C, and what A and C were");
}

/// `--grace 0s` is for a secret that others know.
#[tokio::test]
async fn without_a_grace_no_value_before_counts_and_the_same_one_again_ends_theirs() {
    let clock = ManualClock::at(BEGIN);
    let (secrets, _) = open(MemoryRows::new(), 1, &clock).await;
    for value in ["first value", "second value", "third value"] {
        secrets.set(vec![new("A", value)]).await.unwrap();
    }
    let old = |secrets: &Secrets| secrets.held("A").unwrap().old.len();
    assert_eq!(old(&secrets), 2);
    let generation = secrets.generation();
    secrets.set(vec![NewSecret { grace: Duration::ZERO, ..new("A", "third value") }]).await.unwrap();
    assert_eq!((old(&secrets), current(&secrets, "A").as_deref()), (0, Some("third value")));
    assert_ne!(secrets.generation(), generation, "who verifies is told");
    secrets.set(vec![new("A", "fourth value")]).await.unwrap();
    secrets.set(vec![NewSecret { grace: Duration::ZERO, ..new("A", "fifth value") }]).await.unwrap();
    assert_eq!(old(&secrets), 0);
}

#[tokio::test]
async fn a_sealed_value_that_is_moved_to_another_name_or_store_does_not_open() {
    let clock = ManualClock::at(BEGIN);
    let (secrets, store) = open(MemoryRows::new(), 1, &clock).await;
    secrets.set(vec![new("CHEAP", "value of cheap"), new("DEAR", "value of dear")]).await.unwrap();
    let listed = list(&*store, Scope::default()).await.unwrap();
    let [cheap, dear] = listed.as_slice() else { panic!("two: {listed:?}") };
    // Whoever may write the files but has no key gives DEAR the value of CHEAP.
    let mut record = dear.record.clone();
    record.values = cheap.record.values.clone();
    let moved =
        |record, expected| SecretWrite { name: "DEAR".into(), expected, version: 77, record: Some(record) };
    let epochs = vec![EpochWrite { epoch: Epoch::Secrets, expected: None, next: Some(78) }];
    let batch =
        Batch { secrets: vec![moved(record.clone(), Some(dear.version))], epochs, ..Batch::default() };
    store.commit(batch, Admission::Wait).await.unwrap();
    let again = Secrets::open(parts(Arc::clone(&store), 1, &clock)).await.unwrap();
    let held = again.held("DEAR").unwrap();
    assert!(held.current.is_none(), "it is there, and nobody gets it");
    assert_eq!(current(&again, "CHEAP").as_deref(), Some("value of cheap"));
    assert_eq!(again.values().len(), 1);
    // To another store, under the same key and the same name.
    let (other, other_store) = open(MemoryRows::new(), 1, &clock).await;
    other.set(vec![new("CHEAP", "something else")]).await.unwrap();
    let there = list(&*other_store, Scope::default()).await.unwrap().remove(0);
    let write = SecretWrite {
        name: "CHEAP".into(),
        expected: Some(there.version),
        version: 79,
        record: Some(cheap.record.clone()),
    };
    other_store.commit(Batch { secrets: vec![write], ..Batch::default() }, Admission::Wait).await.unwrap();
    let other = Secrets::open(parts(other_store, 1, &clock)).await.unwrap();
    assert!(other.held("CHEAP").unwrap().current.is_none());
    // Set anew it is what it should be, and nothing of what was moved is left.
    again.set(vec![new("DEAR", "a newer value")]).await.unwrap();
    assert_eq!(
        (current(&again, "DEAR").as_deref(), again.held("DEAR").unwrap().old.len()),
        (Some("a newer value"), 0)
    );
}

#[tokio::test]
async fn another_key_is_refused_before_anything_is_sealed_under_it() {
    let clock = ManualClock::at(BEGIN);
    let rows = MemoryRows::new();
    let (secrets, _) = open(rows.clone(), 1, &clock).await;
    secrets.set(vec![new("A", "first value")]).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(Embedded::new(rows.beside()));
    let other = parts(Arc::clone(&store), 2, &clock);
    let refused = key::prove_key(&other, false).await.unwrap_err().to_string();
    assert!(refused.contains("secret 'A'"), "{refused}");
    let sealing = key::sealing(&store, Scope::default(), None).await.unwrap();
    assert!(sealing.holds_sealed);
    assert_eq!(sealing.unreadable_secrets, ["'A'"]);
}

#[tokio::test]
async fn what_another_process_sets_is_seen_at_the_next_look_and_none_is_lost() {
    let clock = ManualClock::at(BEGIN);
    let rows = MemoryRows::new();
    let (one, _) = open(rows.clone(), 1, &clock).await;
    let (other, _) = open(rows.beside(), 1, &clock).await;
    one.set(vec![new("A", "first value")]).await.unwrap();
    assert_eq!(current(&other, "A"), None, "not asked yet");
    // Its memory is behind: the change is made anew from what is there.
    other.set(vec![new("B", "other value")]).await.unwrap();
    assert_eq!(
        other.set(vec![new("A", "third value")]).await.unwrap(),
        Change { updated: 1, ..Change::default() }
    );
    one.refresh().await.unwrap();
    assert_eq!(
        (current(&one, "A"), current(&one, "B")),
        (Some("third value".into()), Some("other value".into()))
    );
}

#[tokio::test]
async fn who_has_read_what_is_kept_over_restarts_and_costs_no_commit_at_once() {
    let clock = ManualClock::at(BEGIN);
    let rows = MemoryRows::new();
    let (secrets, store) = open(rows.clone(), 1, &clock).await;
    secrets.set(vec![new("A", "first value")]).await.unwrap();
    let generation = secrets.generation();
    let step = || SecretReader::Step { brain: "shop".into(), step: "pay".into() };
    let run = RunId::from_bytes([7; 16]);
    secrets.note("A", step(), None);
    clock.advance(Duration::from_secs(5));
    secrets.note("A", step(), Some(run));
    secrets.note("A", SecretReader::Handler("paid".into()), None);
    secrets.note("OF_ENV", step(), Some(run));
    let rows_of = async || px_store::secrets::rows(&*store, Scope::default()).await.unwrap();
    assert_eq!(rows_of().await.len(), 1, "none was written");
    let values = rows_of().await.remove(0);
    let reads = secrets.reads("A").await.unwrap();
    assert_eq!(reads.len(), 2, "they are known before they are written");
    secrets.flush().await.unwrap();
    secrets.flush().await.unwrap();
    assert_eq!(secrets.generation(), generation, "no value has changed");
    secrets.note("A", step(), Some(run));
    secrets.flush().await.unwrap();
    assert_eq!(rows_of().await.len(), 2);
    assert_eq!(rows_of().await.remove(0), values, "the row of the values is left alone");
    let (again, _) = open(rows.beside(), 1, &clock).await;
    let reads = again.reads("A").await.unwrap();
    let of_step = reads.iter().find(|reads| reads.reader == step()).unwrap();
    assert_eq!((of_step.count, of_step.first_at, of_step.run), (3, BEGIN, Some(run)));
    assert_eq!(of_step.last_at, BEGIN.after(Duration::from_secs(5)));
    assert_eq!(secrets.reads("OF_ENV").await.unwrap().len(), 1, "its process knows it");
    // Who has read it stays when it is set anew.
    again.set(vec![new("A", "second value")]).await.unwrap();
    assert_eq!(again.reads("A").await.unwrap().len(), 2);
}

#[tokio::test]
async fn who_has_read_a_secret_stays_known_when_it_is_removed() {
    let clock = ManualClock::at(BEGIN);
    let rows = MemoryRows::new();
    let (secrets, store) = open(rows.clone(), 1, &clock).await;
    secrets.set(vec![new("A", "first value"), new("B", "other value")]).await.unwrap();
    let handler = || SecretReader::Handler("paid".into());
    secrets.note("A", handler(), None);
    secrets.flush().await.unwrap();
    secrets.note("A", handler(), None);
    secrets.note("B", handler(), None);
    // The last reads of both are not in the store yet.
    secrets.remove("A").await.unwrap();
    secrets.remove("B").await.unwrap();
    secrets.flush().await.unwrap();
    let (again, _) = open(rows.beside(), 1, &clock).await;
    assert!(again.held("A").is_none() && again.list().is_empty());
    let counts = async |name: &str| -> Vec<u64> {
        again.reads(name).await.unwrap().iter().map(|reads| reads.count).collect()
    };
    assert_eq!((counts("A").await, counts("B").await), (vec![2], vec![1]));
    assert!(again.reads("C").await.unwrap().is_empty());
    // In older stores the readers are with the values.
    again.set(vec![new("OLD", "first value")]).await.unwrap();
    let old = px_store::secrets::rows(&*store, Scope::default()).await.unwrap();
    let mut old = old.into_iter().find(|row| row.record.name == "OLD").unwrap();
    old.record.reads =
        vec![SecretReads { reader: handler(), count: 5, first_at: BEGIN, last_at: BEGIN, run: None }];
    let write = SecretWrite {
        name: "OLD".into(),
        expected: Some(old.version),
        version: 999,
        record: Some(old.record),
    };
    let batch = Batch { scope: Scope::default(), secrets: vec![write], ..Batch::default() };
    let done = store.commit(batch, Admission::Wait).await.unwrap();
    assert!(matches!(done, Outcome::Committed { .. }));
    let (again, _) = open(rows.beside(), 1, &clock).await;
    again.remove("OLD").await.unwrap();
    assert_eq!(again.reads("OLD").await.unwrap().iter().map(|reads| reads.count).sum::<u64>(), 5);
}

#[tokio::test]
async fn there_are_so_many_and_each_refusal_sets_nothing() {
    let clock = ManualClock::at(BEGIN);
    let (secrets, _) = open(MemoryRows::new(), 1, &clock).await;
    let all = (0..MAX_SECRETS).map(|n| new(&format!("S{n}"), "some value")).collect();
    assert_eq!(secrets.set(all).await.unwrap().created, MAX_SECRETS as u64);
    assert!(matches!(secrets.set(vec![new("ONE_MORE", "some value")]).await, Err(Error::TooMany)));
    assert!(secrets.set(vec![new("S0", "another value")]).await.is_ok(), "one that is there");
    let long = NewSecret { grace: Duration::from_hours(24 * 8), ..new("S0", "another value") };
    assert!(matches!(secrets.set(vec![long]).await, Err(Error::Grace)));
    for (name, value) in [("S0", "short"), ("0S", "long enough"), ("ROOT_PUBLIC_KEY", "long enough")] {
        let refused = secrets.set(vec![new("S1", "would be set"), new(name, value)]).await;
        assert!(matches!(refused, Err(Error::Unfit(_))), "{name}");
    }
    assert_eq!(current(&secrets, "S1").as_deref(), Some("some value"));
}
