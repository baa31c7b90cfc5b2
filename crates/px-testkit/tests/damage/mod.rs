//! A loaded store in memory, and hands to damage it with: rows are changed
//! below everything that would keep them right. It knows the stored form of
//! rows as px-store's layout writes it.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test says by panicking that it failed"
)]

pub mod deeds;
pub mod outbox;
pub mod values;
pub mod waits;

use std::sync::Arc;
use std::time::Duration;

use px_core::{Scope, Timestamp, TokenId};
use px_store::audit::{Report, audit};
use px_store::tokens::{Permission, Token, TokenWrite};
use px_store::{Admission, Batch, Outcome, Store};
use px_store_rows::{Backing, Embedded, MemoryRows, Order, RowBatch, RowOp};
use px_testkit::World;
use serde_json::{Value, json};

use crate::project::counter::counter;
use crate::project::reminded::reminded;
use crate::project::{Ask, TIMEOUT, broken, event, flaky, question, registry, sleeper, survey};

/// Something of everything: every table and every state of an event has rows
/// when this is done, but for states that no rule of this project leads to.
pub async fn load(world: &World) {
    let ask = |key: &str| Ask { key: key.into() };
    let post = async |id: &str, key: &str, text: &str, then: &str| {
        world.post("mail", &event(id, key, text, then)).await.unwrap();
    };
    outbox::listen(world).await;
    world.start(counter, ask("counted")).await.unwrap();
    // Over before the others begin: a timeout, a late event, an expired one.
    world.start(survey, ask("times-out")).await.unwrap();
    post("1", "expires", "a", "resume").await;
    world.settle().await.unwrap();
    world.advance(TIMEOUT).await.unwrap();
    post("2", "times-out", "b", "resume").await;
    world.advance(Duration::from_secs(22 * 3600)).await.unwrap();
    // Ended in every way.
    for key in ["answered", "cancelled", "by-phone"] {
        world.start(survey, ask(key)).await.unwrap();
    }
    world.start(broken, ask("error")).await.unwrap();
    world.settle().await.unwrap();
    for id in ["3", "3", "4"] {
        post(id, "answered", "fine", "resume").await;
    }
    world.post("phone", &event("5", "by-phone", "ring", "")).await.unwrap();
    let cancelled = world.start(question, ask("cancelled")).await.unwrap();
    world.cancel(cancelled).await.unwrap();
    // A thread with a log of several pieces, and one that was succeeded.
    post("6", "long", "hello", "or_start").await;
    for n in 0..40 {
        post(&format!("long-{n}"), "long", &"x".repeat(400), "or_start").await;
        world.settle().await.unwrap();
    }
    for (id, text) in [("7", "hello"), ("8", "bye"), ("9", "again")] {
        post(id, "thread", text, "or_start").await;
    }
    for (id, text) in [("19", "hello"), ("20", "how"), ("21", "are")] {
        post(id, "short", text, "or_start").await;
    }
    world.settle().await.unwrap();
    for (id, then) in [("10", "ignore"), ("11", "fail"), ("12", "start")] {
        post(id, "other", "x", then).await;
    }
    world.post("mail", &json!({"id": 13})).await.unwrap();
    // Still under way: a wait, an early event, a retry, a sleep, a pause.
    post("14", "early", "soon", "resume").await;
    post("15", "early", "sooner", "resume").await;
    for key in ["waits", "paused"] {
        world.start(survey, ask(key)).await.unwrap();
    }
    world.settle().await.unwrap();
    // Two in a line are rows, and one is within its key's record.
    world.start(question, ask("waits")).await.unwrap();
    world.start(flaky, ask("never")).await.unwrap();
    world.start(sleeper, ask("sleeps")).await.unwrap();
    world.start(reminded, ask("reminded")).await.unwrap();
    world.settle().await.unwrap();
    for delivery in
        world.rows().runs(Scope(0), &px_store::RunFilter::default(), None, 50).await.unwrap().items
    {
        if delivery.run.state()["key"] == "paused" {
            world.pause(delivery.run.id).await.unwrap();
        }
    }
    post("16", "paused", "kept", "resume").await;
    // Ready, with an owner, and an event in its queue.
    post("17", "busy", "hello", "or_start").await;
    post("18", "busy", "more", "or_start").await;
    outbox::send(world).await;
    token(world).await;
}

/// An API token, as the server makes one.
async fn token(world: &World) {
    let token = Token {
        id: TokenId::from_bytes([7; 16]),
        name: "ada".to_owned(),
        permission: Permission::Admin,
        digest: [1; 32],
        created_at: Timestamp::from_millis(1),
    };
    let batch = Batch { scope: Scope(0), tokens: vec![TokenWrite::Create(token, 9)], ..Batch::default() };
    assert!(matches!(world.rows().commit(batch, Admission::Wait).await.unwrap(), Outcome::Committed { .. }));
}

/// Audits a store.
pub async fn audited(store: &dyn Store) -> Report {
    audit(store, Scope(0), &mut |_| {}).await.unwrap()
}

/// A row, taken apart: its key, what comes before its JSON, the JSON, and what
/// comes behind.
#[derive(Debug, Clone)]
pub struct Parts {
    pub key: Vec<u8>,
    head: Vec<u8>,
    pub json: Value,
    /// What hooks were told of a run, as it lies there.
    told: Vec<u8>,
    pub tail: Vec<u8>,
}

/// A store that can be damaged.
pub struct Rig {
    rows: MemoryRows,
}

impl Rig {
    pub async fn loaded() -> Self {
        let rows = MemoryRows::new();
        let world = World::over(registry(), Arc::new(Embedded::new(rows.clone())), 0).unwrap();
        load(&world).await;
        Self { rows }
    }

    pub async fn audit(&self) -> Report {
        audited(&Embedded::new(self.rows.clone())).await
    }

    /// Every row of a table.
    pub fn table(&self, table: u8) -> Vec<Parts> {
        let rows = self.rows.range(&[0, 0, table], &[0, 0, table + 1], Order::Ascending, 10_000).unwrap();
        rows.into_iter().map(|(key, value)| take_apart(table, key, &value)).collect()
    }

    /// The first row of a table whose JSON fits.
    pub fn find(&self, table: u8, fits: impl Fn(&Value) -> bool) -> Parts {
        self.table(table).into_iter().find(|row| fits(&row.json)).expect("the load has made such a row")
    }

    pub async fn put(&self, row: &Parts) {
        let mut value = row.head.clone();
        let json = if row.json.is_null() { Vec::new() } else { serde_json::to_vec(&row.json).unwrap() };
        let length = u32::try_from(json.len()).unwrap().to_be_bytes();
        match row.key[2] {
            b'd' => value[8..12].copy_from_slice(&length),
            b'r' => value[9..13].copy_from_slice(&length),
            b'o' => value[9..13].copy_from_slice(&length),
            _ => {}
        }
        value.extend(json);
        value.extend(&row.told);
        value.extend(&row.tail);
        self.submit(RowOp::Put { key: row.key.as_slice().into(), value: value.into() }).await;
    }

    pub async fn remove(&self, row: &Parts) {
        self.submit(RowOp::Remove { key: row.key.as_slice().into() }).await;
    }

    async fn submit(&self, op: RowOp) {
        let batch = RowBatch { ops: vec![op], ..RowBatch::default() };
        self.rows.submit(batch, Admission::Wait).await.unwrap();
    }

    /// A run of this brain whose state, at its start or now, has this key.
    pub fn run(&self, brain: &str, key: &str) -> Parts {
        self.find(b'r', |run| {
            let owns = &run["owns"]["identifier"];
            run["brain"] == brain && (run["frames"][0]["state"]["key"] == key || owns == key)
        })
    }

    /// A run of this brain in this status.
    pub fn run_that_is(&self, brain: &str, status: &str) -> Parts {
        self.find(b'r', |run| run["brain"] == brain && run["status"] == status)
    }

    /// The delivery whose first event is in this state.
    pub fn delivery(&self, state: &str) -> Parts {
        self.find(b'd', |delivery| delivery["events"][0]["state"] == state)
    }

    /// The record of a key of the webhook `mail`.
    pub fn key(&self, identifier: &str) -> Parts {
        let name = name("mail", identifier);
        self.table(b'k').into_iter().find(|row| row.key[3..] == name[..]).expect("such a key")
    }

    /// A row of a key of the webhook `mail` that is not there.
    pub fn new_key(&self, identifier: &str, json: Value) -> Parts {
        let key = [&[0, 0, b'k'][..], &name("mail", identifier)].concat();
        Parts { key, head: vec![0, 0, 0, 0, 0, 0, 0, 9], json, told: Vec::new(), tail: Vec::new() }
    }
}

/// A new row without anything in front of its JSON.
pub fn plain(table: u8, rest: &[u8], json: Value) -> Parts {
    Parts {
        key: [&[0, 0, table][..], rest].concat(),
        head: Vec::new(),
        json,
        told: Vec::new(),
        tail: Vec::new(),
    }
}

/// A new row with a version in front of its JSON.
pub fn versioned(table: u8, rest: &[u8], json: Value) -> Parts {
    Parts { head: vec![0, 0, 0, 0, 0, 0, 0, 9], ..plain(table, rest, json) }
}

/// Two texts as rows have them.
pub fn name(first: &str, second: &str) -> Vec<u8> {
    let text = |text: &str| [&u32::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat();
    [text(first), text(second)].concat()
}

impl Parts {
    /// A text of the JSON.
    pub fn text(&self, pointer: &str) -> String {
        self.json.pointer(pointer).and_then(Value::as_str).expect("such a text").to_owned()
    }

    /// The entries of a run's log that lie in its row.
    pub fn entries(&self) -> Vec<Value> {
        let lines = self.tail[8..].split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    pub fn set_entries(&mut self, entries: &[Value]) {
        self.tail.truncate(8);
        for entry in entries {
            self.tail.extend(serde_json::to_vec(entry).unwrap());
            self.tail.push(b'\n');
        }
    }
}

fn take_apart(table: u8, key: Vec<u8>, value: &[u8]) -> Parts {
    let length = |at: usize| {
        let bytes: [u8; 4] = value[at..at + 4].try_into().unwrap();
        at + 4 + u32::from_be_bytes(bytes) as usize
    };
    let (from, to) = match table {
        b'r' | b'o' => (13, length(9)),
        b'd' => (12, length(8)),
        b'k' | b'w' | b'h' | b'c' | b'j' | b'b' => (8, value.len()),
        b'l' | b'x' => (value.len(), value.len()),
        _ => (0, value.len()),
    };
    let json = serde_json::from_slice(&value[from..to]).unwrap_or(Value::Null);
    let end = if table == b'r' && value[8] == 2 { length(to) } else { to };
    let (told, tail) = (value[to..end].to_vec(), value[end..].to_vec());
    Parts { key, head: value[..from].to_vec(), json, told, tail }
}
