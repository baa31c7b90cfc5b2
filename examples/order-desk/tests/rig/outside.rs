//! All that is outside of the desk, on loopback: it keeps what is asked of it. The carrier
//! is away the first two times that a parcel is booked.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::PATIENCE;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Sent {
    pub path: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Sent {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }
}

/// The receiver. It ends with its owner.
pub struct Outside {
    address: SocketAddr,
    sent: Arc<Mutex<Vec<Sent>>>,
    is_over: Arc<AtomicBool>,
}

impl Outside {
    pub fn open() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (sent, is_over) = (Arc::<Mutex<Vec<Sent>>>::default(), Arc::<AtomicBool>::default());
        let (kept, ends) = (Arc::clone(&sent), Arc::clone(&is_over));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                let kept = Arc::clone(&kept);
                // A desk that is killed leaves its requests unfinished.
                std::thread::spawn(move || stream.ok().and_then(|stream| answer(&stream, &kept)));
            }
        });
        Self { address, sent, is_over }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was sent to paths that begin so, in order.
    pub fn sent(&self, path: &str) -> Vec<Sent> {
        let sent = self.sent.lock().unwrap();
        sent.iter().filter(|sent| sent.path.starts_with(path)).cloned().collect()
    }

    /// The keys of what was sent there: an effect that was repeated has the same one.
    pub fn keys(&self, path: &str) -> BTreeSet<String> {
        self.sent(path).iter().map(|sent| sent.header("idempotency-key").to_owned()).collect()
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn answer(stream: &TcpStream, kept: &Mutex<Vec<Sent>>) -> Option<()> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let path = first.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_owned(), value.to_owned()));
    }
    let mut sent = Sent { path, headers, body: Vec::new() };
    sent.body = vec![0; sent.header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut sent.body).ok()?;
    let is_booking = sent.path == "/book";
    let mut kept = kept.lock().unwrap();
    let is_away = is_booking && kept.iter().filter(|sent| sent.path == "/book").count() < 2;
    kept.push(sent);
    drop(kept);
    let (status, body) = match (is_away, is_booking) {
        (true, _) => ("503 Service Unavailable", "{}"),
        (false, true) => ("200 OK", r#"{"number": "P1"}"#),
        (false, false) => ("200 OK", "{}"),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    (&mut &*stream).write_all(format!("{head}{body}").as_bytes()).ok()
}
