//! Stores of an earlier version, opened by this one: every run is there and goes
//! on, and the audit is clean.
//!
//! `tests/fixtures/stores/README.md` says what the stores hold and how they were
//! made: this program, linked with the px of then, is started as `make <folder>`.
//! It serves brains of its own, so it starts itself as px and has no harness.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    unreachable_pub,
    dead_code,
    reason = "test code: what is unexpected fails the test"
)]

#[path = "../fixtures/stores/archive.rs"]
mod archive;
mod project;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};
use support::{Project, Px, Reply};

const TOKENS: [&str; 3] = ["red", "green", "blue"];

/// The archives, as the folder of fixtures names them.
const STOPPED: &str = "stopped-2f79062.px";
const KILLED: &str = "killed-2f79062.px";

/// What the archive says beside the data: ids that the store must know.
const EXPECTED: &str = "expected.json";

fn project(data: &Path) -> Project {
    Project::of(std::env::current_exe().unwrap()).data_dir(data)
}

fn answer(px: &Px, key: &str, query: &str) -> Reply {
    let headers = [("content-type", "application/json"), ("x-id", &*format!("answer to {key}{query}"))];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let body = json!({"key": key, "text": format!("to {key}")}).to_string();
    px.try_send("POST", &format!("/webhooks/answers{query}"), &headers, body.as_bytes()).unwrap()
}

fn parked(px: &Px, brain: &str, state: &Value) -> String {
    let run = px.start(brain, state);
    px.reaches(&run, "waiting");
    run
}

fn start_with_key(px: &Px) -> Reply {
    let body = json!({"identifier": "asker", "initialState": {"key": "keyed"}, "idempotencyKey": "order-7"});
    px.post_json("/brains/runs", &body)
}

/// Puts into a store what a fixture holds; returns the ids.
fn fill(px: &Px) -> Value {
    let hook = json!({"url": "http://127.0.0.1:9/", "events": ["run.completed"], "name": "loopback"});
    let hook = px.post_json("/hooks", &hook);
    assert_eq!(hook.status, 201, "{}", hook.text());
    let paused = parked(px, "asker", &json!({"key": "paused"}));
    let signalled = px.post_json(&format!("/brains/runs/{paused}/signals"), &json!({"type": "PAUSE"}));
    assert_eq!(signalled.status, 202, "{}", signalled.text());
    px.reaches(&paused, "paused");
    answer(px, "paused", "").is(200, "queued");
    answer(px, "early", "").is(200, "queued");
    let keyed = start_with_key(px);
    assert_eq!(keyed.status, 201, "{}", keyed.text());
    px.reaches(&keyed.run(), "waiting");
    let complete = parked(px, "asker", &json!({"key": "complete"}));
    answer(px, "complete", "").is(200, "resumed");
    px.reaches(&complete, "complete");
    json!({
        "hook": hook.field("id"),
        "parked": parked(px, "asker", &json!({"key": "parked"})),
        "paused": paused,
        "keyed": keyed.run(),
        "complete": complete,
        "tokens": TOKENS.map(|token| parked(px, "asker", &json!({"key": "doors", "token": token}))),
    })
}

/// Makes the fixtures.
fn make(folder: &Path) {
    for (name, is_killed) in [(STOPPED, false), (KILLED, true)] {
        let dir = tempfile::tempdir().unwrap();
        let project = project(&dir.path().join("data"));
        let px = project.serve();
        let mut expected = fill(&px);
        if is_killed {
            px.kill();
        } else {
            expected["large"] = parked(&px, "large", &json!({"key": "large"})).into();
            assert!(px.stop().success());
            // The mark then names a segment that no record was ever written to.
            assert!(project.serve().stop().success());
        }
        fs::write(dir.path().join(EXPECTED), expected.to_string()).unwrap();
        let packed = archive::pack(dir.path());
        println!("{name}: {} bytes", packed.len());
        fs::write(folder.join(name), packed).unwrap();
    }
}

/// Opens a copy of a fixture; everything in it goes on.
fn goes_on(name: &str) {
    let dir = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/stores").join(name);
    archive::unpack(&fs::read(fixture).unwrap(), dir.path());
    let expected: Value = serde_json::from_slice(&fs::read(dir.path().join(EXPECTED)).unwrap()).unwrap();
    let id = |what: &str| expected[what].as_str().unwrap();
    let project = project(&dir.path().join("data"));
    audit(&project);
    let px = project.serve();
    assert_eq!(px.run(id("complete"))["state"]["text"], "to complete");
    for (what, status) in [("parked", "waiting"), ("paused", "paused"), ("keyed", "waiting")] {
        assert_eq!(px.run(id(what))["status"], status, "{what}");
    }

    completes(&px, id("parked"), "parked", "");
    let again = start_with_key(&px);
    assert_eq!((again.status, again.run().as_str()), (200, id("keyed")), "{}", again.text());
    completes(&px, id("keyed"), "keyed", "");
    // The queued event is taken by the wait that opens.
    let early = px.start("asker", &json!({"key": "early"}));
    assert_eq!(px.reaches(&early, "complete")["state"]["text"], "to early");
    // What came while the run was paused is taken by the resume.
    let resumed = px.post_json(&format!("/brains/runs/{}/signals", id("paused")), &json!({"type": "RESUME"}));
    assert_eq!(resumed.status, 202, "{}", resumed.text());
    assert_eq!(px.reaches(id("paused"), "complete")["state"]["text"], "to paused");
    answer(&px, "doors", "?token=none").is(200, "ignored");
    for (token, run) in TOKENS.iter().zip(expected["tokens"].as_array().unwrap()).rev() {
        completes(&px, run.as_str().unwrap(), "doors", &format!("?token={token}"));
    }
    if let Some(large) = expected["large"].as_str() {
        let done = completes(&px, large, "large", "");
        assert_eq!(done["state"]["bytes"], 20 << 20);
    }
    // An event that was taken before is known.
    answer(&px, "complete", "").is(200, "duplicate");

    let hook = px.get(&format!("/hooks/{}", id("hook"))).json();
    assert_eq!((&hook["url"], &hook["name"]), (&json!("http://127.0.0.1:9/"), &json!("loopback")));
    let callbacks = px.get(&format!("/hooks/{}/deliveries?limit=100", id("hook"))).json();
    let callbacks = callbacks["deliveries"].as_array().unwrap();
    assert!(
        callbacks.iter().any(|callback| callback["brainRunId"] == expected["parked"]),
        "the hook is told of what ends now: {callbacks:?}"
    );
    assert!(px.stop().success());
    audit(&project);
    let px = project.serve();
    assert_eq!(px.run(id("parked"))["status"], "complete");
}

#[track_caller]
fn completes(px: &Px, run: &str, key: &str, query: &str) -> Value {
    let reply = answer(px, key, query);
    reply.is(200, "resumed");
    assert_eq!(reply.run(), run, "{}", reply.text());
    let shown = px.reaches(run, "complete");
    assert_eq!(shown["state"]["text"], format!("to {key}"));
    shown
}

#[track_caller]
fn audit(project: &Project) {
    let data = project.data().to_str().unwrap();
    let out = project.command(&["audit", "--data-dir", data]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

fn a_stopped_store_of_2f79062_goes_on() {
    goes_on(STOPPED);
}

fn a_killed_store_of_2f79062_goes_on() {
    goes_on(KILLED);
}

const CASES: [(&str, fn()); 2] = [
    ("a_stopped_store_of_2f79062_goes_on", a_stopped_store_of_2f79062_goes_on),
    ("a_killed_store_of_2f79062_goes_on", a_killed_store_of_2f79062_goes_on),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve" | "audit", ..] => return px::main(),
        ["make", folder] => {
            make(Path::new(folder));
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    if arguments.iter().any(|argument| argument == "--list") {
        CASES.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    if arguments.iter().any(|argument| argument == "--ignored") {
        return ExitCode::SUCCESS;
    }
    let names: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let mut failed = 0;
    for (name, case) in CASES {
        if !names.is_empty() && !names.iter().any(|wanted| name.contains(wanted.as_str())) {
            continue;
        }
        let is_good = std::panic::catch_unwind(case).is_ok();
        failed += usize::from(!is_good);
        println!("test {name} ... {}", if is_good { "ok" } else { "FAILED" });
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
