//! What an operator does from the command line with deliveries: check a
//! captured request offline, replay, bind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod support;

use app as _;
use serde_json::{Value, json};
use support::{Project, Px, pull_request};

/// Runs a command against the server: exit code, stdout and stderr.
fn run(project: &Project, px: &Px, words: &[&str]) -> (i32, Value, String) {
    let url = format!("http://{}", px.address);
    let words: Vec<&str> = words.iter().copied().chain(["--json", "--url", &url]).collect();
    let output = project.command(&words).output().unwrap();
    let stdout = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().unwrap(), stdout, String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_captured_request_is_checked_offline() {
    let project = Project::new();
    let request = pull_request("octo-org/hello", 7, "opened");
    let body = project.path().join("body.json");
    std::fs::write(&body, &request.body).unwrap();
    let headers: Vec<String> =
        request.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let check = |skip: &str, body: &str| {
        let mut words = vec!["webhooks", "verify", "github", "--json", "--payload", body];
        for header in headers.iter().filter(|header| skip.is_empty() || !header.starts_with(skip)) {
            words.extend(["--header", header.as_str()]);
        }
        let output = project.command(&words).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(text).unwrap())
    };
    let (code, said) = check("", body.to_str().unwrap());
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("verified"), "{said}");
    let (code, said) = check("x-hub-signature-256", body.to_str().unwrap());
    assert!(code == 1 && said.contains("`x-hub-signature-256` is missing"), "{said}");
    std::fs::write(&body, "{}").unwrap();
    let (code, said) = check("", body.to_str().unwrap());
    assert!(code == 1 && said.contains("does not match") && said.contains("2 byte(s) signed over"), "{said}");
}

#[test]
fn deliveries_are_replayed_and_bound_by_hand() {
    let project = Project::new();
    let px = project.serve();
    // Nobody follows pull request 8; its event starts a run of its own.
    let first = px.post(&pull_request("octo-org/hello", 7, "opened"));
    let wanted = first.run();
    px.reaches(&wanted, "waiting");
    let delivery = first.field("deliveryId");

    let (code, said, stderr) = run(&project, &px, &["webhooks", "deliveries", "replay", &delivery]);
    assert_eq!(
        (code, &said["action"], &said["brainRunId"]),
        (0, &json!("resumed"), &json!(wanted)),
        "{stderr}"
    );
    assert_ne!(said["deliveryId"], json!(delivery));

    let (code, _, stderr) = run(&project, &px, &["webhooks", "deliveries", "bind", &delivery, &wanted]);
    assert_eq!(code, 4, "{stderr}");
    assert!(stderr.contains("this delivery's is started"), "{stderr}");
    let (code, _, stderr) = run(&project, &px, &["webhooks", "deliveries", "replay", "whd_nothing"]);
    assert_eq!(code, 3, "{stderr}");

    let (code, _, stderr) = run(
        &project,
        &px,
        &["webhooks", "deliveries", "replay", "--state", "quarantined", "--slug", "github"],
    );
    assert!(code == 0 && stderr.contains("No deliveries"), "{stderr}");
    let bad =
        json!({"action": "opened", "pull_request": {"number": "x"}, "repository": {"full_name": "a/b"}});
    assert_eq!(px.post(&support::github("pull_request", "bad", bad.to_string())).status, 422);
    let words = ["webhooks", "deliveries", "replay", "--state", "quarantined", "--slug", "github"];
    let (code, _, stderr) = run(&project, &px, &words);
    assert_eq!(code, 1, "it still does not fit: {stderr}");
}
