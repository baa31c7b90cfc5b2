//! Servers on sockets of their own, requests as bytes, and what comes back: what a
//! client library would tidy up, or not send at all.

#![allow(dead_code, reason = "each test binary has its own copy, and none needs all of it")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use px_sdk::Registry;
use px_server::{Options, Running};
use px_store_rows::{Embedded, MemoryRows};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// Longer than anything in these tests takes.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A server of everything that the test binary registers, over a store in memory.
pub(crate) async fn serve(change: impl FnOnce(&mut Options)) -> Running {
    let store = Arc::new(Embedded::new(MemoryRows::new()));
    let mut options = Options::new(Arc::new(Registry::collect().unwrap()), store);
    options.bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    change(&mut options);
    px_server::start(options).await.unwrap()
}

pub(crate) async fn connect(server: &Running) -> TcpStream {
    TcpStream::connect(server.local_addr()).await.unwrap()
}

/// A connection from the loopback address that ends with this byte.
pub(crate) async fn connect_from(server: &Running, from: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, from), 0))).unwrap();
    socket.connect(server.local_addr()).await.unwrap()
}

/// What comes until the other side closes, which it has to, and without a reset.
pub(crate) async fn answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(LONG, stream.read_to_end(&mut answer)).await.expect("it is closed");
    read.expect("it is closed, and not reset");
    String::from_utf8(answer).unwrap()
}

/// Sends bytes and reads everything.
pub(crate) async fn raw(server: &Running, bytes: &[u8]) -> String {
    let mut stream = connect(server).await;
    stream.write_all(bytes).await.unwrap();
    answer(&mut stream).await
}

/// Sends a request, whose connection ends with it, and reads everything. `lines` are
/// those of the head but for `Host`, `Connection` and `Content-Length`.
pub(crate) async fn request(server: &Running, method: &str, target: &str, lines: &str, body: &str) -> String {
    let request = format!(
        "{method} {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{lines}\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    raw(server, request.as_bytes()).await
}

/// As [`request`], with a body of JSON.
pub(crate) async fn send(server: &Running, method: &str, target: &str, lines: &str, body: &str) -> String {
    request(server, method, target, &format!("{lines}content-type: application/json\r\n"), body).await
}

pub(crate) fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).unwrap_or_else(|| panic!("no answer: {answer:?}")).parse().unwrap()
}

/// The head and the body of an answer.
pub(crate) fn parts(answer: &str) -> (&str, &str) {
    answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {answer:?}"))
}

/// The status of an answer and its body as JSON: null if it is none.
pub(crate) fn read_json(answer: &str) -> (u16, Value) {
    (status(answer), serde_json::from_str(parts(answer).1).unwrap_or_default())
}
