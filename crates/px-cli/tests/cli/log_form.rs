//! The form of what a server prints: one format in every line, nothing of
//! outsiders that a terminal obeys, and panics as entries of the log.

use std::io::pipe;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::chatty::{Server, chatty, drained};

#[test]
fn a_process_that_dies_of_two_panics_has_said_which() {
    let project = chatty();
    let (reader, writer) = pipe().unwrap();
    let mut server = Server::start(&project, &[], Stdio::null(), writer);
    let text = drained(reader);
    // The step may end the process before the answer to the start is written.
    let answer = server.try_request("POST", "/brains/runs", &json!({"identifier": "crash"}));
    assert!(answer.is_none_or(|(status, _)| status == 201));
    assert_eq!(server.ended(), None, "it has no exit code");
    let text = text.join().unwrap();
    for panic in ["the first of two panics", "the second of two panics"] {
        assert_eq!(text.matches(panic).count(), 1, "{text}");
    }
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
