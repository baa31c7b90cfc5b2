//! One random stream of batches against this store and against the rows in
//! memory: the same answers, the same reads, the same end. The seed is in the
//! message of every failure.

use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use px_store::Admission;
use px_store_rows::{Backing, Check, Expect, MemoryRows, Order, RowBatch, RowOp};

use super::rig::{Answer, Door, Fate, Random, Rig, Step, at_once, by_hand, poll, wait};
use crate::{Options, SledRows};

struct Pair<'a> {
    seed: u64,
    random: Random,
    reference: MemoryRows,
    store: Option<SledRows>,
    open: &'a dyn Fn() -> SledRows,
    door: Arc<Door>,
}

impl Pair<'_> {
    fn store(&self) -> &SledRows {
        self.store.as_ref().unwrap()
    }

    fn key(&mut self) -> Vec<u8> {
        let number = self.random.below(40);
        // Some keys are prefixes of others, and some have the bytes that the
        // tree puts in front of its own.
        let prefix = ["", "p", "r", "a/", "a", "\u{1}", "\0"][self.random.below(7)];
        format!("{prefix}{number}").into_bytes()
    }

    fn list(&mut self) -> Vec<u8> {
        vec![b'l'; self.random.below(4)]
    }

    fn id(&mut self) -> [u8; 16] {
        // Mostly rising, sometimes anywhere.
        let time = if self.random.one_in(5) { self.random.below(40_000) } else { self.random.0 as usize % 7 };
        let base = self.reference.stats().commits as usize * 3;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&((base + time) as u64).to_be_bytes());
        id
    }

    /// Mostly of ids that are there, many at once as a sweep does it, or one.
    fn unpost(&mut self) -> RowOp {
        let list = self.list();
        let before = self.random.one_in(2).then(|| self.id());
        let found =
            self.reference.postings(&list, before, Order::Descending, 1 + self.random.below(3)).unwrap();
        let id = found.last().copied().unwrap_or_else(|| self.id());
        RowOp::Unpost { list: list.into(), id }
    }

    fn batch(&mut self) -> RowBatch {
        let mut batch = RowBatch::default();
        for _ in 0..self.random.below(3) {
            let key = self.key();
            let found = self.reference.get(&key).unwrap();
            let version = found.as_ref().and_then(|row| row.first_chunk().copied().map(u64::from_be_bytes));
            let expect = match (self.random.below(8), version) {
                (0, _) => Expect::Absent,
                (1, _) => Expect::Present,
                (2, _) => Expect::Version(self.random.below(4) as u64),
                (3, _) => Expect::Same(found.unwrap_or_default()),
                (4, _) => {
                    let other: Vec<u8> = found.unwrap_or_default().iter().rev().copied().collect();
                    Expect::Same(other.into())
                }
                // Mostly what holds, or nothing would ever be committed.
                (_, Some(version)) => Expect::Version(version),
                (_, None) => Expect::Absent,
            };
            batch.checks.push(Check { key: key.into(), expect });
        }
        for _ in 0..self.random.below(6) {
            let op = match self.random.below(10) {
                0..5 => {
                    let key = match batch.checks.last() {
                        Some(check) if self.random.one_in(2) => check.key.clone(),
                        _ => self.key().into(),
                    };
                    let mut value = (self.random.below(4) as u64).to_be_bytes().to_vec();
                    // Some are packed, also across a crash.
                    let most = if self.random.one_in(3) { 2_000 } else { 60 };
                    let filling = self.random.below(most);
                    value.resize(8 + filling, self.random.next() as u8);
                    value.truncate(if self.random.one_in(30) { 3 } else { usize::MAX });
                    RowOp::Put { key, value: Bytes::from(value) }
                }
                5..8 => RowOp::Remove { key: self.key().into() },
                8 => RowOp::Post { list: self.list().into(), id: self.id() },
                _ => self.unpost(),
            };
            batch.ops.push(op);
        }
        batch
    }

    /// Hands some batches over at once, so that they can share a group.
    fn commit(&mut self) {
        let batches: Vec<_> = (0..=self.random.below(5)).map(|_| self.batch()).collect();
        let mut answers: Vec<Answer> = Vec::new();
        for batch in &batches {
            let mut answer = self.store().submit(batch.clone(), Admission::Wait);
            if let Poll::Ready(early) = poll(&mut answer) {
                answer = Box::pin(async move { early });
            }
            answers.push(answer);
        }
        for (batch, answer) in batches.into_iter().zip(answers) {
            let expected = wait(self.reference.submit(batch.clone(), Admission::Wait)).unwrap();
            let found = wait(answer).unwrap();
            assert_eq!(found, expected, "seed {}: {batch:?}", self.seed);
        }
    }

    fn look(&mut self) {
        let key = self.key();
        let seed = self.seed;
        assert_eq!(self.store().get(&key).unwrap(), self.reference.get(&key).unwrap(), "seed {seed}");
        let (from, to) = (self.key(), self.key());
        let limit = self.random.below(20);
        for order in [Order::Ascending, Order::Descending] {
            let found = self.store().range(&from, &to, order, limit).unwrap();
            let expected = self.reference.range(&from, &to, order, limit).unwrap();
            assert_eq!(found, expected, "seed {seed}: {from:?} {to:?} {order:?} {limit}");
        }
        let list = self.list();
        let before = self.random.one_in(2).then(|| self.id());
        let limit = self.random.below(600);
        for order in [Order::Ascending, Order::Descending] {
            let found = self.store().postings(&list, before, order, limit).unwrap();
            let expected = self.reference.postings(&list, before, order, limit).unwrap();
            assert_eq!(found, expected, "seed {seed}: {list:?} {before:?} {order:?} {limit}");
        }
    }

    fn compare_all(&self) {
        let all = |rows: &dyn Backing| rows.range(b"", &[0xff; 9], Order::Ascending, usize::MAX).unwrap();
        assert_eq!(all(self.store()), all(&self.reference), "seed {}", self.seed);
        for length in 0..4 {
            let list = vec![b'l'; length];
            let found = self.store().postings(&list, None, Order::Ascending, usize::MAX).unwrap();
            assert_eq!(
                found,
                self.reference.postings(&list, None, Order::Ascending, usize::MAX).unwrap(),
                "seed {}",
                self.seed
            );
        }
    }

    fn reopen(&mut self) {
        self.door.open();
        if self.random.one_in(2) {
            self.store().close().unwrap();
        }
        self.store = None;
        self.store = Some((self.open)());
        self.compare_all();
    }

    fn run(mut self, steps: usize) {
        for _ in 0..steps {
            match self.random.below(40) {
                0..20 => self.commit(),
                20..35 => self.look(),
                35 => self.door.shut(),
                36 => self.door.open(),
                37 | 38 => {
                    self.door.open();
                    self.store().checkpoint().unwrap();
                }
                _ => self.reopen(),
            }
        }
        self.door.open();
        self.compare_all();
        self.reopen();
    }
}

fn over_memory(seed: u64, options: &Options) {
    let rig = Rig::new();
    let door = Arc::new(Door::default());
    let before = door.clone();
    // With the door shut, a frozen generation stays where it is for a while.
    rig.disk.rule(move |step| {
        if step == Step::TreeWrite {
            before.pass();
        }
        Fate::Happens
    });
    let open = || rig.open(options.clone());
    let store = Some(open());
    let reference = MemoryRows::new();
    Pair { seed, random: Random(seed), reference, store, open: &open, door }.run(400);
}

#[test]
fn the_store_answers_as_rows_in_memory_do_while_everything_is_applied_at_once() {
    for seed in 0..12 {
        over_memory(seed, &at_once());
    }
}

#[test]
fn the_store_answers_as_rows_in_memory_do_while_checkpoints_come_by_hand() {
    for seed in 100..108 {
        over_memory(seed, &by_hand());
    }
}

#[test]
fn the_store_answers_as_rows_in_memory_do_over_sled() {
    for (seed, options) in [(200, at_once()), (201, by_hand()), (202, at_once())] {
        let dir = tempfile::tempdir().unwrap();
        let open = || SledRows::open(dir.path(), options.clone()).unwrap();
        let (store, door) = (Some(open()), Arc::new(Door::default()));
        Pair { seed, random: Random(seed), reference: MemoryRows::new(), store, open: &open, door }.run(150);
    }
}
