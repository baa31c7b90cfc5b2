//! The desk's own binary on a directory of its own, killed after every answer, and all
//! that is outside of it. Nothing here sleeps: a test looks for what it waits for, and
//! gives up at [`PATIENCE`].

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "test code: what is unexpected fails the test"
)]

mod http;
mod outside;
mod senders;

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

pub use http::Reply;
pub use outside::Outside;
use senders::{BANK_SECRET, CARRIER_SECRET, SLACK_SECRET};
pub use senders::{Form, Posted, bank, carrier, slack_button};

/// How long anything may take that a test waits for.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Looks until `found` finds something.
#[track_caller]
pub fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(thing) = found() {
            return thing;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        // Only to leave the processor to whom it is waited for.
        std::thread::park_timeout(Duration::from_millis(3));
    }
}

/// A process that serves.
struct Serving {
    child: Child,
    address: SocketAddr,
    /// Held open: a px whose stdout is gone would say so.
    _stdout: BufReader<ChildStdout>,
}

impl Drop for Serving {
    /// `kill -9`.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The desk: its data outlives the processes that serve it.
pub struct Desk {
    dir: TempDir,
    pub outside: Outside,
    serving: Option<Serving>,
    /// Processes that were killed.
    pub kills: usize,
    /// Figures of the audit after the last kill.
    pub counts: Value,
}

impl Drop for Desk {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            let _ = writeln!(std::io::stderr(), "the desk's log:\n{log}");
        }
    }
}

impl Desk {
    pub fn open() -> Self {
        let (dir, outside) = (tempfile::tempdir().unwrap(), Outside::open());
        let mut desk = Self { dir, outside, serving: None, kills: 0, counts: Value::Null };
        desk.serving = Some(desk.serve());
        desk
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_order-desk"));
        command.args(arguments).args(["--data-dir", "data"]).current_dir(self.dir.path()).env_clear();
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env("PATH", path).env("PX_LOG", "warn").env("ORDER_DESK_OUTSIDE", self.outside.url());
        let secrets = [
            ("BANK_SECRET", BANK_SECRET),
            ("CARRIER_SECRET", CARRIER_SECRET),
            ("SLACK_SIGNING_SECRET", SLACK_SECRET),
        ];
        command.envs(secrets);
        command
    }

    fn serve(&self) -> Serving {
        let log = File::options().create(true).append(true).open(self.dir.path().join("log")).unwrap();
        let mut command = self.command(&["serve", "--json", "--port", "0"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let (told, hear) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = stdout.read_line(&mut line);
            let _ = told.send((line, stdout));
        });
        let Ok((line, stdout)) = hear.recv_timeout(PATIENCE) else {
            let _ = child.kill();
            panic!("the desk said nothing for {PATIENCE:?}")
        };
        let greeting: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("it ended: {line:?}"));
        let address = greeting["url"].as_str().unwrap().trim_start_matches("http://").parse().unwrap();
        Serving { child, address, _stdout: stdout }
    }

    fn address(&self) -> SocketAddr {
        self.serving.as_ref().unwrap().address
    }

    /// Kills the process at once, audits what it has left, and serves that.
    #[track_caller]
    pub fn kill(&mut self) {
        drop(self.serving.take());
        self.kills += 1;
        let audit = self.command(&["audit", "--json"]).output().unwrap();
        let report: Value = serde_json::from_slice(&audit.stdout).unwrap_or_default();
        assert_eq!(report["clean"], true, "{report} {}", String::from_utf8_lossy(&audit.stderr));
        self.counts = report["counts"].clone();
        self.serving = Some(self.serve());
    }

    /// A webhook's answer, behind which the process is killed at once.
    #[track_caller]
    pub fn post(&mut self, posted: &Posted) -> Reply {
        let reply = self.try_post(posted);
        self.kill();
        reply
    }

    /// A webhook's answer.
    #[track_caller]
    pub fn try_post(&self, posted: &Posted) -> Reply {
        let headers: Vec<_> =
            posted.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        http::ask(self.address(), "POST", &posted.path, &headers, &posted.body).unwrap()
    }

    /// Sends the head and a part of the body, and kills the process.
    #[track_caller]
    pub fn post_a_part(&mut self, posted: &Posted, bytes: usize) {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let head = http::head("POST", &posted.path, self.address(), posted.body.len());
        let lines: String =
            posted.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        stream.write_all(format!("{head}{lines}\r\n").as_bytes()).unwrap();
        stream.write_all(&posted.body[..bytes]).unwrap();
        self.kill();
    }

    /// Files of forms that have not come to their end.
    pub fn incoming(&self) -> usize {
        fs::read_dir(self.dir.path().join("data/incoming")).unwrap().count()
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Reply {
        http::ask(self.address(), "GET", path, &[], b"").unwrap()
    }

    /// Starts a run, and kills the process that has answered.
    #[track_caller]
    pub fn start(&mut self, brain: &str, input: &Value) -> String {
        let body = json!({ "identifier": brain, "initialState": input }).to_string();
        let headers = [("content-type", "application/json")];
        let reply = http::ask(self.address(), "POST", "/brains/runs", &headers, body.as_bytes()).unwrap();
        assert_eq!(reply.status, 201, "{}", reply.text());
        self.kill();
        reply.field("brainRunId")
    }

    #[track_caller]
    pub fn run(&self, run: &str) -> Value {
        self.get(&format!("/brains/runs/{run}")).json()
    }

    /// The run, once it is so.
    #[track_caller]
    pub fn until(&self, run: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        eventually(&format!("{run} to be {what}: {}", self.run(run)), || Some(self.run(run)).filter(&is_so))
    }

    #[track_caller]
    pub fn completes(&self, run: &str) -> Value {
        self.until(run, "complete", |shown| shown["status"] == "complete")["state"].clone()
    }

    /// Waits until the run waits for this webhook.
    #[track_caller]
    pub fn waits_for(&self, run: &str, slug: &str) {
        let is_for = |shown: &Value| {
            let wanted = format!("\"slug\":\"{slug}\"");
            shown["status"] == "waiting" && shown["waitingFor"].to_string().contains(&wanted)
        };
        self.until(run, &format!("waiting for {slug}"), is_for);
    }

    /// The path of the link in the mail to somebody, once it was sent.
    #[track_caller]
    pub fn link_to(&self, person: &str) -> String {
        eventually(&format!("the link to {person}"), || {
            let mails = self.outside.sent("/mail").into_iter().map(|sent| sent.json());
            let text = mails.filter(|mail| mail["to"] == person).find_map(|mail| {
                let text = mail["text"].as_str()?.to_owned();
                text.contains("/webhooks/system/link/").then_some(text)
            })?;
            // The port is another one after each restart.
            Some(text[text.find("/webhooks/")?..].trim().to_owned())
        })
    }

    /// The page of a link, once its run waits: mail may be faster than a step that is run again.
    #[track_caller]
    pub fn page(&self, link: &str) -> Reply {
        eventually("a page with buttons", || {
            Some(self.get(link)).filter(|page| page.text().contains("<form"))
        })
    }

    /// Presses a button of a link's page, from that page.
    #[track_caller]
    pub fn press(&self, link: &str, page: &Reply, button: u8) -> Reply {
        let page = page.text();
        let nonce = page.split("name=\"nonce\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        let body = format!("nonce={}&answer={button}", nonce.unwrap_or_else(|| panic!("{page}")));
        let origin = format!("http://{}", self.address());
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("origin", &*origin)];
        http::ask(self.address(), "POST", link, &headers, body.as_bytes()).unwrap()
    }
}
