//! A small HTTP client for load: one keep-alive connection, one request at a
//! time, next to no cost of its own, so that what a benchmark or a kill test
//! measures is the server. Only for loopback addresses.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The largest response head that is read, bytes.
const MAX_HEAD: usize = 16 * 1024;

/// A connection to a server on this machine.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    address: SocketAddr,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

/// Answer of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// The address is not on this machine, or nobody listens.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        if !address.ip().is_loopback() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "load is for loopback addresses only"));
        }
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, address, request: Vec::new(), buffer: Vec::new() })
    }

    /// Sends a request and reads the whole answer. `headers` are whole lines,
    /// each with its line break.
    ///
    /// # Errors
    /// The connection broke, or the answer is not understood.
    pub async fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> io::Result<Response> {
        self.request.clear();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n{headers}\r\n",
            self.address,
            body.len()
        );
        self.request.extend_from_slice(head.as_bytes());
        self.request.extend_from_slice(body);
        self.stream.write_all(&self.request).await?;
        self.buffer.clear();
        let head_end = loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            if self.buffer.len() > MAX_HEAD || self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let (status, length) = parse_head(self.buffer.get(..head_end).unwrap_or_default())?;
        let start = head_end + 4;
        while self.buffer.len() < start + length {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(Response { status, body: self.buffer.get(start..start + length).unwrap_or_default().to_vec() })
    }

    /// Posts JSON.
    ///
    /// # Errors
    /// As [`Connection::request`].
    pub async fn post(&mut self, path: &str, headers: &str, body: &[u8]) -> io::Result<Response> {
        let headers = format!("content-type: application/json\r\n{headers}");
        self.request("POST", path, &headers, body).await
    }

    /// Gets.
    ///
    /// # Errors
    /// As [`Connection::request`].
    pub async fn get(&mut self, path: &str) -> io::Result<Response> {
        self.request("GET", path, "", b"").await
    }
}

fn parse_head(head: &[u8]) -> io::Result<(u16, usize)> {
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, "the answer is no HTTP/1.1 with a length");
    let text = std::str::from_utf8(head).map_err(|_| malformed())?;
    let mut lines = text.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|status| status.parse().ok())
        .ok_or_else(malformed)?;
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map(|(_, value)| value.trim().parse().map_err(|_| malformed()))
        .transpose()?;
    match length {
        Some(length) => Ok((status, length)),
        None if status == 204 => Ok((status, 0)),
        None => Err(malformed()),
    }
}
