//! The client: bounded in number and time, on loopback.

use std::future::Future;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use px_testkit::load::Connection;
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::project::{self, SECRET};

/// How many runs a watcher may resume.
pub(crate) const WATCHED: u64 = 20_000;

/// How many cycles a worker is ahead with its starts.
const AHEAD: u64 = 16;

/// What a load came to.
pub(crate) struct Load {
    pub(crate) answers: u64,
    pub(crate) elapsed: Duration,
    /// Microseconds, sorted.
    latencies: Vec<u64>,
}

impl Load {
    fn new(started: Instant, mut latencies: Vec<u64>) -> Self {
        latencies.sort_unstable();
        Self { answers: latencies.len() as u64, elapsed: started.elapsed(), latencies }
    }

    pub(crate) fn rate(&self) -> f64 {
        self.answers as f64 / self.elapsed.as_secs_f64()
    }

    /// Microseconds.
    pub(crate) fn quantile(&self, q: f64) -> u64 {
        let at = ((self.latencies.len() as f64 * q) as usize).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).copied().unwrap_or_default()
    }
}

/// One connection, and what it takes to sign.
struct Sender {
    connection: Connection,
    mac: Hmac<Sha256>,
    latencies: Vec<u64>,
}

impl Sender {
    async fn open(address: SocketAddr) -> Self {
        Self {
            connection: Connection::open(address).await.expect("a connection"),
            mac: Hmac::new_from_slice(SECRET.as_bytes()).expect("any length"),
            latencies: Vec::new(),
        }
    }

    async fn start(&mut self, n: u64) -> String {
        let body = serde_json::json!({"identifier": "bench", "initialState": {"key": project::key(n)}});
        let sent = Instant::now();
        let answer = self.connection.post("/brains/runs", "", body.to_string().as_bytes()).await;
        let answer = answer.expect("an answer");
        self.latencies.push(micros(sent));
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
        answer.json()["brainRunId"].as_str().expect("an id").to_owned()
    }

    async fn webhook(&mut self, n: u64) {
        let body = project::body(n);
        let mut mac = self.mac.clone();
        mac.update(&body);
        let headers = format!(
            "x-hub-signature-256: sha256={}\r\nx-github-delivery: {n}\r\nx-github-event: pull_request\r\n",
            hex::encode(mac.finalize().into_bytes())
        );
        let sent = Instant::now();
        let answer = self.connection.post("/webhooks/hub", &headers, &body).await.expect("an answer");
        self.latencies.push(micros(sent));
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    }
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Lets every connection do `work` until it says that it is through.
async fn over<F, Fut>(address: SocketAddr, connections: u64, work: F) -> Load
where
    F: Fn(Sender, u64) -> Fut,
    Fut: Future<Output = Vec<u64>> + Send + 'static,
{
    let mut senders = Vec::new();
    for number in 0..connections {
        senders.push((Sender::open(address).await, number));
    }
    let started = Instant::now();
    let tasks: Vec<_> =
        senders.into_iter().map(|(sender, number)| tokio::spawn(work(sender, number))).collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.expect("a sender"));
    }
    Load::new(started, latencies)
}

/// What is sent for each number.
#[derive(Clone, Copy)]
enum What {
    Start,
    Webhook,
}

/// Posts signed webhooks for the runs from `first`, below `end`, for so long.
pub(crate) async fn webhooks(
    address: SocketAddr,
    connections: u64,
    time: Duration,
    first: u64,
    end: u64,
) -> Load {
    send(What::Webhook, address, connections, time, first..end).await
}

/// Starts the runs from `first`, below `end`.
pub(crate) async fn start_runs(address: SocketAddr, connections: u64, first: u64, end: u64) -> Load {
    send(What::Start, address, connections, Duration::MAX, first..end).await
}

/// Starts runs for so long.
pub(crate) async fn start_for(address: SocketAddr, connections: u64, time: Duration) -> Load {
    send(What::Start, address, connections, time, 0..u64::MAX).await
}

async fn send(what: What, address: SocketAddr, connections: u64, time: Duration, range: Range<u64>) -> Load {
    let (next, started) = (Arc::new(AtomicU64::new(range.start)), Instant::now());
    over(address, connections, |mut sender, _| {
        let next = Arc::clone(&next);
        async move {
            while started.elapsed() < time {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= range.end {
                    break;
                }
                match what {
                    What::Start => drop(sender.start(n).await),
                    What::Webhook => sender.webhook(n).await,
                }
            }
            sender.latencies
        }
    })
    .await
}

/// RunToCompletion cycles for so long: each worker starts a run, and resumes the one that
/// it started some turns before. The latencies are those of the webhooks.
pub(crate) async fn cycles(address: SocketAddr, connections: u64, time: Duration) -> Load {
    let started = Instant::now();
    over(address, connections, |mut sender, number| async move {
        let run = |turn: u64| number + turn * connections;
        let (mut turn, mut latencies) = (0, Vec::new());
        while started.elapsed() < time || turn < AHEAD {
            sender.start(run(turn)).await;
            turn += 1;
            if turn > AHEAD {
                sender.latencies.clear();
                sender.webhook(run(turn - 1 - AHEAD)).await;
                latencies.append(&mut sender.latencies);
            }
        }
        for rest in turn - AHEAD..turn {
            sender.latencies.clear();
            sender.webhook(run(rest)).await;
            latencies.append(&mut sender.latencies);
        }
        latencies
    })
    .await
}

/// Resumes runs one by one that are watched, and takes the time from the
/// webhook's answer to the sight of the run's end.
pub(crate) async fn watched(address: SocketAddr, time: Duration) -> Load {
    let mut sender = Sender::open(address).await;
    let (started, mut latencies) = (Instant::now(), Vec::new());
    // These were not started before: the watcher needs their ids.
    for n in (u64::MAX / 2..).take(usize::try_from(WATCHED).expect("a small number")) {
        if started.elapsed() >= time {
            break;
        }
        let run = sender.start(n).await;
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("an option");
        let request = format!("GET /brains/runs/{run}/watch HTTP/1.1\r\nhost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("a request");
        let mut seen = Vec::new();
        until(&mut stream, &mut seen, b"brain:webhook").await;
        sender.webhook(n).await;
        let answered = Instant::now();
        until(&mut stream, &mut seen, b"brain:complete").await;
        latencies.push(micros(answered));
    }
    Load::new(started, latencies)
}

async fn until(stream: &mut TcpStream, seen: &mut Vec<u8>, what: &[u8]) {
    while !seen.windows(what.len()).any(|window| window == what) {
        assert!(stream.read_buf(seen).await.expect("a stream") > 0, "the stream ended");
    }
    seen.clear();
}
