//! The client: bounded in number and time, on loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use px_testkit::load::Connection;
use sha2::Sha256;

use crate::project::{self, SECRET};

#[derive(Clone, Copy)]
pub(crate) struct Target {
    address: SocketAddr,
}

impl Target {
    pub(crate) fn fixed(address: SocketAddr) -> Self {
        Self { address }
    }
}

/// What a load came to.
pub(crate) struct Load {
    pub(crate) answers: u64,
    pub(crate) elapsed: Duration,
    /// Sorted.
    pub(crate) latencies: Vec<Duration>,
}

impl Load {
    pub(crate) fn rate(&self) -> f64 {
        self.answers as f64 / self.elapsed.as_secs_f64()
    }

    pub(crate) fn quantile(&self, q: f64) -> Duration {
        let at = ((self.latencies.len() as f64 * q) as usize).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).copied().unwrap_or_default()
    }
}

/// Posts signed webhooks over so many connections for so long, or until `most`
/// are sent.
pub(crate) async fn run(target: Target, connections: u64, time: Duration, most: Option<u64>) -> Load {
    let next = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let mut senders = Vec::new();
    for _ in 0..connections {
        let next = Arc::clone(&next);
        senders.push(tokio::spawn(async move {
            let mut connection = Connection::open(target.address).await.expect("a connection");
            let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length");
            let mut latencies = Vec::new();
            while start.elapsed() < time {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if most.is_some_and(|most| n >= most) {
                    break;
                }
                let body = project::body(n);
                let mut mac = mac.clone();
                mac.update(&body);
                let headers = format!(
                    "x-hub-signature-256: sha256={}\r\nx-github-delivery: {n}\r\nx-github-event: pull_request\r\n",
                    hex::encode(mac.finalize().into_bytes())
                );
                let sent = Instant::now();
                let answer = connection.post("/webhooks/hub", &headers, &body).await.expect("an answer");
                assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
                latencies.push(sent.elapsed());
            }
            latencies
        }));
    }
    let mut latencies = Vec::new();
    for sender in senders {
        latencies.extend(sender.await.expect("a sender"));
    }
    let elapsed = start.elapsed();
    latencies.sort_unstable();
    Load { answers: latencies.len() as u64, elapsed, latencies }
}

/// Starts runs, and waits until all of them wait.
pub(crate) async fn park(address: SocketAddr, runs: u64) {
    let next = Arc::new(AtomicU64::new(0));
    let mut starters = Vec::new();
    for _ in 0..64 {
        let next = Arc::clone(&next);
        starters.push(tokio::spawn(async move {
            let mut connection = Connection::open(address).await.expect("a connection");
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= runs {
                    return;
                }
                let body =
                    serde_json::json!({"identifier": "bench", "initialState": {"key": project::key(n)}});
                let answer = connection
                    .post("/brains/runs", "", body.to_string().as_bytes())
                    .await
                    .expect("an answer");
                assert_eq!(answer.status, 201);
            }
        }));
    }
    for starter in starters {
        starter.await.expect("a starter");
    }
    wait_until(address, "running", 0).await;
}

/// Waits until nothing runs, and counts the runs that are complete.
pub(crate) async fn completed(address: SocketAddr, expected: u64) -> u64 {
    wait_until(address, "running", 0).await;
    let complete = count(address, "/brains/runs?status=complete&limit=1000", "runs").await;
    let resumed = count(address, "/webhooks/deliveries?state=resumed&limit=1000", "deliveries").await;
    assert_eq!(complete, resumed, "completed runs and resumed deliveries");
    assert_eq!(complete, expected, "completed runs and 200 answers");
    complete
}

async fn wait_until(address: SocketAddr, status: &str, left: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let path = format!("/brains/runs?status={status}&limit=1000");
    while count(address, &path, "runs").await > left {
        assert!(Instant::now() < deadline, "runs are still {status}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn count(address: SocketAddr, path: &str, list: &str) -> u64 {
    let mut connection = Connection::open(address).await.expect("a connection");
    let (mut count, mut cursor) = (0, String::new());
    loop {
        let page = connection.get(&format!("{path}&cursor={cursor}")).await.expect("a page").json();
        count += page[list].as_array().expect("a list").len() as u64;
        match page["nextCursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => return count,
        }
    }
}
