//! The real binary on a directory of its own.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Barrier, Mutex, mpsc};

use px_api::{BrainHistory, ListDeliveries, RunEvents, StartRun};
use px_client::{Answer, Client};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::http::{Connection, Reply, Watch};
use super::providers::{GITHUB_SECRET, Request, SLACK_SECRET, TWILIO_TOKEN};
use super::{PATIENCE, eventually};

/// A program with brains and webhooks, its configuration, and its data, which
/// outlives the processes that serve it.
#[derive(Debug)]
pub struct Project {
    dir: TempDir,
    data: PathBuf,
    program: PathBuf,
    /// A program that runs the binary, with its arguments: strace.
    under: Vec<String>,
    env: Vec<(String, String)>,
}

impl Project {
    /// This repository's own brains and webhooks, every webhook verified.
    /// `PX_TEST_BINARY` names another build of them, a release for example.
    pub fn new() -> Self {
        let other = std::env::var_os("PX_TEST_BINARY");
        Self::of(other.unwrap_or_else(|| env!("CARGO_BIN_EXE_px").into()))
            .env("GITHUB_WEBHOOK_SECRET", GITHUB_SECRET)
            .env("SLACK_SIGNING_SECRET", SLACK_SECRET)
            .env("TWILIO_AUTH_TOKEN", TWILIO_TOKEN)
    }

    /// The brains and webhooks that are linked into another program.
    pub fn of(program: impl Into<PathBuf>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        Self { dir, data, program: program.into(), under: Vec::new(), env: Vec::new() }
    }

    /// Without a variable that all of them have.
    pub fn without(mut self, name: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Serves from this directory instead of a fresh one.
    pub fn data_dir(mut self, data: impl Into<PathBuf>) -> Self {
        self.data = data.into();
        self
    }

    /// Runs the binary by another program.
    pub fn under(mut self, words: &[&str]) -> Self {
        self.under = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// Runs the binary by another program from now on; returns by which it was.
    pub fn swap_under(mut self, words: Vec<String>) -> (Self, Vec<String>) {
        let before = std::mem::replace(&mut self.under, words);
        (self, before)
    }

    /// A directory for whatever else a test writes; it goes with the project.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    /// A command of the binary: neither this repository's configuration nor the
    /// environment of the tests gets into it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut words = self.under.iter().map(AsRef::as_ref).chain([self.program.as_os_str()]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(arguments).current_dir(self.dir.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("PX_LOG", "warn").envs(self.env.iter().cloned());
        command
    }

    /// Serves on a free port, and returns when the server takes requests.
    pub fn serve(&self) -> Px {
        self.try_serve().unwrap_or_else(|(status, stderr)| panic!("px serve ended: {status}\n{stderr}"))
    }

    /// As [`Project::serve`]; how it ended and what it said if it did not come
    /// as far as that.
    pub fn try_serve(&self) -> Result<Px, (ExitStatus, String)> {
        let data = self.data.to_str().unwrap();
        let mut child = self
            .command(&["serve", "--json", "--port", "0", "--data-dir", data])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = drain(child.stderr.take().unwrap());
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let (told, hear) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = stdout.read_line(&mut line);
            let _ = told.send(line);
            let _ = std::io::copy(&mut stdout, &mut std::io::sink());
        });
        let greeting = hear.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            let _ = child.kill();
            panic!("px serve said nothing for {PATIENCE:?}: {}", stderr.lock().unwrap())
        });
        let Ok(greeting) = serde_json::from_str::<Value>(&greeting) else {
            let status = child.wait().unwrap();
            // The thread that reads sees the end of the pipe at some time.
            eventually("the end of stderr", || (Arc::strong_count(&stderr) == 1).then_some(()));
            let said = stderr.lock().unwrap().clone();
            return Err((status, said));
        };
        let address = greeting["url"].as_str().unwrap().trim_start_matches("http://").parse().unwrap();
        // Under another program the child is not the server; the lock says who is.
        let lock = std::fs::read_to_string(self.data.join("px.lock")).unwrap();
        let pid = lock.lines().find_map(|line| line.strip_prefix("pid ")).unwrap().parse().unwrap();
        Ok(Px { child, pid, address, stderr, greeting })
    }
}

fn drain(mut pipe: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let into = Arc::clone(&text);
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(size @ 1..) = pipe.read(&mut buffer) {
            into.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..size]));
        }
    });
    text
}

/// A process that serves. Dropping it kills it.
#[derive(Debug)]
pub struct Px {
    child: Child,
    pid: u32,
    pub address: SocketAddr,
    stderr: Arc<Mutex<String>>,
    /// What `px serve --json` said.
    pub greeting: Value,
}

impl Drop for Px {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal("KILL");
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("px's log:\n{}", self.log());
        }
    }
}

impl Px {
    /// The id of the process that serves.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What the process wrote to stderr so far.
    pub fn log(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    fn signal(&self, name: &str) {
        // By its own id, while it is not yet waited for.
        let _ = Command::new("kill").args([format!("-{name}"), self.pid.to_string()]).status();
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        if !self.has_ended() {
            if self.pid == self.child.id() {
                // At once, without a process of its own for it.
                self.child.kill().unwrap();
            } else {
                self.signal("KILL");
            }
        }
        self.child.wait().unwrap();
    }

    /// SIGTERM; returns how the process ended.
    pub fn stop(mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended()
    }

    /// SIGTERM; does not wait.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Waits until the process has ended by itself.
    pub fn ended(&mut self) -> ExitStatus {
        eventually("the end of the process", || self.child.try_wait().unwrap())
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// One request.
    pub fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> std::io::Result<Reply> {
        let mut connection = self.connect()?;
        connection.send(method, path, headers, body)?;
        connection.receive()
    }

    pub fn connect(&self) -> std::io::Result<Connection> {
        Connection::open(self.address)
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Reply {
        self.try_send("GET", path, &[], b"").unwrap()
    }

    #[track_caller]
    pub fn delete(&self, path: &str) -> Reply {
        self.try_send("DELETE", path, &[], b"").unwrap()
    }

    #[track_caller]
    pub fn post_json(&self, path: &str, body: &Value) -> Reply {
        let headers = [("content-type".to_owned(), "application/json".to_owned())];
        self.try_send("POST", path, &headers, body.to_string().as_bytes()).unwrap()
    }

    /// Posts to a webhook.
    #[track_caller]
    pub fn post(&self, request: &Request) -> Reply {
        self.try_post(request).unwrap()
    }

    pub fn try_post(&self, request: &Request) -> std::io::Result<Reply> {
        self.try_send("POST", &request.path, &request.headers_for(self.address), &request.body)
    }

    /// Posts all of them at the same time, each on a connection of its own
    /// that is open already. The replies are in the order of the requests.
    pub fn post_together(&self, requests: &[Request]) -> Vec<Reply> {
        let barrier = Barrier::new(requests.len());
        std::thread::scope(|scope| {
            let senders: Vec<_> = requests
                .iter()
                .map(|request| {
                    scope.spawn(|| {
                        let mut connection = self.connect().unwrap();
                        let headers = request.headers_for(self.address);
                        barrier.wait();
                        connection.send("POST", &request.path, &headers, &request.body).unwrap();
                        connection.receive().unwrap()
                    })
                })
                .collect();
            senders.into_iter().map(|sender| sender.join().unwrap()).collect()
        })
    }

    /// What px's own client is answered. A connection of its own each time, as the
    /// server behind this address may be another one by now.
    #[track_caller]
    fn ask<T>(&self, ask: impl AsyncFnOnce(Client) -> px_client::Result<Answer<T>>) -> Answer<T> {
        let client = Client::new(format!("http://{}", self.address)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(ask(client)).unwrap()
    }

    /// Starts a run through the API, and returns its id.
    #[track_caller]
    pub fn start(&self, brain: &str, initial_state: &Value) -> String {
        let start = json!({"identifier": brain, "initialState": initial_state});
        let start: StartRun = serde_json::from_value(start).unwrap();
        self.ask(async |client| client.start_run(&start).await).brain_run_id.to_string()
    }

    /// The run as the API shows it.
    #[track_caller]
    pub fn run(&self, run: &str) -> Value {
        self.ask(async |client| client.run(run).await).to_json()
    }

    /// The run, as soon as it has this status. A wait that was just answered
    /// may show for a moment longer, so ask for what comes after it.
    #[track_caller]
    pub fn reaches(&self, run: &str, status: &str) -> Value {
        self.until(run, status, |shown| shown["status"] == status)
    }

    /// The run, as soon as it is so.
    #[track_caller]
    pub fn until(&self, run: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        eventually(&format!("{run} to be {what}"), || Some(self.run(run)).filter(&is_so))
    }

    /// The run, as soon as it waits with this in its state.
    #[track_caller]
    pub fn waits_with(&self, run: &str, pointer: &str, value: &Value) -> Value {
        self.until(run, &format!("waiting with {pointer} = {value}"), |shown| {
            shown["status"] == "waiting" && shown["state"].pointer(pointer) == Some(value)
        })
    }

    /// The run's log.
    #[track_caller]
    pub fn events(&self, run: &str) -> Vec<Value> {
        let log = self.ask(async |client| client.run_events(run, &RunEvents::default()).await);
        log.to_json()["events"].as_array().unwrap().clone()
    }

    /// The types of the run's log.
    #[track_caller]
    pub fn event_types(&self, run: &str) -> Vec<String> {
        self.events(run).iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }

    /// The run's log as it is written.
    pub fn watch(&self, run: &str, last_event_id: Option<u64>) -> Watch {
        let mut connection = self.connect().unwrap();
        let last = last_event_id.iter().map(|id| ("last-event-id".to_owned(), id.to_string()));
        // As an `EventSource` asks.
        let headers: Vec<_> = last.chain([("accept".to_owned(), "text/event-stream".to_owned())]).collect();
        connection.send("GET", &format!("/brains/runs/{run}/watch"), &headers, b"").unwrap();
        connection.watch().unwrap()
    }

    /// The runs of a brain, newest first.
    #[track_caller]
    pub fn runs_of(&self, brain: &str) -> Vec<Value> {
        let query = BrainHistory { limit: Some(1_000) };
        let runs = self.ask(async |client| client.brain_history(brain, &query).await);
        runs.to_json()["runs"].as_array().unwrap().clone()
    }

    /// The inbox, newest first: `name=value` pairs narrow it.
    #[track_caller]
    pub fn deliveries(&self, narrowed: &str) -> Vec<Value> {
        let pairs = narrowed.split('&').filter_map(|pair| pair.split_once('='));
        let mut query: serde_json::Map<_, _> =
            pairs.map(|(name, value)| (name.to_owned(), value.into())).collect();
        // Read as a query is: every value is a text.
        query.insert("limit".to_owned(), "1000".into());
        let query: ListDeliveries = serde_json::from_value(query.into()).unwrap();
        let page = self.ask(async |client| client.deliveries(&query).await);
        page.to_json()["deliveries"].as_array().unwrap().clone()
    }
}
