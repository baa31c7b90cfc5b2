//! Measures what streams cost others, over a real px that it starts itself, on
//! loopback, in about a minute:
//!
//! 1. 300 streams on a px that may open 1,024 files: latencies of signed webhooks
//!    from another address meanwhile.
//! 2. The CPU time of a start, with nobody who watches `/brains/watch` and with
//!    500 who do, while 20 runs are listed; in alternating rounds.
//!
//! ```text
//! cargo build --release
//! cargo run --release -p px-testkit --example streams -- target/release/px
//! ```
//!
//! Exit code 1 if the p99 reached 50 ms, a webhook failed, or a start cost more
//! than 1.2 times as much with the watchers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measuring tool: it ends at whatever is unexpected"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method};
use px_core::Timestamp;
use px_inbound::verify::sign::{OutboundRequest, sign};
use px_sdk::verify;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

const SECRET: &str = "s3cret";
const STREAMS: usize = 300;
const WEBHOOKS: usize = 1_000;
const WATCHERS: usize = 500;
const LISTED: usize = 20;
const STARTS: usize = 2_000;
const SENDERS: usize = 4;
const ROUNDS: usize = 5;

/// A px of its own, which ends with this.
struct Px {
    child: Child,
    address: SocketAddr,
    _data: tempfile::TempDir,
}

impl Px {
    async fn start(binary: &str, files: Option<u32>) -> Self {
        let data = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let limit = files.map_or(String::new(), |files| format!("ulimit -n {files}; "));
        let script = format!("{limit}exec \"$0\" serve --port {port} --data-dir \"$1\"");
        let child = Command::new("sh")
            .args(["-c", &script, binary])
            .arg(data.path())
            .env("GITHUB_WEBHOOK_SECRET", SECRET)
            .env("PX_HANDED_OVER", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let px = Self { child, address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), _data: data };
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        for _ in 0..600 {
            ticks.tick().await;
            if TcpStream::connect(px.address).await.is_ok() {
                return px;
            }
        }
        panic!("px does not listen on {}", px.address);
    }

    /// CPU time that it used so far.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(ticks * 10)
    }

    async fn connect(&self, from: [u8; 4]) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((Ipv4Addr::from(from), 0))).unwrap();
        let stream = socket.connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Watches the feed until it is aborted; gives the status once there is one.
    async fn watch(&self, from: [u8; 4]) -> (u16, JoinHandle<u64>) {
        let mut stream = self.connect(from).await;
        stream.write_all(b"GET /brains/watch HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let mut buffer = vec![0; 64 * 1024];
        let count = stream.read(&mut buffer).await.unwrap_or(0);
        let status =
            String::from_utf8_lossy(&buffer[..count]).split(' ').nth(1).and_then(|code| code.parse().ok());
        let reading = tokio::spawn(async move {
            let mut all = 0;
            while let Ok(count) = stream.read(&mut buffer).await {
                if count == 0 {
                    break;
                }
                all += count as u64;
            }
            all
        });
        (status.unwrap_or(0), reading)
    }
}

impl Drop for Px {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request on a connection that is kept; gives the status.
async fn send(stream: &mut TcpStream, head: &str, body: &str) -> u16 {
    let request = format!(
        "{head}host: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    loop {
        if stream.read_buf(&mut answer).await.unwrap_or(0) == 0 {
            return 0;
        }
        let text = String::from_utf8_lossy(&answer);
        let Some((head, rest)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
        if rest.len() >= length.map_or(0, |length| length.trim().parse().unwrap()) {
            return head.split(' ').nth(1).unwrap().parse().unwrap();
        }
    }
}

/// A signed event about a pull request that nobody knows, and that is closed: its
/// run completes at once.
async fn start(stream: &mut TcpStream, number: usize) -> u16 {
    let body = format!(
        r#"{{"action":"closed","number":{number},"pull_request":{{"number":{number},"merged":true,"user":{{"login":"octocat"}}}},"repository":{{"full_name":"o/r"}}}}"#
    );
    let mut request = OutboundRequest {
        method: Method::POST,
        url: "http://px.example/".into(),
        headers: HeaderMap::new(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    };
    sign(&verify::github("X"), &SECRET.to_owned().into(), &mut request, Timestamp::EPOCH).unwrap();
    let signature = request.headers["x-hub-signature-256"].to_str().unwrap().to_owned();
    let head = format!(
        "POST /webhooks/github HTTP/1.1\r\nx-github-event: pull_request\r\nx-github-delivery: d-{number}\r\n\
         x-hub-signature-256: {signature}\r\n"
    );
    send(stream, &head, &body).await
}

async fn latencies_beside_streams(binary: &str) -> bool {
    let px = Px::start(binary, Some(1_024)).await;
    let mut open = Vec::new();
    let mut taken = 0;
    for n in 0..STREAMS {
        let (status, reading) = px.watch([127, 2, 0, u8::try_from(n % 4).unwrap() + 1]).await;
        taken += usize::from(status == 200);
        open.push(reading);
    }
    let mut good = px.connect([127, 9, 0, 1]).await;
    let (mut latencies, mut failures) = (Vec::new(), 0);
    for n in 0..WEBHOOKS {
        let begun = Instant::now();
        failures += usize::from(start(&mut good, n).await != 201);
        latencies.push(begun.elapsed());
    }
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    println!(
        "{STREAMS} streams asked for with 1,024 files, {taken} of them taken: {WEBHOOKS} signed webhooks from \
         elsewhere, {failures} failed, p50 {:.2?}, p99 {:.2?}, longest {:.2?}",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    open.iter().for_each(JoinHandle::abort);
    failures == 0 && at(0.99) < Duration::from_millis(50)
}

/// CPU time of a start in microseconds, and starts a second.
async fn starts(px: &Px, first: usize) -> (f64, f64) {
    let (cpu, begun) = (px.cpu(), Instant::now());
    let mut senders = Vec::new();
    for sender in 0..SENDERS {
        let mut stream = px.connect([127, 9, 0, 2]).await;
        senders.push(tokio::spawn(async move {
            for n in 0..STARTS / SENDERS {
                assert_eq!(start(&mut stream, first + sender * STARTS + n).await, 201);
            }
        }));
    }
    for sender in senders {
        sender.await.unwrap();
    }
    let used = px.cpu() - cpu;
    (used.as_secs_f64() * 1e6 / STARTS as f64, STARTS as f64 / begun.elapsed().as_secs_f64())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

async fn cost_of_watchers(binary: &str) -> bool {
    let px = Px::start(binary, None).await;
    let mut setup = px.connect([127, 0, 0, 1]).await;
    for n in 0..LISTED {
        let body = format!(
            r#"{{"identifier":"customer-feedback","initialState":{{"name":"a","slackChannel":"C{n}","phoneNumber":"+1555{n:04}"}}}}"#
        );
        assert_eq!(send(&mut setup, "POST /brains/runs HTTP/1.1\r\n", &body).await, 201);
    }
    let (mut without, mut with) = (Vec::new(), Vec::new());
    starts(&px, 1_000_000_000).await;
    for round in 1..=ROUNDS {
        without.push(starts(&px, round * 1_000_000).await);
        let mut watchers = Vec::new();
        for _ in 0..WATCHERS {
            let (status, reading) = px.watch([127, 3, 0, 1]).await;
            assert_eq!(status, 200);
            watchers.push(reading);
        }
        with.push(starts(&px, round * 1_000_000 + 500_000).await);
        watchers.iter().for_each(JoinHandle::abort);
        // Their places are free once px has seen them go.
        for watcher in watchers {
            let _ = watcher.await;
        }
    }
    let of = |all: &[(f64, f64)]| {
        (median(all.iter().map(|one| one.0).collect()), median(all.iter().map(|one| one.1).collect()))
    };
    let ((cpu, pace), (cpu_with, pace_with)) = (of(&without), of(&with));
    let ratio = cpu_with / cpu;
    println!(
        "a start takes {cpu:.0} us of CPU with no watcher ({pace:.0} a second), {cpu_with:.0} us with {WATCHERS} \
         watchers and {LISTED} listed runs ({pace_with:.0} a second): {ratio:.2} times as much"
    );
    ratio <= 1.2
}

#[tokio::main]
async fn main() -> ExitCode {
    let binary = std::env::args().nth(1).expect("the path of px");
    let binary = std::fs::canonicalize(binary).unwrap().display().to_string();
    let is_quick = latencies_beside_streams(&binary).await;
    let is_cheap = cost_of_watchers(&binary).await;
    if is_quick && is_cheap { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
