//! Abuses a running px from a process of its own, while a good sender goes on:
//! bodies that trickle, idle connections, a body of a gigabyte, deeply nested
//! JSON, distinct bad signatures. Prints, for each, the server's peak resident
//! memory (sampled every second) and the good sender's latencies.
//!
//! ```text
//! cargo build --release --example providers
//! GITHUB_SECRET=s3cret target/release/examples/providers serve --port 18788 --data-dir /tmp/abused &
//! cargo run --release -p px-testkit --example abuse -- 127.0.0.1:18788 $! s3cret
//! ```
//!
//! Senders come from addresses of their own within 127.0.0.0/8, as attackers
//! and providers do. Exit code 1 if the good sender's p99 reached 50 ms, if one
//! of its requests failed, or if memory grew past 512 MiB.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measuring tool: it ends at whatever is unexpected, and paces itself by the clock"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method};
use px_core::Timestamp;
use px_inbound::verify::sign::{OutboundRequest, sign};
use px_sdk::verify;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

const IDLE: usize = 10_000;
const TRICKLING: usize = 2_000;
const BAD_SIGNATURES: u64 = 100_000;
const PHASE: Duration = Duration::from_secs(15);

struct Sender {
    server: SocketAddr,
    signature: String,
    body: &'static str,
}

/// What was seen during one phase.
#[derive(Default)]
struct Seen {
    latencies: Vec<Duration>,
    failures: u64,
    peak_mib: u64,
}

async fn connect(server: SocketAddr, from: u64) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    // 127.1.0.0 and up; each address has its own ports.
    let address = Ipv4Addr::from_bits(0x7f01_0000 + (from % 60_000) as u32);
    socket.set_reuseaddr(true)?;
    socket.set_nodelay(true)?;
    socket.bind(SocketAddr::from((address, 0)))?;
    socket.connect(server).await
}

/// Sends one request and reads its answer: the status.
async fn ask(stream: &mut TcpStream, head: &str, body: &[u8]) -> std::io::Result<u16> {
    // In one piece: a second one would wait for the first one's delayed ACK.
    stream.write_all(&[head.as_bytes(), body].concat()).await?;
    let mut answer = Vec::with_capacity(1_024);
    loop {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8_lossy(&answer);
        let Some((head, rest)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.and_then(|length| length.parse::<usize>().ok()).unwrap_or(0);
        if rest.len() >= length {
            return Ok(head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0));
        }
    }
}

fn head(length: u64, more: &str) -> String {
    format!(
        "POST /webhooks/github HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         x-github-event: ping\r\n{more}content-length: {length}\r\n\r\n"
    )
}

/// The good sender: fifty signed deliveries a second over one connection.
async fn good(sender: Arc<Sender>, seen: Arc<Mutex<Seen>>, stop: Arc<AtomicBool>) {
    static ID: AtomicU64 = AtomicU64::new(0);
    let mut stream = None;
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    while !stop.load(Ordering::Relaxed) {
        tick.tick().await;
        let id = ID.fetch_add(1, Ordering::Relaxed);
        let more = format!("x-github-delivery: good-{id}\r\nx-hub-signature-256: {}\r\n", sender.signature);
        let began = Instant::now();
        let asked = async {
            if stream.is_none() {
                stream = Some(connect(sender.server, 59_999).await?);
            }
            let open = stream.as_mut().expect("it is open");
            ask(open, &head(sender.body.len() as u64, &more), sender.body.as_bytes()).await
        };
        let status = asked.await;
        let mut seen = seen.lock().unwrap();
        seen.latencies.push(began.elapsed());
        if status.as_ref().ok() != Some(&200) {
            seen.failures += 1;
            stream = None;
        }
    }
}

fn resident_mib(pid: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the server lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.split_whitespace().next().and_then(|text| text.parse::<u64>().ok()).expect("a number") / 1_024
}

/// Runs one abuse beside the good sender; whether it was borne.
async fn phase<F>(name: &str, sender: &Arc<Sender>, pid: &str, abuse: F) -> bool
where
    F: Future<Output = String>,
{
    let seen = Arc::new(Mutex::new(Seen::default()));
    let stop = Arc::new(AtomicBool::new(false));
    let good = tokio::spawn(good(Arc::clone(sender), Arc::clone(&seen), Arc::clone(&stop)));
    let sampler = {
        let (pid, seen, stop) = (pid.to_owned(), Arc::clone(&seen), Arc::clone(&stop));
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let now = resident_mib(&pid);
                {
                    let peak = &mut seen.lock().unwrap().peak_mib;
                    *peak = now.max(*peak);
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        })
    };
    let began = Instant::now();
    let said = abuse.await;
    tokio::time::sleep(Duration::from_secs(5).saturating_sub(began.elapsed())).await;
    stop.store(true, Ordering::Relaxed);
    good.await.unwrap();
    sampler.await.unwrap();
    let mut seen = std::mem::take(&mut *seen.lock().unwrap());
    seen.latencies.sort_unstable();
    let at = |share: f64| seen.latencies[((seen.latencies.len() - 1) as f64 * share) as usize];
    let p99 = at(0.99);
    let borne = p99 < Duration::from_millis(50) && seen.failures == 0 && seen.peak_mib < 512;
    println!(
        "{} {name}: {said}; {:.1?}; good sender {} requests, {} failed, p50 {:.1?}, p99 {p99:.1?}, max {:.1?}; peak RSS {} MiB",
        if borne { "ok   " } else { "WRONG" },
        began.elapsed(),
        seen.latencies.len(),
        seen.failures,
        at(0.5),
        at(1.0),
        seen.peak_mib
    );
    borne
}

async fn trickle(server: SocketAddr) -> String {
    let mut open = Vec::new();
    for n in 0..TRICKLING {
        if let Ok(mut stream) = connect(server, 10 + (n % 4) as u64).await {
            let _ = stream.write_all(head(100_000, "").as_bytes()).await;
            open.push(stream);
        }
    }
    let began = Instant::now();
    while began.elapsed() < PHASE {
        for stream in &mut open {
            let _ = stream.write_all(b" ").await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let mut statuses = std::collections::BTreeMap::<String, u32>::new();
    for mut stream in open {
        let mut answer = [0; 64];
        let read = tokio::time::timeout(Duration::from_secs(1), stream.read(&mut answer)).await;
        let text = match read {
            Ok(Ok(size)) => {
                String::from_utf8_lossy(&answer[..size]).split(' ').nth(1).unwrap_or("closed").to_owned()
            }
            Ok(Err(_)) => "closed".to_owned(),
            Err(_) => "open".to_owned(),
        };
        *statuses.entry(text).or_default() += 1;
    }
    format!("{TRICKLING} bodies, a byte a second: {statuses:?}")
}

async fn idle(server: SocketAddr) -> String {
    let mut open = Vec::new();
    for n in 0..IDLE {
        if let Ok(stream) = connect(server, 100 + (n % 100) as u64).await {
            open.push(stream);
        }
    }
    tokio::time::sleep(PHASE).await;
    format!("{} idle connections", open.len())
}

/// A gigabyte, announced and then sent in pieces without an announcement.
async fn gigabyte(server: SocketAddr) -> String {
    let mut stream = connect(server, 20).await.unwrap();
    let announced = ask(&mut stream, &head(1 << 30, ""), b"").await.unwrap_or(0);
    let mut stream = connect(server, 20).await.unwrap();
    let chunked = head(0, "transfer-encoding: chunked\r\n").replace("content-length: 0\r\n", "");
    stream.write_all(chunked.as_bytes()).await.unwrap();
    let mut piece = b"100000\r\n".to_vec();
    piece.resize(piece.len() + 0x10_0000, b' ');
    piece.extend_from_slice(b"\r\n");
    let mut sent = 0;
    while sent < 1_024 && stream.write_all(&piece).await.is_ok() {
        sent += 1;
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let status = String::from_utf8_lossy(&answer).split(' ').nth(1).unwrap_or("closed").to_owned();
    format!("announced: {announced}; chunked: cut off after {sent} MiB with {status}")
}

/// Four megabytes of brackets, signed, so that they are parsed.
async fn nested(server: SocketAddr, secret: &str) -> String {
    let body = "[".repeat(4 * 1024 * 1024);
    let signature = signature(secret, &body);
    let mut statuses = Vec::new();
    for n in 0..20 {
        let mut stream = connect(server, 30).await.unwrap();
        let more = format!("x-github-delivery: nested-{n}\r\nx-hub-signature-256: {signature}\r\n");
        statuses.push(ask(&mut stream, &head(body.len() as u64, &more), body.as_bytes()).await.unwrap_or(0));
    }
    statuses.dedup();
    format!("20 bodies of 4 MiB of brackets: {statuses:?}")
}

async fn bad_signatures(server: SocketAddr) -> String {
    let next = Arc::new(AtomicU64::new(0));
    let refused = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::new();
    for lane in 0..32_u64 {
        let (next, refused) = (Arc::clone(&next), Arc::clone(&refused));
        tasks.push(tokio::spawn(async move {
            let mut stream = None;
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= BAD_SIGNATURES {
                    return;
                }
                // A new address now and then, so that tables of addresses fill.
                if n % 20 == 0 || stream.is_none() {
                    stream = connect(server, 1_000 + (n / 20 + lane * 7) % 50_000).await.ok();
                }
                let Some(open) = stream.as_mut() else { continue };
                let more = format!("x-github-delivery: bad-{n}\r\nx-hub-signature-256: sha256={n:064x}\r\n");
                match ask(open, &head(2, &more), b"{}").await {
                    Ok(401) => drop(refused.fetch_add(1, Ordering::Relaxed)),
                    _ => stream = None,
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    format!("{BAD_SIGNATURES} distinct bad signatures, {} answered 401", refused.load(Ordering::Relaxed))
}

fn signature(secret: &str, body: &str) -> String {
    let mut callback = OutboundRequest {
        method: Method::POST,
        url: "http://x/".into(),
        headers: HeaderMap::new(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    };
    let record = verify::github("S");
    sign(&record, &secret.to_owned().into(), &mut callback, Timestamp::EPOCH).unwrap();
    callback.headers["x-hub-signature-256"].to_str().unwrap().to_owned()
}

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [server, pid, secret] = words.as_slice() else { panic!("give: address, process id, GitHub secret") };
    let server: SocketAddr = server.parse().expect("an address");
    let body = r#"{"zen":"Keep it logically awesome."}"#;
    let sender = Arc::new(Sender { server, signature: signature(secret, body), body });
    let calm = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        "nothing".to_owned()
    };
    let mut borne = phase("calm", &sender, pid, calm).await;
    borne &= phase("trickle", &sender, pid, trickle(server)).await;
    borne &= phase("idle", &sender, pid, idle(server)).await;
    borne &= phase("gigabyte", &sender, pid, gigabyte(server)).await;
    borne &= phase("nested", &sender, pid, nested(server, secret)).await;
    borne &= phase("signatures", &sender, pid, bad_signatures(server)).await;
    ExitCode::from(u8::from(!borne))
}
