//! The servers, each a process of its own, driven over its standard input.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use px_core::{RunStatus, Scope};
use px_sdk::Registry;
use px_server::Options;
use px_store::{InboxState, Inspect, Store};
use px_store_rows::{Backing as _, Embedded};
use px_store_sled::SledRows;
use serde::{Deserialize, Serialize};

use crate::ROLE;
use crate::project::{SECRET, SECRET_VARIABLE};

const DIR: &str = "PX_BENCH_DIR";

/// How long a server may take until nothing is left to be done.
const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) fn data_dir() -> PathBuf {
    std::env::var_os(DIR).expect("a directory").into()
}

/// Figures of a px server.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Stats {
    pub(crate) commits: u64,
    pub(crate) syncs: u64,
    pub(crate) journal_bytes: u64,
    pub(crate) ops: u64,
    pub(crate) applied_rows: u64,
    pub(crate) cpu_us: u64,
    /// Resident memory, KiB.
    pub(crate) rss_kib: u64,
    /// Runs that are ready for a step, at most 512.
    pub(crate) ready: u64,
}

impl Stats {
    pub(crate) fn since(self, before: &Self) -> Self {
        Self {
            commits: self.commits - before.commits,
            syncs: self.syncs - before.syncs,
            journal_bytes: self.journal_bytes - before.journal_bytes,
            ops: self.ops - before.ops,
            applied_rows: self.applied_rows - before.applied_rows,
            cpu_us: self.cpu_us - before.cpu_us,
            ..self
        }
    }
}

/// What the audit counts in the store of a server that was stopped.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) complete: u64,
    pub(crate) waiting: u64,
    pub(crate) resumed: u64,
}

/// User and system time of this process, microseconds.
fn cpu_us() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // Clock ticks of 10 ms each, as Linux shows them everywhere.
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    (ticks(11) + ticks(12)) * 10_000
}

fn rss_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// A px server over sled, until its standard input ends.
pub(crate) async fn px() {
    let store: Arc<dyn Store> = Arc::new(open(&data_dir()));
    let registry = Arc::new(Registry::collect().expect("a registry"));
    let mut options = Options::new(registry, Arc::clone(&store));
    options.bind = SocketAddr::from(([127, 0, 0, 1], 0));
    options.env = Box::new(|name| (name == SECRET_VARIABLE).then(|| SECRET.to_owned()));
    let running = px_server::start(options).await.expect("a server");
    println!("{}", running.local_addr());
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || {
        for _ in std::io::stdin().lines() {
            let ready = runtime.block_on(store.work(Scope::default(), None, 512)).expect("the ready runs");
            let stats = store.inspect().map(Inspect::stats).unwrap_or_default();
            let stats = Stats {
                commits: stats.commits,
                syncs: stats.syncs,
                journal_bytes: stats.journal_bytes,
                ops: stats.ops,
                applied_rows: stats.applied_rows,
                cpu_us: cpu_us(),
                rss_kib: rss_kib(),
                ready: ready.len() as u64,
            };
            println!("{}", serde_json::to_string(&stats).expect("JSON"));
        }
    })
    .await
    .expect("input");
    running.shutdown().await.expect("a clean end");
}

/// A bare axum server, until its standard input ends.
pub(crate) async fn listen(app: Router) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    let served = tokio::spawn(async move {
        use axum::serve::ListenerExt;
        axum::serve(listener.tap_io(|stream| drop(stream.set_nodelay(true))), app).await
    });
    tokio::task::spawn_blocking(|| std::io::stdin().lines().for_each(drop)).await.expect("input");
    served.abort();
}

/// A server process.
pub(crate) struct Child {
    role: &'static str,
    process: std::process::Child,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    address: SocketAddr,
    dir: tempfile::TempDir,
}

impl Child {
    pub(crate) fn start(role: &'static str) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("px-bench")
            .tempdir_in(std::env::current_dir().expect("a directory"))
            .expect("a directory");
        Self::start_in(role, dir)
    }

    fn start_in(role: &'static str, dir: tempfile::TempDir) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("this program"))
            .env(ROLE, role)
            .env(DIR, dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        let stdin = process.stdin.take().expect("its input");
        let mut stdout = BufReader::new(process.stdout.take().expect("its output"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("its address");
        let address = line.trim().parse().expect("an address");
        Self { role, process, pipes: Mutex::new((stdin, stdout)), address, dir }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn stats(&self) -> Stats {
        let mut pipes = self.pipes.lock().expect("no panic");
        pipes.0.write_all(b"\n").expect("a question");
        let mut line = String::new();
        pipes.1.read_line(&mut line).expect("an answer");
        serde_json::from_str(&line).expect("figures")
    }

    /// Waits until no run is ready for a step.
    pub(crate) async fn rests(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.stats().ready > 0 {
            assert!(Instant::now() < deadline, "runs are still ready");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Kills the process.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("a process of ours");
        self.process.wait().expect("its end");
    }

    /// Starts another process over the store of one that was killed.
    pub(crate) fn restart(self) -> Self {
        Self::start_in(self.role, self.dir)
    }

    /// Ends the server and, if it is a px, proves its store.
    pub(crate) async fn stop(self) -> Counted {
        let (role, dir) = self.end();
        if role == "px" { audited(dir.path()).await } else { Counted::default() }
    }

    fn end(mut self) -> (&'static str, tempfile::TempDir) {
        drop(self.pipes);
        let status = self.process.wait().expect("its end");
        assert!(status.success(), "a server ended with {status}");
        (self.role, self.dir)
    }
}

fn open(dir: &Path) -> Embedded<SledRows> {
    Embedded::new(SledRows::open(dir, px_store_sled::Options::default()).expect("a store"))
}

/// Writes a copy of a store anew, as `px store compact` does. Gives its directory.
pub(crate) async fn compacted(from: &Path) -> tempfile::TempDir {
    let beside = || tempfile::tempdir_in(from.parent().expect("a parent")).expect("a directory");
    let (copy, to) = (beside(), beside());
    copy_all(from, copy.path());
    let (old, new) = (open(copy.path()), open(to.path()));
    for table in px_store::audit::TABLES {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let rows = old.raw_rows(Scope::default(), table, after.as_deref(), 1_000).expect("rows");
            let Some((last, _)) = rows.last() else { break };
            after = Some(last.clone());
            new.take_in(Scope::default(), table, rows).await.expect("a row of the old store");
        }
    }
    new.backing().close().expect("a clean end");
    to
}

fn copy_all(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("its type").is_dir() {
            std::fs::create_dir_all(&target).expect("a directory");
            copy_all(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).expect("a copy");
        }
    }
}

async fn audited(dir: &Path) -> Counted {
    let store = open(dir);
    let report = px_store::audit::audit(&store, Scope::default(), &mut |_| ()).await.expect("an audit");
    assert!(report.is_clean(), "the store does not add up: {:?}", report.violations);
    let runs = |status: RunStatus| report.counts.runs.get(&status).copied().unwrap_or(0);
    Counted {
        complete: runs(RunStatus::Complete),
        waiting: runs(RunStatus::Waiting),
        resumed: report.counts.events.get(&InboxState::Resumed).copied().unwrap_or(0),
    }
}
