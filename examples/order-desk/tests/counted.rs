//! The desk's binary, killed while people vote: each counter of votes equals the runs that have one.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says by panicking that it failed")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who is asked; each is the name of a counter, and a part of a path.
const APPROVERS: [&str; 4] = ["anna@example.com", "c/../d", "\u{fc} %2F?#", "--all"];

/// Votes of all.
const VOTES: usize = 64;

/// Numbers of votes at which the process is killed. A run that sees three deaths is paused.
const KILLED_AT: [usize; 2] = [15, 40];

/// The process, while there is one.
struct Desk {
    child: Child,
    address: String,
}

impl Desk {
    fn start(data: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_order-desk"));
        let data = data.to_str().unwrap();
        command
            .args(["serve", "--port", "0", "--json", "--data-dir", data])
            .env_clear()
            .env("PX_LOG", "error");
        // In a directory without a px.toml.
        command.current_dir(data).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let greeting: Value = serde_json::from_str(&line).unwrap();
        Self { child, address: greeting["url"].as_str().unwrap().replace("http://", "") }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The answer to a request; none if the process has died over it, or is not there yet.
fn ask(address: &str, method: &str, path: &str, kind: &str, body: &str) -> Option<(u16, Value)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: {kind}\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, serde_json::from_str(body).unwrap_or_default()))
}

/// Asks again until an answer is as it is wanted.
fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        std::thread::yield_now();
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

struct Room {
    /// A run that does not end, in place of the poll that asks.
    asked_by: String,
    data: TempDir,
    desk: Mutex<Desk>,
    voted: AtomicUsize,
}

impl Room {
    fn address(&self) -> String {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner).address.clone()
    }

    fn get(&self, path: &str) -> Option<(u16, Value)> {
        ask(&self.address(), "GET", path, "application/json", "")
    }

    /// One run, and the vote that ends it, each as often as it takes. Returns the run.
    fn vote(&self, number: usize) -> String {
        let approver = json!({ "mail": APPROVERS[number % APPROVERS.len()], "slack": "U1" });
        let start = json!({
            "brainTitle": "approval", "idempotencyKey": format!("run {number}"),
            "initialState": { "order": "o1", "text": "May it?", "approver": approver, "asked_by": self.asked_by },
        });
        let run = until("a run", || {
            let (status, started) =
                ask(&self.address(), "POST", "/brains/runs", "application/json", &start.to_string())?;
            (status < 300).then(|| started["brainRunId"].as_str().unwrap().to_owned())
        });
        let pressed = json!({
            "type": "block_actions", "trigger_id": format!("t{number}"), "user": { "id": "U1" },
            "actions": [{ "action_id": "yes", "value": run }],
        });
        let form = format!("payload={}", encoded(&pressed.to_string()));
        until("a vote", || {
            let kind = "application/x-www-form-urlencoded";
            let (status, _) = ask(&self.address(), "POST", "/webhooks/slack-buttons", kind, &form)?;
            (status < 300).then_some(())
        });
        if KILLED_AT.contains(&(self.voted.fetch_add(1, Ordering::SeqCst) + 1)) {
            let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
            desk.child.kill().unwrap();
            desk.child.wait().unwrap();
            *desk = Desk::start(self.data.path());
        }
        run
    }
}

#[test]
fn over_kills_each_vote_is_counted_once() {
    // Outside of every project: in a project's directory px hands over to that one's program.
    let data = tempfile::tempdir().unwrap();
    let desk = Mutex::new(Desk::start(data.path()));
    let asked_by = until("an order", || {
        let input = json!({ "id": "o1", "mail": "ada@example.com", "cents": 1, "lines": [] });
        let start = json!({ "brainTitle": "order", "initialState": input }).to_string();
        let address = desk.lock().unwrap_or_else(PoisonError::into_inner).address.clone();
        let (status, started) = ask(&address, "POST", "/brains/runs", "application/json", &start)?;
        (status < 300).then(|| started["brainRunId"].as_str().unwrap().to_owned())
    });
    let room = Room { asked_by, data, desk, voted: AtomicUsize::new(0) };
    let next = AtomicUsize::new(0);
    let runs = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= VOTES {
                        return;
                    }
                    let run = room.vote(number);
                    runs.lock().unwrap_or_else(PoisonError::into_inner).push(run);
                }
            });
        }
    });
    for run in runs.into_inner().unwrap() {
        until("the end of a run", || {
            let (_, shown) = room.get(&format!("/brains/runs/{run}"))?;
            assert_ne!(shown["status"], "error", "{shown}");
            (shown["status"] == "complete").then_some(())
        });
    }
    for approver in APPROVERS {
        let (status, counted) = room.get(&format!("/store/approval/{}/votes", encoded(approver))).unwrap();
        assert_eq!(
            (status, &counted["value"]),
            (200, &json!(VOTES / APPROVERS.len())),
            "{approver}: {counted}"
        );
    }
    let (_, listed) = room.get("/store/approval?limit=1").unwrap();
    assert_eq!(listed["count"], APPROVERS.len(), "{listed}");
}
