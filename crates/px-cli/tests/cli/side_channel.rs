//! A server whose stdout or stderr nobody reads, that is full, or that is not
//! there: requests are answered, runs complete, what is lost is counted, and
//! the end comes within its bounds. `unwritten.rs` does so for commands.

use std::fs::File;
use std::io::{Write as _, pipe};
use std::process::Stdio;

use serde_json::json;

use crate::chatty::{PIPE_BYTES, Server, chatty, drained, full_pipe, notes};
use crate::support::eventually;

/// The lines that px keeps for a slow reader (`log/queue.rs`).
const QUEUED_LINES: usize = 8_192;

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
fn rule_55_a_log_that_is_as_long_as_files_may_be_costs_lines_and_nothing_else() {
    let project = chatty();
    // As long as the bound in whichever blocks the shell counts; nothing is stored of it.
    let log = File::create(project.path("log")).unwrap();
    log.set_len(2_097_152 * 1_024).unwrap();
    let script = r#"ulimit -f 2097152; exec "$0" serve --port 0 >/dev/null 2>>log"#;
    let server = Server::spawn(&project, project.shell(script));
    server.refuses();
    server.drops(1);
    server.completes("note", &notes(10, 10));
    assert_eq!(server.end(), Some(0));
    assert_eq!(std::fs::metadata(project.path("log")).unwrap().len(), 2_097_152 * 1_024);
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
    assert!(text.contains("\nStopped.\n"), "{}", text.lines().last().unwrap_or_default());
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
fn rule_55_a_log_does_not_wait_for_the_reader_of_stdout() {
    let project = chatty();
    let ((_out, out_writer), (err, err_writer)) = (full_pipe(), pipe().unwrap());
    let server = Server::start(&project, &[], out_writer, err_writer);
    let err = drained(err);
    server.completes("note", &notes(10, 10));
    // The banner and the table are given up.
    server.drops(3);
    assert_eq!(server.end(), Some(0));
    let err = err.join().unwrap();
    assert_eq!(err.matches("xxxxxxxxxx").count(), 10, "{err}");
    assert!(err.ends_with("Stopped.\n"), "{err}");
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
    // Together or one by one: the writer may be quick enough to say so between both.
    let told =
        |line: &str| Some(line.split_once(" dropped: ")?.0.rsplit(' ').nth(2)?.parse::<u64>().unwrap());
    let told: Vec<u64> = log.lines().filter_map(told).collect();
    assert_eq!(told.iter().sum::<u64>(), 2, "{told:?}");
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
