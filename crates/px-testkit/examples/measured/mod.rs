//! A px that a measurement starts itself, and requests to it over loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method};
use px_core::Timestamp;
use px_inbound::verify::sign::{OutboundRequest, sign};
use px_sdk::verify;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

const SECRET: &str = "s3cret";
const STARTS: usize = 2_000;
const SENDERS: usize = 4;

/// A px of its own, which ends with this.
pub(crate) struct Px {
    child: Child,
    address: SocketAddr,
    /// A folder that ends with it, where it made one.
    _folder: Option<tempfile::TempDir>,
}

impl Px {
    /// Over a store of its own. `files` bounds the files that it may open.
    pub(crate) async fn start(binary: &str, files: Option<u32>) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut px = Self::over(binary, data.path(), files).await;
        px._folder = Some(data);
        px
    }

    /// Over the store in `data`.
    pub(crate) async fn over(binary: &str, data: &Path, files: Option<u32>) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let limit = files.map_or(String::new(), |files| format!("ulimit -n {files}; "));
        let script = format!("{limit}exec \"$0\" serve --port {port} --data-dir \"$1\"");
        let child = Command::new("sh")
            .args(["-c", &script, binary])
            .arg(data)
            .env("GITHUB_WEBHOOK_SECRET", SECRET)
            .env("PX_HANDED_OVER", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let px = Self { child, address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), _folder: None };
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        for _ in 0..2_400 {
            ticks.tick().await;
            if TcpStream::connect(px.address).await.is_ok() {
                return px;
            }
        }
        panic!("px does not listen on {}", px.address);
    }

    /// CPU time that it used so far.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(ticks * 10)
    }

    /// A connection from an address of loopback.
    pub(crate) async fn connect(&self, from: [u8; 4]) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((Ipv4Addr::from(from), 0))).unwrap();
        let stream = socket.connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }
}

impl Drop for Px {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request on a connection that is kept; gives the status.
pub(crate) async fn send(stream: &mut TcpStream, head: &str, body: &str) -> u16 {
    answer(stream, head, body).await.0
}

/// The same; gives the status and the length of the answer in bytes.
pub(crate) async fn answer(stream: &mut TcpStream, head: &str, body: &str) -> (u16, usize) {
    let request = format!(
        "{head}host: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    loop {
        if stream.read_buf(&mut answer).await.unwrap_or(0) == 0 {
            return (0, 0);
        }
        let text = String::from_utf8_lossy(&answer);
        let Some((head, rest)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
        if rest.len() >= length.map_or(0, |length| length.trim().parse().unwrap()) {
            return (head.split(' ').nth(1).unwrap().parse().unwrap(), rest.len());
        }
    }
}

/// A signed event about a pull request that nobody knows, and that is closed: its
/// run completes at once.
pub(crate) async fn start(stream: &mut TcpStream, number: usize) -> u16 {
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

/// CPU time of a start in microseconds, and starts a second.
pub(crate) async fn starts(px: &Px, first: usize) -> (f64, f64) {
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

/// The one in the middle; `values` are not empty.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
