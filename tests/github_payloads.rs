//! Real payloads of GitHub, signed and posted to the running binary. They are
//! not in this repository: `PX_GITHUB_PAYLOADS` names a folder of them, in
//! which an event's name is its file's up to the first dot, as in
//! `pull_request.opened.json`. `tests/scripts/github-payloads.sh` does it all.
//! Without the folder this skips, and says so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod support;

use std::path::Path;

use app as _;
use serde_json::{Value, json};
use support::{Project, Px, Request, github};

struct Payload {
    name: String,
    event: String,
    body: Vec<u8>,
    json: Value,
}

impl Payload {
    fn action(&self) -> &str {
        self.json["action"].as_str().unwrap_or_default()
    }

    /// The identifier, if the event is about a pull request.
    fn pull_request(&self) -> Option<String> {
        let number = self.json.get("pull_request")?["number"].as_u64()?;
        Some(format!("{}#{number}", self.json["repository"]["full_name"].as_str()?))
    }

    /// When it would happen to a pull request: it is opened first and closed
    /// last, and what reopens it comes after that.
    fn place(&self) -> u8 {
        match self.action() {
            "opened" => 0,
            "closed" => 2,
            "reopened" => 3,
            _ => 1,
        }
    }

    /// As GitHub sends it with either content type that a webhook can choose.
    fn request(&self, as_form: bool) -> Request {
        let guid = format!("guid-{}", self.name);
        if !as_form {
            return github(&self.event, &guid, self.body.clone());
        }
        let mut form = b"payload=".to_vec();
        for byte in &self.body {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => form.push(*byte),
                b' ' => form.push(b'+'),
                byte => form.extend(format!("%{byte:02X}").into_bytes()),
            }
        }
        github(&self.event, &guid, form).header("content-type", "application/x-www-form-urlencoded")
    }
}

fn payloads(folder: &Path) -> Vec<Payload> {
    let mut payloads: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let body = std::fs::read(&path).unwrap();
            let json = serde_json::from_slice(&body).unwrap();
            Payload { event: name.split('.').next().unwrap().to_owned(), name, body, json }
        })
        .collect();
    payloads.sort_by_key(|payload| (payload.pull_request(), payload.place(), payload.name.clone()));
    payloads
}

/// Posts it altered, as it is, and again. Returns the action and the run.
fn post(px: &Px, payload: &Payload, as_form: bool) -> (String, String) {
    let name = &payload.name;
    let request = payload.request(as_form);
    assert_eq!(px.post(&request.clone().with_flipped_byte()).status, 401, "{name}");
    let reply = px.post(&request);
    let run = reply.run();
    // The run has taken it before the next event comes, so that the order is known.
    if !run.is_empty() {
        px.until(&run, "past it", |shown| {
            let last = shown["state"]["events"].as_array().and_then(|events| events.last());
            let settled = shown["status"] == "waiting" || shown["status"] == "complete";
            settled && last.and_then(Value::as_str) == Some(payload.action())
        });
    }
    let log = || if run.is_empty() { Vec::new() } else { px.events(&run) };
    let (runs, before) = (px.runs_of("pr-review").len(), log());
    let again = px.post(&request);
    again.is(200, "duplicate");
    assert_eq!(again.json()["original"]["deliveryId"], reply.field("deliveryId"), "{name}");
    assert_eq!((px.runs_of("pr-review").len(), log()), (runs, before), "{name}");
    let expected = if reply.action() == "triggered" { 201 } else { 200 };
    assert_eq!(reply.status, expected, "{name}: {}", reply.text());
    (reply.action(), run)
}

#[test]
fn real_payloads() {
    let Some(folder) = std::env::var_os("PX_GITHUB_PAYLOADS") else {
        support::aloud(format_args!(
            "github_payloads: SKIPPED, PX_GITHUB_PAYLOADS names no folder of payloads"
        ));
        return;
    };
    let payloads = payloads(Path::new(&folder));
    for as_form in [false, true] {
        follow(&payloads, as_form);
    }
}

/// Posts all of them to a server of their own.
fn follow(payloads: &[Payload], as_form: bool) {
    let project = Project::new();
    let px = project.serve();
    // What the live run of each pull request must have seen.
    let mut live: Option<(String, String, Vec<String>)> = None;
    let (mut ignored, mut started, mut resumed) = (0, 0, 0);
    for payload in payloads {
        let (action, run) = post(&px, payload, as_form);
        let Some(identifier) = payload.pull_request() else {
            assert_eq!(action, "ignored", "{}", payload.name);
            ignored += 1;
            continue;
        };
        let known = live.take().filter(|(of, ..)| *of == identifier);
        let mut seen = match known {
            Some((_, owner, seen)) => {
                assert_eq!((action.as_str(), &run), ("resumed", &owner), "{}", payload.name);
                resumed += 1;
                seen
            }
            None => {
                assert_eq!(action, "triggered", "{}", payload.name);
                started += 1;
                Vec::new()
            }
        };
        seen.push(payload.action().to_owned());
        let is_closed = payload.action() == "closed";
        let shown = px.reaches(&run, if is_closed { "complete" } else { "waiting" });
        assert_eq!(shown["state"]["events"], json!(seen));
        live = (!is_closed).then_some((identifier, run, seen));
    }
    support::aloud(format_args!(
        "github_payloads: {} payloads as {}, each altered (401), as it is, and again (duplicate): \
         {started} started a run, {resumed} resumed it, {ignored} ignored",
        payloads.len(),
        if as_form { "forms" } else { "JSON" },
    ));
    assert!(started > 0 && resumed > 0 && ignored > 0, "the folder has events of each kind");
}
