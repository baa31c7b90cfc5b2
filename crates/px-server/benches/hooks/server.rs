//! px over sled, a process of its own, driven over its standard input.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use px_outbound::vault::Vault;
use px_sdk::Registry;
use px_server::Options;
use px_store::{Inspect, Store};
use px_store_rows::Embedded;
use px_store_sled::SledRows;
use serde::{Deserialize, Serialize};

use crate::ROLE;

const DIR: &str = "PX_BENCH_DIR";

/// Figures of a px server.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Stats {
    pub(crate) commits: u64,
    pub(crate) syncs: u64,
    pub(crate) journal_bytes: u64,
    pub(crate) cpu_us: u64,
}

impl Stats {
    pub(crate) fn since(self, before: &Self) -> Self {
        Self {
            commits: self.commits - before.commits,
            syncs: self.syncs - before.syncs,
            journal_bytes: self.journal_bytes - before.journal_bytes,
            cpu_us: self.cpu_us - before.cpu_us,
        }
    }
}

/// User and system time of this process, microseconds.
fn cpu_us() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // Clock ticks of 10 ms each, as Linux shows them everywhere.
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    (ticks(11) + ticks(12)) * 10_000
}

/// A px server, until its standard input ends.
pub(crate) async fn px() {
    let dir = std::env::var_os(DIR).expect("a directory");
    let rows = SledRows::open(Path::new(&dir), px_store_sled::Options::default()).expect("a store");
    let store: Arc<dyn Store> = Arc::new(Embedded::new(rows));
    let registry = Arc::new(Registry::collect().expect("a registry"));
    let mut options = Options::new(registry, Arc::clone(&store));
    options.bind = SocketAddr::from(([127, 0, 0, 1], 0));
    // The next process has to read the secrets that this one wrote.
    options.hooks.vault = Vault::from_text(&"ab".repeat(32)).expect("a key");
    let running = px_server::start(options).await.expect("a server");
    println!("{}", running.local_addr());
    tokio::task::spawn_blocking(move || {
        for _ in std::io::stdin().lines() {
            let stats = store.inspect().map(Inspect::stats).unwrap_or_default();
            let stats = Stats {
                commits: stats.commits,
                syncs: stats.syncs,
                journal_bytes: stats.journal_bytes,
                cpu_us: cpu_us(),
            };
            println!("{}", serde_json::to_string(&stats).expect("JSON"));
        }
    })
    .await
    .expect("input");
    running.shutdown().await.expect("a clean end");
}

/// A server process.
pub(crate) struct Child {
    process: std::process::Child,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    address: SocketAddr,
}

impl Child {
    /// Serves from this directory; returns when it takes requests.
    pub(crate) fn start(dir: &Path) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("this program"))
            .env(ROLE, "px")
            .env(DIR, dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        let stdin = process.stdin.take().expect("its input");
        let mut stdout = BufReader::new(process.stdout.take().expect("its output"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("its address");
        let address = line.trim().parse().expect("an address");
        Self { process, pipes: Mutex::new((stdin, stdout)), address }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn stats(&self) -> Stats {
        let mut pipes = self.pipes.lock().expect("no panic");
        pipes.0.write_all(b"\n").expect("a question");
        let mut line = String::new();
        pipes.1.read_line(&mut line).expect("an answer");
        serde_json::from_str(&line).expect("figures")
    }

    pub(crate) fn stop(mut self) {
        drop(self.pipes);
        let status = self.process.wait().expect("its end");
        assert!(status.success(), "a server ended with {status}");
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.process.kill().expect("a kill");
        self.process.wait().expect("its end");
    }
}

/// A directory on the disk that the program is run from.
pub(crate) fn fresh_dir() -> tempfile::TempDir {
    let here = std::env::current_dir().expect("a directory");
    tempfile::Builder::new().prefix("px-bench").tempdir_in(here).expect("a directory")
}
