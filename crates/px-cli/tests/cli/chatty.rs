//! The server of `examples/chatty_project.rs`, with a stdout and stderr of the
//! test's choice. It is known by its lock, since it may not be able to say anything.

use std::io::{PipeReader, PipeWriter, Read as _, Write as _, pipe};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::{PATIENCE, Project, eventually};

/// The bytes that a pipe holds on Linux.
pub(crate) const PIPE_BYTES: usize = 64 * 1024;

pub(crate) fn chatty() -> Project {
    Project::of("chatty_project").with("DOOR_SECRET", "s1")
}

/// A server that is known by its lock, since it may not be able to say anything.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    pub(crate) fn start(
        project: &Project,
        arguments: &[&str],
        out: impl Into<Stdio>,
        err: impl Into<Stdio>,
    ) -> Self {
        let mut command = project.command(&[&["serve", "--port", "0"], arguments].concat());
        command.stdout(out).stderr(err);
        Self::spawn(project, command)
    }

    pub(crate) fn spawn(project: &Project, mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let url = eventually("the server's URL", || {
            assert_eq!(child.try_wait().unwrap(), None, "the server ended");
            let lock = std::fs::read_to_string(project.path(".px/data/px.lock")).unwrap_or_default();
            let (url, _) = lock.split_once("url ")?.1.split_once('\n')?;
            Some(url.to_owned())
        });
        Self { child, url }
    }

    #[track_caller]
    pub(crate) fn request(&self, method: &str, path: &str, body: &Value) -> (u16, String) {
        self.try_request(method, path, body).unwrap_or_else(|| panic!("no answer"))
    }

    /// Sends a request. None if the connection ends before there is a whole head.
    pub(crate) fn try_request(&self, method: &str, path: &str, body: &Value) -> Option<(u16, String)> {
        let address = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let body = body.to_string();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        // A peer that dies resets the connection, and what came before counts.
        let read = stream.read_to_string(&mut answer);
        let (head, body) = answer.split_once("\r\n\r\n")?;
        read.unwrap();
        Some((head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned()))
    }

    /// Runs a brain to its end.
    pub(crate) fn run(&self, brain: &str, input: &Value) -> Value {
        let (status, body) =
            self.request("POST", "/brains/runs", &json!({"identifier": brain, "initialState": input}));
        assert_eq!(status, 201, "{body}");
        let id = serde_json::from_str::<Value>(&body).unwrap()["brainRunId"].as_str().unwrap().to_owned();
        eventually("the end of the run", || {
            let (_, body) = self.request("GET", &format!("/brains/runs/{id}"), &Value::Null);
            let run: Value = serde_json::from_str(&body).unwrap();
            ["complete", "error", "paused"].contains(&run["status"].as_str()?).then_some(run)
        })
    }

    #[track_caller]
    pub(crate) fn completes(&self, brain: &str, input: &Value) {
        let run = self.run(brain, input);
        assert_eq!(run["status"], "complete", "{run}");
    }

    /// A request that leaves a line in the log.
    #[track_caller]
    pub(crate) fn refuses(&self) {
        assert_eq!(self.request("POST", "/webhooks/door", &json!({})).0, 401);
    }

    /// How many lines were dropped.
    pub(crate) fn dropped(&self) -> u64 {
        let (status, text) = self.request("GET", "/metrics", &Value::Null);
        assert_eq!(status, 200);
        let line = text.lines().find_map(|line| line.strip_prefix("px_log_lines_dropped_total "));
        line.unwrap_or_else(|| panic!("no such figure in {text}")).parse().unwrap()
    }

    /// Waits until so many lines were dropped.
    pub(crate) fn drops(&self, least: u64) {
        eventually("dropped lines", || (self.dropped() >= least).then_some(()));
    }

    /// Where its descriptor leads.
    pub(crate) fn descriptor(&self, number: u32) -> String {
        let link = std::fs::read_link(format!("/proc/{}/fd/{number}", self.child.id()));
        link.map(|path| path.display().to_string()).unwrap_or_default()
    }

    pub(crate) fn becomes_null(&self, number: u32) {
        eventually("the null device", || (self.descriptor(number) == "/dev/null").then_some(()));
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// SIGTERM, and the exit code.
    pub(crate) fn end(mut self) -> Option<i32> {
        self.signal("TERM");
        self.ended()
    }

    pub(crate) fn ended(&mut self) -> Option<i32> {
        eventually("the end of the server", || self.child.try_wait().unwrap()).code()
    }
}

pub(crate) fn notes(lines: usize, bytes: usize) -> Value {
    json!({"lines": lines, "bytes": bytes, "text": ""})
}

/// A pipe without room.
pub(crate) fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = pipe().unwrap();
    writer.write_all(&[b'.'; PIPE_BYTES]).unwrap();
    (reader, writer)
}

/// What comes out of a pipe until nobody writes to it any more.
pub(crate) fn drained(mut pipe: PipeReader) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    })
}
