//! Every preset, over a real process (`examples/providers.rs`): `px webhooks
//! send` builds a request that its verification takes, offline, and one that
//! it refuses; a repetition is known where the provider gives an id.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod support;

use std::path::Path;

use app as _;
use support::{Project, Px};

const PUBLIC_HEX: &str = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8";
const PAIR_HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\
                        03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8";
const PUBLIC: &str = "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";
const PAIR: &str =
    "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8DoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuA==";
const SCALAR: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
/// Of that scalar, by Python's `cryptography`.
const SPKI: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEUVw9brnjlrkE0/7Kf1T9zQzB6Ze/N13KUVrQpsO0A19FNr46UPMY+/mlR1kCoiFQK+8NV+CMU7LMClbxfZ+TVA==";
const TEXT: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const BASE64: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// The slug, and a payload if any JSON will not do.
const PRESETS: &[(&str, &str)] = &[
    ("slack", r#"{"type":"event_callback","event_id":"Ev1"}"#),
    ("slack-command", "command=%2Fpx&trigger_id=1.2"),
    ("slack-interactivity", "payload=%7B%22type%22%3A%22shortcut%22%2C%22trigger_id%22%3A%221%22%7D"),
    ("github", r#"{"zen":"Design for failure."}"#),
    ("gitlab", r#"{"object_kind":"push"}"#),
    ("gitlab-signed", r#"{"object_kind":"push"}"#),
    ("stripe", r#"{"id":"evt_1","type":"charge.succeeded"}"#),
    ("twilio", "MessageSid=SM1&Body=hello"),
    ("shopify", r#"{"id":1}"#),
    ("discord", r#"{"type":2,"id":"1"}"#),
    ("discord-events", r#"{"type":1,"event":{"type":"APPLICATION_AUTHORIZED"}}"#),
    ("linear", r#"{"action":"create"}"#),
    ("standard", "{}"),
    ("standard-asymmetric", "{}"),
    ("svix", "{}"),
    ("mailgun", r#"{"event-data":{"event":"opened"}}"#),
    ("sendgrid", r#"[{"sg_event_id":"a"},{"sg_event_id":"b"}]"#),
    ("zoom", r#"{"event":"meeting.started","event_ts":1,"payload":{"object":{"id":"1"}}}"#),
    ("meta", r#"{"object":"page","entry":[]}"#),
    ("jira", r#"{"webhookEvent":"jira:issue_updated"}"#),
    ("jira-app", r#"{"webhookEvent":"jira:issue_updated"}"#),
    ("convoy", "{}"),
    ("convoy-advanced", "{}"),
    ("outpost", "{}"),
    ("cloudevents", r#"{"specversion":"1.0","id":"1","source":"s","type":"t"}"#),
    ("forge", "{}"),
    ("lazyagent", "{}"),
    ("token", "{}"),
    ("bearer", "{}"),
    ("basic", "{}"),
    ("query", "{}"),
];

fn project(can_sign: bool) -> Project {
    let providers = Path::new(env!("CARGO_BIN_EXE_px")).with_file_name("examples").join("providers");
    assert!(providers.exists(), "`cargo build --example providers` first, as a plain `cargo test` does");
    let of = |public, private| if can_sign { private } else { public };
    let mut project = Project::of(providers)
        .env("STANDARD_SECRET", BASE64)
        .env("DISCORD_SECRET", of(PUBLIC_HEX, PAIR_HEX))
        .env("STANDARD_PUBLIC", of(PUBLIC, PAIR))
        .env("SENDGRID_SECRET", of(SPKI, SCALAR))
        .env("BASIC_SECRET", "user:pass")
        .env("META_VERIFY_TOKEN", "meaty hamhock");
    for name in [
        "SLACK",
        "GITHUB",
        "GITLAB",
        "STRIPE",
        "TWILIO",
        "SHOPIFY",
        "LINEAR",
        "MAILGUN",
        "ZOOM",
        "META",
        "JIRA",
        "CONVOY",
        "OUTPOST",
        "BEARER",
        "FORGE",
        "LAZYAGENT",
        "TOKEN",
        "QUERY",
    ] {
        project = project.env(&format!("{name}_SECRET"), TEXT);
    }
    project
}

fn send(sender: &Project, px: &Px, slug: &str, payload: &str, more: &[&str]) -> (i32, String) {
    let file = sender.path().join("payload");
    std::fs::write(&file, payload).unwrap();
    let url = format!("http://{}", px.address);
    let mut words = vec!["webhooks", "send", slug, "--url", &url, "--payload", file.to_str().unwrap()];
    words.extend(more);
    let output = sender.command(&words).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

#[test]
fn every_preset_takes_what_px_sends_and_refuses_it_spoilt() {
    let (served, sender) = (project(false), project(true));
    let px = served.serve();
    let listed = px.get("/webhooks").json();
    let slugs: Vec<&str> =
        listed["webhooks"].as_array().unwrap().iter().map(|one| one["slug"].as_str().unwrap()).collect();
    for slug in slugs.iter().filter(|slug| **slug != "acme") {
        let (_, payload) = PRESETS.iter().find(|(known, _)| known == slug).expect("each preset is tried");
        let (code, said) = send(&sender, &px, slug, payload, &[]);
        assert_eq!(code, 0, "{slug}: {said}");
        let (code, said) = send(&sender, &px, slug, payload, &["--bad-signature"]);
        assert!(code == 1 && said.contains("401") && said.contains("spoilt"), "{slug}: {said}");
    }
    let deliveries = px.deliveries("state=rejected");
    assert_eq!(deliveries.len(), PRESETS.len(), "each spoilt one has left a record");
    for one in &deliveries {
        let shown = px.get(&format!("/webhooks/deliveries/{}", one["id"].as_str().unwrap())).json();
        let why = shown["why"].as_str().unwrap();
        assert!(why.starts_with("The sender was not believed: "), "{why}");
        assert_eq!(shown["payload"], "", "nothing of the body is kept");
    }
}

#[test]
fn what_repeats_is_known_where_the_provider_gives_an_id() {
    let (served, sender) = (project(false), project(true));
    let px = served.serve();
    let mut without = Vec::new();
    for (slug, payload) in PRESETS {
        let (code, said) = send(&sender, &px, slug, payload, &["--duplicate"]);
        assert_eq!(code, 0, "{slug}: {said}");
        let duplicates = px.deliveries(&format!("slug={slug}&state=duplicate")).len();
        let is_said = said.contains("a repeated delivery counts as a new one");
        assert_eq!(is_said, duplicates == 0, "{slug}: whoever gives no id is told so: {said}");
        without.extend((duplicates == 0).then_some(*slug));
    }
    assert_eq!(without, ["discord-events", "meta", "lazyagent", "token", "bearer", "basic", "query"]);
}

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

#[test]
fn no_secret_of_any_preset_is_printed_or_stored() {
    let (served, sender) = (project(false).env("PX_LOG", "trace"), project(true));
    let px = served.serve();
    let mut said = vec![("greeting".to_owned(), px.greeting.to_string().into_bytes())];
    for (slug, payload) in PRESETS {
        for more in [&["--json"][..], &["--bad-signature"]] {
            said.push((format!("send {slug}"), send(&sender, &px, slug, payload, more).1.into_bytes()));
        }
    }
    // Right once, and wrong once in a way that carries it.
    let ask = "/webhooks/meta?hub.mode=subscribe&hub.challenge=1&hub.verify_token=meaty%20hamhock";
    assert_eq!(px.get(ask).status, 200);
    assert_eq!(px.get(&format!("{ask}!")).status, 401);
    assert_eq!(px.get(&format!("/webhooks/query?key={TEXT}")).status, 405);
    for one in px.deliveries("") {
        let shown = px.get(&format!("/webhooks/deliveries/{}", one["id"].as_str().unwrap()));
        said.push((format!("delivery {}", one["slug"]), shown.body));
    }
    said.push(("log".to_owned(), px.log().into_bytes()));
    assert!(px.log().len() > 1_000, "the log is talkative: {}", px.log().len());
    assert!(px.stop().success());
    files(served.data(), &mut said);
    let basic = "dXNlcjpwYXNz";
    let secrets =
        [TEXT, BASE64.trim_start_matches("whsec_"), "user:pass", basic, "meaty hamhock", "meaty%20hamhock"];
    for (place, bytes) in &said {
        for secret in secrets {
            let holds = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!holds, "{place} holds the secret {secret}");
        }
    }
}

#[test]
fn a_curl_line_is_made_without_a_server() {
    let sender = project(true);
    for (slug, _) in PRESETS {
        let words = ["webhooks", "send", slug, "--print-curl", "--url", "http://127.0.0.1:1"];
        let output = sender.command(&words).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && said.starts_with("curl "), "{slug}: {said}");
        assert!(said.contains(&format!("http://127.0.0.1:1/webhooks/{slug}")), "{slug}: {said}");
    }
}
