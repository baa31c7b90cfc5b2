//! Records of keys as versions before lines wrote them, with all that wait there
//! within: they are read, they go on, and they become rows with their next change.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says by panicking that it failed")]

mod damage;
mod project;

use std::sync::Arc;

use bytes::Bytes;
use damage::{audited, name};
use project::{Ask, Text, event, question, registry};
use px_core::key::{SLOT_SLUG, Waiter};
use px_core::{KeyId, RunId, RunStatus, Scope};
use px_sdk::{Brain, Cx, Next, Result, Waiting, brain, wait_for};
use px_store::Admission;
use px_store_rows::{Backing, Embedded, MemoryRows, Order, RowBatch, RowOp};
use px_testkit::World;
use serde_json::{Value, json};

const SCOPE: Scope = Scope(0);

/// Runs of which one at a time waits for its mail.
fn gate() -> Brain<Ask> {
    brain("gate").step("ask", ask).step("hear", hear).at_most(1).build()
}
px_sdk::brain!(gate);

async fn ask(_cx: Cx, ask: Ask) -> Result<Waiting<Ask, Text>> {
    let on = project::mail::on(&ask.key);
    Ok(wait_for(ask, on))
}

async fn hear(_cx: Cx, ask: Ask, _text: Text) -> Result<Next<Ask>> {
    Ok(Next(ask))
}

struct Old {
    rows: MemoryRows,
    world: World,
}

impl Old {
    fn new() -> Self {
        let rows = MemoryRows::new();
        let world = World::over(registry(), Arc::new(Embedded::new(rows.clone())), 0).unwrap();
        Self { rows, world }
    }

    async fn start(&self, brain: fn() -> Brain<Ask>, key: &str) -> RunId {
        let run = self.world.start(brain, Ask { key: key.into() }).await.unwrap();
        self.world.settle().await.unwrap();
        run
    }

    fn rows_of(&self, table: u8, key: &KeyId) -> Vec<Vec<u8>> {
        let from = [&[0, 0, table][..], &name(&key.slug, &key.identifier)].concat();
        let to = [&from[..], &[u8::MAX; 40]].concat();
        self.rows.range(&from, &to, Order::Ascending, 100).unwrap().into_iter().map(|(row, _)| row).collect()
    }

    /// Rewrites the record of a key to the form that it had before lines.
    async fn make_old(&self, key: &KeyId) {
        let read = self.world.rows().key(SCOPE, key).await.unwrap();
        let line = self.world.rows().waiters(SCOPE, key, None, 0, 100).await.unwrap();
        let mut old = serde_json::to_value(&read.record).unwrap();
        for newer in ["line", "within"] {
            old.as_object_mut().unwrap().remove(newer);
        }
        let turns: Vec<&RunId> = line.iter().filter_map(|(_, waiter)| turn(waiter)).collect();
        let holding = usize::try_from(read.record.line.holding).unwrap();
        if turns.is_empty() {
            old["waits"] = line.iter().map(|(_, waiter)| json!(waiter.clone().wait())).collect::<Value>();
        } else {
            (old["holders"], old["pending"]) = (json!(turns[..holding]), json!(turns[holding..]));
        }
        let removed = [b'v', b'x'].into_iter().flat_map(|table| self.rows_of(table, key));
        let mut ops: Vec<RowOp> = removed.map(|row| RowOp::Remove { key: row.as_slice().into() }).collect();
        let value = [&read.version.to_be_bytes()[..], &serde_json::to_vec(&old).unwrap()].concat();
        let row = self.rows_of(b'k', key).remove(0);
        ops.push(RowOp::Put { key: row.as_slice().into(), value: Bytes::from(value) });
        self.rows.submit(RowBatch { ops, ..RowBatch::default() }, Admission::Wait).await.unwrap();
        assert!(self.rows_of(b'v', key).is_empty());
    }

    async fn is_clean(&self) {
        let report = audited(&**self.world.rows()).await;
        assert!(report.is_clean(), "{:#?}", report.violations);
    }

    async fn status(&self, run: RunId) -> RunStatus {
        self.world.settle().await.unwrap();
        self.world.status(run).await.unwrap()
    }
}

fn turn(waiter: &Waiter) -> Option<&RunId> {
    match waiter {
        Waiter::Turn(run) => Some(run),
        Waiter::Wait(_) => None,
    }
}

#[tokio::test]
async fn waits_of_an_old_record_are_answered_in_their_order_and_become_rows() {
    let old = Old::new();
    let mut runs = Vec::new();
    for _ in 0..4 {
        runs.push(old.start(question, "hot").await);
    }
    let key = KeyId::new("mail", "hot");
    old.make_old(&key).await;
    old.is_clean().await;
    // A read changes nothing; the next commit at the key brings it to this form.
    assert!(old.rows_of(b'v', &key).is_empty());
    let answer = old.world.post("mail", &event("1", "hot", "a", "resume")).await.unwrap();
    assert_eq!((answer.action, answer.run), (Some("resumed"), Some(runs[0])));
    assert_eq!(old.status(runs[0]).await, RunStatus::Complete);
    assert_eq!((old.rows_of(b'v', &key).len(), old.rows_of(b'x', &key).len()), (3, 3));
    old.is_clean().await;
    // A cancelled one from the middle of an old record, and a new one behind it.
    old.make_old(&key).await;
    old.world.cancel(runs[2]).await.unwrap();
    old.is_clean().await;
    old.make_old(&key).await;
    runs.push(old.start(question, "hot").await);
    old.is_clean().await;
    for run in [runs[1], runs[3], runs[4]] {
        let answer = old.world.post("mail", &event(&run.to_string(), "hot", "b", "resume")).await.unwrap();
        assert_eq!(answer.run, Some(run));
    }
    assert_eq!(old.status(runs[4]).await, RunStatus::Complete);
    assert!(old.rows_of(b'v', &key).is_empty() && old.rows_of(b'x', &key).is_empty());
    old.is_clean().await;
}

#[tokio::test]
async fn turns_of_an_old_record_go_on_in_their_order() {
    let old = Old::new();
    let mut runs = Vec::new();
    for _ in 0..4 {
        runs.push(old.start(gate, "gate").await);
    }
    let slot = old.world.rows().run(SCOPE, runs[0]).await.unwrap().unwrap().run.slot.clone().unwrap();
    assert_eq!(&*slot.slug, SLOT_SLUG);
    let statuses = async |old: &Old| {
        let mut statuses = Vec::new();
        for run in &runs {
            statuses.push(old.status(*run).await);
        }
        statuses
    };
    let (waiting, pending) = (RunStatus::Waiting, RunStatus::Pending);
    let (complete, cancelled) = (RunStatus::Complete, RunStatus::Cancelled);
    assert_eq!(statuses(&old).await, [waiting, pending, pending, pending]);
    old.make_old(&slot).await;
    old.is_clean().await;
    // One that gives up before its turn comes, out of the middle of an old record.
    old.world.cancel(runs[2]).await.unwrap();
    old.is_clean().await;
    for expected in [
        [complete, waiting, cancelled, pending],
        [complete, complete, cancelled, waiting],
        [complete, complete, cancelled, complete],
    ] {
        let id = format!("{expected:?}");
        let line = old.world.rows().key(SCOPE, &slot).await.unwrap().record.line;
        if line.count > 0 {
            old.make_old(&slot).await;
            old.is_clean().await;
        }
        old.world.post("mail", &event(&id, "gate", "x", "resume")).await.unwrap();
        assert_eq!(statuses(&old).await, expected);
        old.is_clean().await;
    }
    assert!(old.rows_of(b'v', &slot).is_empty());
}
