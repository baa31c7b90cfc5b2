//! No secret is printed or stored: everything that a full run wrote, to its
//! log at the most talkative level, to its data and to the command line, is
//! searched for every secret and every signature under it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod support;

use std::path::Path;

use app as _;
use support::{GITHUB_SECRET, Project, SLACK_SECRET, TWILIO_TOKEN, pull_request, twilio};

const PREVIOUS: &str = "the-secret-before-this-one";

/// Every file below a folder, with its bytes.
fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn nothing_that_is_printed_or_stored_holds_a_secret() {
    let project = Project::new().env("PX_LOG", "trace").env("GITHUB_WEBHOOK_SECRET_PREVIOUS", PREVIOUS);
    let px = project.serve();
    let good = pull_request("octo-org/hello", 7, "opened");
    px.post(&good).is(201, "triggered");
    px.post(&good).is(200, "duplicate");
    // Whoever gets it wrong may send the secret itself.
    let wrong = pull_request("octo-org/hello", 8, "opened");
    for header in ["x-hub-signature-256", "authorization", "cookie"] {
        let sent = wrong.clone().header("x-hub-signature-256", "sha256=00").header(header, GITHUB_SECRET);
        assert_eq!(px.post(&sent).status, 401);
    }
    px.post(&twilio("SM1", "+15550100", "hello"));
    let deliveries = px.deliveries("");
    let id = deliveries[0]["id"].as_str().unwrap().to_owned();
    let url = format!("http://{}", px.address);

    let mut said = vec![("greeting".to_owned(), px.greeting.to_string().into_bytes())];
    for words in [
        &["webhooks", "list"][..],
        &["webhooks", "show", "github"],
        &["webhooks", "deliveries", "list"],
        &["webhooks", "deliveries", "show", &id],
        &["webhooks", "send", "github", "--bad-signature"],
        &["runs", "list"],
        &["check"],
    ] {
        for json in [false, true] {
            let mut words = words.to_vec();
            words.extend(["--url", &url]);
            words.extend(json.then_some("--json"));
            let output = project.command(&words).output().unwrap();
            said.push((words.join(" "), [output.stdout, output.stderr].concat()));
        }
    }
    said.push(("log".to_owned(), px.log().into_bytes()));
    assert!(px.log().len() > 1_000, "the log is talkative");
    px.kill();
    files(project.data(), &mut said);

    let signature = good.headers.iter().find(|(name, _)| name == "x-hub-signature-256").unwrap().1.clone();
    let secrets =
        [GITHUB_SECRET, PREVIOUS, SLACK_SECRET, TWILIO_TOKEN, signature.trim_start_matches("sha256=")];
    for (place, bytes) in &said {
        for secret in secrets {
            assert!(!holds(bytes, secret), "{place} holds a secret");
        }
    }
}
