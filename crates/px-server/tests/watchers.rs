//! Many who watch one run: what they cost the store, over real sockets
//! (docs/rules.md#37, #66).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

#[path = "support/parked.rs"]
mod parked;
mod support;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use px_server::{Running, StreamLimits};
use px_store_rows::{Embedded, MemoryRows};
use px_testkit::{Access, FaultyStore};
use serde_json::json;
use support::{LONG, connect_from, read_json, send, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// Number of streams of one run.
const MANY: u8 = 40;

/// Reads of the store so far, by the names of its methods.
#[derive(Default)]
struct Reads {
    counts: Mutex<HashMap<&'static str, usize>>,
    news: Notify,
    commits: Notify,
}

impl Reads {
    fn of(&self, name: &str) -> usize {
        self.counts.lock().unwrap().get(name).copied().unwrap_or_default()
    }

    /// Reads of a run, or of its log.
    fn whole(&self) -> usize {
        self.of("run") + self.of("events")
    }

    async fn until(&self, name: &str, count: usize) {
        let reached = async {
            while self.of(name) < count {
                self.news.notified().await;
            }
        };
        tokio::time::timeout(LONG, reached).await.expect("the store is asked");
    }
}

/// A server whose reads of its store are counted.
async fn counted() -> (Running, Arc<Reads>) {
    let reads = Arc::new(Reads::default());
    let store = FaultyStore::new(Arc::new(Embedded::new(MemoryRows::new())));
    let counts = Arc::clone(&reads);
    store.gate(move |access| {
        match access {
            Access::Read(name) => {
                *counts.counts.lock().unwrap().entry(name).or_default() += 1;
                counts.news.notify_one();
            }
            Access::Commit => counts.commits.notify_one(),
        }
        Box::pin(std::future::ready(()))
    });
    // Commits stay at the gate until they are carried on.
    let (driver, commits) = (store.clone(), Arc::clone(&reads));
    tokio::spawn(async move {
        loop {
            commits.commits.notified().await;
            driver.carry_on();
        }
    });
    let server = serve(|options| {
        options.store = Arc::new(store);
        options.streams = StreamLimits { streams: 4 * usize::from(MANY) };
    })
    .await;
    (server, reads)
}

async fn start(server: &Running, id: &str) -> String {
    let body = json!({"identifier": "parked", "initialState": {"id": id}}).to_string();
    let (status, started) = read_json(&send(server, "POST", "/brains/runs", "", &body).await);
    assert_eq!(status, 201, "{started}");
    started["brainRunId"].as_str().unwrap().to_owned()
}

/// A stream of a run, and what came of it.
struct Watching {
    stream: TcpStream,
    text: String,
}

impl Watching {
    async fn begin(server: &Running, from: u8, run: &str) -> Self {
        let mut stream = connect_from(server, from).await;
        let request = format!(
            "GET /brains/runs/{run}/watch HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        Self { stream, text: String::new() }
    }

    async fn until(&mut self, text: &str) {
        let mut bytes = [0; 4096];
        while !self.text.contains(text) {
            let read = tokio::time::timeout(LONG, self.stream.read(&mut bytes)).await.expect("it goes on");
            let read = read.unwrap();
            assert!(read > 0, "the stream ended before '{text}': {}", self.text);
            self.text.push_str(std::str::from_utf8(bytes.get(..read).unwrap()).unwrap());
        }
    }

    /// The numbers of the events that came.
    fn ids(&self) -> Vec<u64> {
        self.text.lines().filter_map(|line| line.strip_prefix("id: ")?.trim().parse().ok()).collect()
    }
}

async fn begin_many(server: &Running, run: &str, many: u8) -> Vec<Watching> {
    let mut watching = Vec::new();
    for from in 0..many {
        watching.push(Watching::begin(server, 1 + from % 4, run).await);
    }
    for one in &mut watching {
        one.until("brain:webhook").await;
    }
    watching
}

/// Reads of a run and its log that its end costs while so many watch it.
async fn cost_of_an_end(server: &Running, reads: &Reads, many: u8) -> usize {
    let run = start(server, &format!("end {many}")).await;
    let mut watching = begin_many(server, &run, many).await;
    let before = reads.whole();
    let answer = send(server, "DELETE", &format!("/brains/runs/{run}"), "", "").await;
    assert_eq!(support::status(&answer), 204);
    for one in &mut watching {
        one.until("0\r\n\r\n").await;
        let ids = one.ids();
        assert_eq!(ids, (1..=ids.len() as u64).collect::<Vec<_>>(), "all of it, in order");
        assert!(one.text.contains("brain:cancelled"));
    }
    reads.whole() - before
}

#[tokio::test]
async fn rule_66_a_change_of_a_run_is_read_once_however_many_watch_it() {
    let (server, reads) = counted().await;
    let (of_one, of_many) =
        (cost_of_an_end(&server, &reads, 1).await, cost_of_an_end(&server, &reads, MANY).await);
    // A look may come between two commits, or behind both.
    assert!(of_many <= of_one + 4, "{of_one} reads for one, {of_many} for many");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn rule_66_who_watches_a_run_that_rests_costs_a_look_at_its_seq_each_second_with_all_others() {
    let (server, reads) = counted().await;
    let run = start(&server, "rests").await;
    let first = begin_many(&server, &run, 1).await;
    let before = reads.of("run");
    let others = begin_many(&server, &run, MANY).await;
    assert_eq!(reads.of("run"), before, "who joins is shown the run that is known");
    assert!(others.iter().all(|one| first.iter().all(|other| other.ids() == one.ids())));
    let (whole, looks, began) = (reads.whole(), reads.of("run_seq"), Instant::now());
    reads.until("run_seq", looks + 3).await;
    let (looks, seconds) = (reads.of("run_seq") - looks, began.elapsed().as_secs());
    assert!(looks as u64 <= seconds + 2, "{looks} looks in {seconds} s");
    assert_eq!(reads.whole(), whole, "nothing has changed");
    server.shutdown().await.unwrap();
}
