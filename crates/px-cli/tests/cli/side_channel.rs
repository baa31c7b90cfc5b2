//! A server whose stdout or stderr nobody reads, that is full, or that is not
//! there: requests are answered, runs complete, what is lost is counted, and
//! the end comes within its bounds. `unwritten.rs` does so for commands.

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read as _, Write as _, pipe};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::{PATIENCE, Project, eventually};

/// The bytes that a pipe holds on Linux.
const PIPE_BYTES: usize = 64 * 1024;

/// The lines that px keeps for a slow reader (`log/queue.rs`).
const QUEUED_LINES: usize = 8_192;

fn chatty() -> Project {
    Project::of("chatty_project").with("DOOR_SECRET", "s1")
}

/// A server that is known by its lock, since it may not be able to say anything.
struct Server {
    child: Child,
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(project: &Project, arguments: &[&str], out: impl Into<Stdio>, err: impl Into<Stdio>) -> Self {
        let mut command = project.command(&[&["serve", "--port", "0"], arguments].concat());
        command.stdout(out).stderr(err);
        Self::spawn(project, command)
    }

    fn spawn(project: &Project, mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let url = eventually("the server's URL", || {
            assert_eq!(child.try_wait().unwrap(), None, "the server ended");
            let lock = std::fs::read_to_string(project.path(".px/data/px.lock")).unwrap_or_default();
            let (url, _) = lock.split_once("url ")?.1.split_once('\n')?;
            Some(url.to_owned())
        });
        Self { child, url }
    }

    fn request(&self, method: &str, path: &str, body: &Value) -> (u16, String) {
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
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer}"));
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// Runs a brain to its end.
    fn run(&self, brain: &str, input: &Value) -> Value {
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
    fn completes(&self, brain: &str, input: &Value) {
        let run = self.run(brain, input);
        assert_eq!(run["status"], "complete", "{run}");
    }

    /// A request that leaves a line in the log.
    #[track_caller]
    fn refuses(&self) {
        assert_eq!(self.request("POST", "/webhooks/door", &json!({})).0, 401);
    }

    /// How many lines were dropped.
    fn dropped(&self) -> u64 {
        let (status, text) = self.request("GET", "/metrics", &Value::Null);
        assert_eq!(status, 200);
        let line = text.lines().find_map(|line| line.strip_prefix("px_log_lines_dropped_total "));
        line.unwrap_or_else(|| panic!("no such figure in {text}")).parse().unwrap()
    }

    /// Waits until so many lines were dropped.
    fn drops(&self, least: u64) {
        eventually("dropped lines", || (self.dropped() >= least).then_some(()));
    }

    /// Where its descriptor leads.
    fn descriptor(&self, number: u32) -> String {
        let link = std::fs::read_link(format!("/proc/{}/fd/{number}", self.child.id()));
        link.map(|path| path.display().to_string()).unwrap_or_default()
    }

    fn becomes_null(&self, number: u32) {
        eventually("the null device", || (self.descriptor(number) == "/dev/null").then_some(()));
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// SIGTERM, and the exit code.
    fn end(mut self) -> Option<i32> {
        self.signal("TERM");
        self.ended()
    }

    fn ended(&mut self) -> Option<i32> {
        eventually("the end of the server", || self.child.try_wait().unwrap()).code()
    }
}

fn notes(lines: usize, bytes: usize) -> Value {
    json!({"lines": lines, "bytes": bytes, "text": ""})
}

/// A pipe without room.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = pipe().unwrap();
    writer.write_all(&[b'.'; PIPE_BYTES]).unwrap();
    (reader, writer)
}

/// What comes out of a pipe until nobody writes to it any more.
fn drained(mut pipe: PipeReader) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    })
}

#[test]
fn rule_55_stderr_whose_reader_went_away_costs_no_request_and_no_run() {
    let project = chatty();
    let ((out, out_writer), (err, err_writer)) = (pipe().unwrap(), pipe().unwrap());
    let server = Server::start(&project, &[], out_writer, err_writer);
    let out = drained(out);
    server.refuses();
    drop(err);
    server.becomes_null(2);
    server.refuses();
    server.completes("talk", &json!(null));
    assert!(server.dropped() > 0);
    assert_eq!(server.end(), Some(0));
    let out = out.join().unwrap();
    assert_eq!(out.matches("nobody reads stderr any more").count(), 1, "{out}");
    assert!(out.contains("a step's stdout") && !out.contains("a step's stderr"), "{out}");
}

#[test]
fn rule_55_stdout_whose_reader_went_away_costs_no_request_and_no_run() {
    let project = chatty();
    let ((out, out_writer), (err, err_writer)) = (pipe().unwrap(), pipe().unwrap());
    let server = Server::start(&project, &[], out_writer, err_writer);
    let err = drained(err);
    drop(out);
    server.becomes_null(1);
    server.completes("talk", &json!(null));
    server.refuses();
    assert_eq!(server.end(), Some(0));
    let err = err.join().unwrap();
    assert_eq!(err.matches("nobody reads stdout any more").count(), 1, "{err}");
    assert!(err.contains("a step's stderr") && err.contains("a step's log"), "{err}");
    assert!(err.contains("rejected: ") && err.contains("Stopped."), "{err}");
}

#[test]
fn rule_55_one_pipe_for_both_whose_reader_went_away_costs_no_request_and_no_run() {
    let project = chatty();
    let (reader, writer) = pipe().unwrap();
    let server = Server::start(&project, &[], writer.try_clone().unwrap(), writer);
    drop(reader);
    [1, 2].into_iter().for_each(|number| server.becomes_null(number));
    server.refuses();
    server.completes("talk", &json!(null));
    server.drops(1);
    assert_eq!(server.run("fall", &json!(null))["status"], "error");
    assert_eq!(server.end(), Some(0));
}

#[test]
fn rule_55_streams_that_are_closed_at_the_start_are_no_files_of_the_store() {
    let project = chatty();
    for (script, closed) in [
        (r#"exec "$0" serve --port 0 >&- 2>/dev/null"#, &[1][..]),
        (r#"exec "$0" serve --port 0 >/dev/null 2>&-"#, &[2]),
        (r#"exec "$0" serve --port 0 <&- >&- 2>&-"#, &[0, 1, 2]),
    ] {
        let server = Server::spawn(&project, project.shell(script));
        for number in closed {
            assert_eq!(server.descriptor(*number), "/dev/null", "{script}");
        }
        server.refuses();
        server.completes("talk", &json!(null));
        assert_eq!(server.end(), Some(0), "{script}");
        std::fs::remove_dir_all(project.path(".px")).unwrap();
    }
}

#[test]
fn rule_55_a_full_disk_below_the_log_costs_lines_and_nothing_else() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let project = chatty();
    let server = Server::start(&project, &[], Stdio::null(), full());
    server.refuses();
    server.drops(1);
    let before = server.dropped();
    server.completes("note", &notes(100, 10));
    server.drops(before + 100);
    assert_eq!(
        server.run("fall", &json!(null))["error"]["message"]
            .as_str()
            .map(|text| text.contains("it had to be")),
        Some(true)
    );
    assert_eq!(server.end(), Some(0));

    std::fs::remove_dir_all(project.path(".px")).unwrap();
    let server = Server::start(&project, &[], full(), Stdio::null());
    // The banner and the table.
    server.drops(3);
    server.completes("note", &notes(1, 10));
    assert_eq!(server.end(), Some(0));
}

#[test]
fn rule_55_a_pipe_that_nobody_reads_costs_lines_and_no_time() {
    let project = chatty();
    let (reader, writer) = full_pipe();
    let server = Server::start(&project, &[], Stdio::null(), writer);
    for _ in 0..20 {
        server.refuses();
    }
    assert_eq!(server.dropped(), 0, "what fits is kept");
    server.completes("note", &notes(QUEUED_LINES + 1_000, 10));
    let dropped = server.dropped();
    assert!(dropped >= 1_000, "{dropped}");
    server.completes("note", &notes(10, 10));
    server.refuses();
    assert!(server.dropped() > dropped);
    let dropped = server.dropped();
    // Somebody begins to read: what was kept comes out, and how much is missing.
    let text = drained(reader);
    server.completes("note", &notes(1, 10));
    let total = |text: &str| -> u64 {
        let lines = text
            .lines()
            .filter_map(|line| line.split_once(" lines were dropped: ")?.0.split(' ').next_back());
        lines.map(|count| count.parse::<u64>().unwrap()).sum()
    };
    assert_eq!(server.end(), Some(0));
    let text = text.join().unwrap();
    assert!(total(&text) >= dropped, "{dropped} are missing, and {} are told of", total(&text));
    assert!(text.matches("xxxxxxxxxx").count() >= QUEUED_LINES - 100, "{}", text.len());
    assert!(text.ends_with("Stopped.\n"), "{}", text.lines().last().unwrap_or_default());
}

#[test]
fn rule_55_a_server_that_nobody_reads_starts_and_ends() {
    let project = chatty();
    for sign in ["TERM", "HUP"] {
        // It can neither print its banner nor say that it ends.
        let ((_out, out_writer), (_err, err_writer)) = (full_pipe(), full_pipe());
        let mut server = Server::start(&project, &[], out_writer, err_writer);
        server.refuses();
        server.completes("note", &notes(100, 100));
        server.signal(sign);
        assert_eq!(server.ended(), Some(0), "{sign}");
        std::fs::remove_dir_all(project.path(".px")).unwrap();
    }
}

#[test]
fn rule_55_what_a_step_left_unprinted_holds_up_no_end() {
    let project = chatty();
    let (reader, mut writer) = pipe().unwrap();
    let server = Server::start(&project, &[], writer.try_clone().unwrap(), Stdio::null());
    server.completes("mumble", &json!(null));
    // More than the pipe holds, so that this thread is still writing when the server ends.
    let filling = std::thread::spawn(move || writer.write_all(&[b'.'; 2 * PIPE_BYTES]));
    let is_full = || rustix::io::ioctl_fionread(&reader).unwrap() > PIPE_BYTES as u64 - 4096;
    eventually("a full pipe", || is_full().then_some(()));
    assert_eq!(server.end(), Some(0));
    drop(reader);
    assert!(filling.join().unwrap().is_err());
}

#[test]
fn rule_55_lines_that_are_too_long_and_too_many_are_dropped_and_the_rest_is_written() {
    let project = chatty();
    let log = File::create(project.path("log")).unwrap();
    let server = Server::start(&project, &[], Stdio::null(), log);
    server.completes("note", &notes(3, 1_000_000));
    let before = server.dropped();
    server.completes("note", &notes(2, 5_000_000));
    assert_eq!(server.dropped() - before, 2);
    server.completes("note", &notes(20_000, 10));
    assert_eq!(server.end(), Some(0));
    let log = std::fs::read_to_string(project.path("log")).unwrap();
    assert!(log.lines().any(|line| line.len() > 1_000_000));
    assert!(log.lines().all(|line| line.len() < 1_100_000));
    assert!(log.contains("2 lines were dropped: "));
}

#[test]
fn rule_55_values_that_cannot_be_shown_and_threads_that_end_cost_their_lines_only() {
    let project = chatty();
    let (reader, writer) = pipe().unwrap();
    let server = Server::start(&project, &[], Stdio::null(), writer);
    let text = drained(reader);
    server.completes("vex", &json!(null));
    server.refuses();
    assert!(server.dropped() >= 3);
    assert_eq!(server.end(), Some(0));
    let text = text.join().unwrap();
    for line in
        ["a value that cannot be shown", "in a span that cannot be shown", "from a thread\n", "rejected: "]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
    let panic = "panicked at crates/px-cli/examples/chatty_project.rs:";
    assert!(
        text.lines().any(|line| line.contains(panic) && line.ends_with("two panics\\nwith a second line")),
        "{text}"
    );
    assert!(!text.contains("never shown"), "{text}");
}

#[test]
fn rule_56_what_outsiders_say_is_escaped_in_the_log() {
    let project = chatty();
    let (reader, writer) = pipe().unwrap();
    let server = Server::start(&project, &[], Stdio::null(), writer);
    let text = drained(reader);
    let said = "A\u{1b}]0;owned\u{7}\r\n2026 ERROR forged \u{9b}31m \u{202e}";
    server.completes("note", &json!({"lines": 1, "bytes": 1, "text": said}));
    assert_eq!(server.run("fall", &json!(null))["status"], "error");
    assert_eq!(server.end(), Some(0));
    let text = text.join().unwrap();
    assert!(text.contains(r"text=A\x1b]0;owned\x07\r\n2026 ERROR forged \u{9b}31m \u{202e}"), "{text}");
    assert!(text.contains(r"it had to be, said \x1b[31mnobody"), "{text}");
    assert!(!text.contains(['\u{1b}', '\u{7}', '\r', '\u{9b}', '\u{202e}']), "{text}");
}

#[test]
fn with_a_log_in_json_everything_is_json_and_each_span_is_there_once() {
    let project = chatty();
    let ((out, out_writer), (err, err_writer)) = (pipe().unwrap(), pipe().unwrap());
    let server = Server::start(&project, &["--log-format", "json"], out_writer, err_writer);
    let (out, err) = (drained(out), drained(err));
    server.completes("note", &json!({"lines": 1, "bytes": 3, "text": "a\u{1b}b"}));
    assert_eq!(server.run("fall", &json!(null))["status"], "error");
    let url = server.url.clone();
    assert_eq!(server.end(), Some(0));
    let documents = |text: String| -> Vec<Value> {
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
    };
    let out = documents(out.join().unwrap());
    assert_eq!(
        (out.len(), &out[0]["fields"]["url"], &out[0]["fields"]["webhooks"][0]["slug"]),
        (1, &json!(url), &json!("door"))
    );
    assert!(out[0]["timestamp"].is_string() && out[0]["level"] == "INFO", "{}", out[0]);
    let err = documents(err.join().unwrap());
    let said = |words: &str| {
        err.iter()
            .find(|entry| entry["fields"]["message"].as_str().is_some_and(|text| text.contains(words)))
            .unwrap()
    };
    let note = said("xxx");
    assert_eq!((&note["span"]["name"], &note["span"]["depth"]), (&json!("outer"), &json!(1)), "{note}");
    assert_eq!(
        (note["spans"].as_array().map(Vec::len), &note["spans"][0]["name"]),
        (Some(1), &json!("run")),
        "{note}"
    );
    assert_eq!((&note["fields"]["line"], &note["fields"]["text"]), (&json!(0), &json!("a\u{1b}b")), "{note}");
    let panic = said("panicked at ");
    assert_eq!(panic["level"], "ERROR");
    assert!(panic["fields"]["place"].as_str().unwrap().contains("chatty_project.rs:"), "{panic}");
    assert_eq!(said("Shutting down")["level"], "INFO");

    let refused = project.px(&["serve", "--port", "0", "--bind", "0.0.0.0", "--log-format", "json"]);
    assert_eq!((refused.code, &*refused.stdout), (2, ""));
    assert_eq!(refused.error()["level"], "ERROR", "{refused:?}");
}

#[test]
fn rule_55_a_hangup_ends_it_in_order_unless_nohup_ignores_it() {
    let project = chatty();
    let (reader, writer) = pipe().unwrap();
    let mut server = Server::start(&project, &[], Stdio::null(), writer);
    server.completes("talk", &json!(null));
    server.signal("HUP");
    assert_eq!(server.ended(), Some(0));
    drop(server);
    let text = drained(reader).join().unwrap();
    assert!(text.contains("Shutting down") && text.ends_with("Stopped.\n"), "{text}");

    std::fs::remove_dir_all(project.path(".px")).unwrap();
    let script = r#"trap "" HUP; exec "$0" serve --port 0 >/dev/null 2>/dev/null"#;
    let server = Server::spawn(&project, project.shell(script));
    server.signal("HUP");
    server.completes("talk", &json!(null));
    assert_eq!(server.end(), Some(0));
}
