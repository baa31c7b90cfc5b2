//! `docs/hooks.md` is true: its configuration configures, its commands run, its
//! example of a body has the fields that bodies have, and its Python verifies
//! what px signs. (Its Rust is a doctest of px.)

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod support;

use std::io::Write as _;
use std::process::{Command, Stdio};

use app as _;
use serde_json::{Value, json};
use support::{Project, Receiver, aloud};

const DOCS: &str = include_str!("../docs/hooks.md");
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The blocks of a language, in order.
fn blocks(language: &str) -> Vec<&'static str> {
    let open = format!("```{language}\n");
    DOCS.split(open.as_str()).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn the_configuration_and_the_commands_do_what_the_page_says() {
    let project = Project::new().env("BILLING_SECRET", SECRET);
    std::fs::write(project.path().join("px.toml"), blocks("toml")[0]).unwrap();
    let px = project.serve();
    let hook = px.get("/hooks").json()["hooks"][0].clone();
    assert_eq!((&hook["name"], &hook["events"]), (&json!("billing"), &json!(["run.*"])));
    let url = format!("http://{}", px.address);
    let mut ran = 0;
    for line in blocks("sh").iter().flat_map(|block| block.lines()) {
        let line = line.replace('\'', "");
        let words: Vec<&str> = line.split_whitespace().collect();
        let (program, arguments) = words.split_first().unwrap();
        assert_eq!(*program, "px", "{line}");
        // Nothing is to leave this machine: the hook is made to stay here.
        let arguments: Vec<&str> = arguments
            .iter()
            .map(|word| if *word == "https://ci.example/hook" { "http://127.0.0.1:9/hook" } else { word })
            .chain(["--url", &url])
            .collect();
        let output = project.command(&arguments).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        ran += 1;
        // The page disables the hook and then goes on with it.
        if line.ends_with("--disable") {
            let again = project.command(&["hooks", "update", "ci", "--enable", "--url", &url]).output();
            assert!(again.unwrap().status.success());
        }
    }
    assert!(ran >= 12, "{ran} commands");
}

#[test]
fn the_bodies_look_as_the_page_says_and_its_python_verifies_them() {
    let (project, receiver) = (Project::new(), Receiver::start());
    let px = project.serve();
    let examples = blocks("json");
    let mut start: Value = serde_json::from_str(examples[0]).unwrap();
    start["webhookUrl"] = json!(receiver.url("/hooks"));
    assert_eq!(px.post_json("/brains/runs", &start).status, 201);
    let last = receiver.waits_for("/hooks", 4).pop().unwrap();
    let shown: Value = serde_json::from_str(examples[1]).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let body = last.json();
    assert_eq!(keys(&body), keys(&shown));
    for part in ["run", "data", "api"] {
        assert_eq!(keys(&body[part]), keys(&shown[part]), "{part}");
    }
    for field in ["type", "seq", "isFinal", "from", "to"] {
        assert_eq!(body[field], shown[field], "{field}");
    }

    let check = format!(
        "{}\nimport json, sys\nrequest = json.load(sys.stdin)\nbody = request['body'].encode()\n\
         print(verify(request['secret'], request['headers'], body), \
         verify(request['secret'], request['headers'], body + b' '))\n",
        blocks("python")[0]
    );
    let python = Command::new("python3")
        .args(["-c", &check])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn();
    let Ok(mut python) = python else {
        aloud(format_args!("SKIPPED: there is no python3 for the example of docs/hooks.md"));
        return;
    };
    let request = json!({
        "secret": SECRET, "headers": last.headers, "body": String::from_utf8_lossy(&last.bytes),
    });
    python.stdin.take().unwrap().write_all(request.to_string().as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "True False");
}
