//! The client: starts runs, bounded in number and time, on loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use px_outbound::guard::{Client, Policy, System, Target};
use px_testkit::load::Connection;
use serde_json::{Value, json};

use crate::receiver::{BEGIN, Receiver};

/// Creates a hook; returns its id.
pub(crate) async fn hook(address: SocketAddr, body: Value) -> String {
    let mut connection = Connection::open(address).await.expect("a connection");
    let answer = connection.post("/hooks", "", body.to_string().as_bytes()).await.expect("an answer");
    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
    answer.json()["id"].as_str().expect("an id").to_owned()
}

/// How runs are started.
#[derive(Clone, Copy)]
pub(crate) struct Starts {
    /// So many at once.
    pub(crate) connections: u64,
    /// So many in all, at most.
    pub(crate) most: u64,
    /// For so long, at most.
    pub(crate) time: Duration,
    /// So many a second; as many as there can be if there is none.
    pub(crate) rate: Option<f64>,
}

/// Starts runs; returns how many were answered 201. An answer that does not
/// come ends the connection that it was asked on.
pub(crate) async fn start(address: SocketAddr, starts: Starts) -> u64 {
    let next = Arc::new(AtomicU64::new(0));
    let started = Arc::new(AtomicU64::new(0));
    let begin = Instant::now();
    let mut starters = Vec::new();
    for _ in 0..starts.connections {
        let (next, started) = (Arc::clone(&next), Arc::clone(&started));
        starters.push(tokio::spawn(async move {
            let Ok(mut connection) = Connection::open(address).await else { return };
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= starts.most || begin.elapsed() >= starts.time {
                    return;
                }
                if let Some(rate) = starts.rate {
                    let at = begin + Duration::from_secs_f64(number as f64 / rate);
                    tokio::time::sleep_until(at.into()).await;
                }
                let posted = BEGIN.elapsed().as_micros().to_string();
                let body =
                    json!({"identifier": "bench", "initialState": {"number": number}, "requestId": posted});
                match connection.post("/brains/runs", "", body.to_string().as_bytes()).await {
                    Ok(answer) if answer.status == 201 => started.fetch_add(1, Ordering::Relaxed),
                    _ => return,
                };
            }
        }));
    }
    for starter in starters {
        starter.await.expect("a starter");
    }
    started.load(Ordering::Relaxed)
}

/// Waits until so many different events came to a path, and no longer than
/// something comes at all.
pub(crate) async fn received(receiver: &Receiver, path: &str, many: u64) {
    let (mut seen, mut since) = (0, Instant::now());
    while seen < many {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let now = receiver.count(path);
        if now > seen {
            since = Instant::now();
        }
        seen = now;
        assert!(since.elapsed() < Duration::from_secs(30), "{seen} of {many} came to {path}");
    }
}

/// The limit: the very HTTP client of px posts a body of the same size to the
/// same receiver, over and over, and does nothing else. Posts a second.
pub(crate) async fn limit(receiver: &Receiver, connections: u64, time: Duration) -> f64 {
    let policy = Policy::public().with_loopback(true);
    let client = Client::new(policy, Arc::new(System)).expect("a client");
    let target = Target::parse(&receiver.url("/ok/limit")).expect("a URL");
    let body = json!({
        "id": "evt_1", "type": "step.completed", "timestamp": "2026-01-15T10:30:00.123Z",
        "run": { "id": "run_1", "brain": "bench" }, "data": { "step": "x".repeat(300) },
    });
    let body = bytes::Bytes::from(body.to_string());
    let begin = Instant::now();
    let posted = Arc::new(AtomicU64::new(0));
    let mut senders = Vec::new();
    for _ in 0..connections {
        let (client, target, body) = (client.clone(), target.clone(), body.clone());
        let posted = Arc::clone(&posted);
        senders.push(tokio::spawn(async move {
            while begin.elapsed() < time {
                let request = client.post(&target).expect("an open address");
                let answer = request.body(body.clone()).send().await.expect("an answer");
                assert_eq!(answer.status(), 204);
                posted.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    for sender in senders {
        sender.await.expect("a sender");
    }
    let rate = posted.load(Ordering::Relaxed) as f64 / begin.elapsed().as_secs_f64();
    receiver.take("/ok/limit");
    rate
}
