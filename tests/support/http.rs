//! A blocking HTTP client for loopback: one connection a request.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::PATIENCE;

/// What the server answered.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The action in the body.
    pub fn action(&self) -> String {
        self.field("action")
    }

    /// The run in the body.
    pub fn run(&self) -> String {
        self.field("brainRunId")
    }

    /// A text in the body; empty if there is none.
    pub fn field(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_default().to_owned()
    }

    /// Status and action: what most tests are about.
    #[track_caller]
    pub fn is(&self, status: u16, action: &str) -> &Self {
        assert_eq!((self.status, self.action().as_str()), (status, action), "{}", self.text());
        self
    }

    /// Status and the text of an error.
    #[track_caller]
    pub fn fails(&self, status: u16, error: &str) -> &Self {
        assert_eq!((self.status, self.field("error").as_str()), (status, error), "{}", self.text());
        self
    }
}

/// A connection that a request is yet to be sent on.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    address: SocketAddr,
}

impl Connection {
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        assert!(address.ip().is_loopback(), "tests talk to this machine only");
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, address })
    }

    /// Sends the head of a request, and the body.
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> io::Result<()> {
        let mut message = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n",
            self.address,
            body.len()
        );
        for (name, value) in headers {
            message.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut message = message.into_bytes();
        message.extend_from_slice(b"\r\n");
        message.extend_from_slice(body);
        self.stream.write_all(&message)
    }

    /// Sends these bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads the whole answer.
    pub fn receive(self) -> io::Result<Reply> {
        Self::read(self.stream)
    }

    /// Reads the whole answer, and leaves the connection for the next request:
    /// one that was sent by [`send_raw`](Self::send_raw), without `connection: close`.
    pub fn receive_kept(&mut self) -> io::Result<Reply> {
        Self::read(self.stream.try_clone()?)
    }

    fn read(stream: TcpStream) -> io::Result<Reply> {
        let mut stream = Stream::begin(BufReader::new(stream))?;
        let mut body = Vec::new();
        if stream.status != 204 {
            while let Some(piece) = stream.piece()? {
                body.extend_from_slice(&piece);
            }
        }
        Ok(Reply { status: stream.status, headers: stream.headers, body })
    }

    /// Reads the answer's head, and then frames as they come.
    pub fn watch(self) -> io::Result<Watch> {
        let stream = Stream::begin(BufReader::new(self.stream))?;
        Ok(Watch { stream, pending: String::new() })
    }
}

/// An answer of which the body is still coming.
#[derive(Debug)]
struct Stream {
    reader: BufReader<TcpStream>,
    status: u16,
    headers: Vec<(String, String)>,
    /// How many bytes of a body with a length are left; none if it is chunked.
    left: Option<usize>,
}

impl Stream {
    fn begin(mut reader: BufReader<TcpStream>) -> io::Result<Self> {
        let status = line(&mut reader)?;
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        let mut headers = Vec::new();
        loop {
            let line = line(&mut reader)?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        // An answer of 204 has no body, and says no length.
        let left = if status == 204 { Some(0) } else { length.and_then(|(_, length)| length.parse().ok()) };
        Ok(Self { reader, status, headers, left })
    }

    /// The next piece of the body; none after the last.
    fn piece(&mut self) -> io::Result<Option<Vec<u8>>> {
        let size = match self.left {
            Some(left) => left,
            None => usize::from_str_radix(&line(&mut self.reader)?, 16)
                .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "no chunk"))?,
        };
        if size == 0 {
            return Ok(None);
        }
        let mut piece = vec![0; size];
        self.reader.read_exact(&mut piece)?;
        match &mut self.left {
            Some(left) => *left = 0,
            None => drop(line(&mut self.reader)?),
        }
        Ok(Some(piece))
    }
}

fn line(reader: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

/// A stream of server-sent events.
#[derive(Debug)]
pub struct Watch {
    stream: Stream,
    pending: String,
}

/// One server-sent event.
#[derive(Debug, Clone)]
pub struct Frame {
    pub id: Option<u64>,
    pub data: Value,
}

impl Frame {
    /// The type of the run's event.
    pub fn kind(&self) -> &str {
        self.data["type"].as_str().unwrap_or_default()
    }
}

impl Watch {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.stream.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

impl Iterator for Watch {
    type Item = Frame;

    /// The next frame; none when the server has ended the stream.
    fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(rest) = self.pending.strip_prefix(":\n\n") {
                // A comment: the stream is quiet, and still there.
                self.pending = rest.to_owned();
                continue;
            }
            if let Some((frame, rest)) = self.pending.split_once("\n\n") {
                let (mut id, mut data) = (None, Value::Null);
                for line in frame.lines() {
                    match line.split_once(": ") {
                        Some(("id", text)) => id = text.parse().ok(),
                        Some(("data", text)) => data = serde_json::from_str(text).unwrap(),
                        _ => panic!("an odd line in a frame: {line:?}"),
                    }
                }
                self.pending = rest.to_owned();
                return Some(Frame { id, data });
            }
            let piece = self.stream.piece().expect("the stream goes on or ends as it should")?;
            self.pending.push_str(&String::from_utf8(piece).unwrap());
        }
    }
}
