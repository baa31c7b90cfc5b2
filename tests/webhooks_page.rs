//! `docs/webhooks.md`: each snippet of it is run. The configuration is what px
//! is started with, the commands are run by `sh` against it, and the Rust is
//! compiled with the documentation of the crate `px`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod support;

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use app as _;
use px_api::Timestamp;
use serde_json::json;
use support::{GITHUB_SECRET, Project, Px, Request, github, hmac_sha256_hex, twilio};

const ACME_SECRET: &str = "what acme and we know";

/// The snippets of a language, in order.
fn snippets(language: &str) -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/webhooks.md");
    let page = std::fs::read_to_string(page).unwrap();
    let blocks = page.split("```").skip(1).step_by(2);
    blocks.filter_map(|block| block.strip_prefix(&format!("{language}\n"))).map(str::to_owned).collect()
}

fn snippet<'a>(all: &'a [String], with: &str) -> &'a str {
    all.iter().find(|text| text.contains(with)).expect("the page says it")
}

/// Runs a snippet by `sh`, with the project's binary as `px`.
fn run(project: &Project, px: &Px, script: &str, env: &[(&str, &str)]) -> (bool, String) {
    let mut px_command = project.command(&[]);
    let bin = project.path().join("bin");
    if !bin.exists() {
        std::fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(px_command.get_program(), bin.join("px")).unwrap();
    }
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut sh = std::process::Command::new("sh");
    sh.args(["-euc", script]).current_dir(project.path());
    sh.env_clear().envs(px_command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    sh.env("PATH", path).env("PX_URL", format!("http://{}", px.address)).envs(env.iter().copied());
    // Only its program and environment were wanted.
    px_command.stdin(std::process::Stdio::null());
    let output = sh.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

fn configured(project: &Project, toml: &[&str]) {
    std::fs::write(project.path().join("px.toml"), toml.join("\n")).unwrap();
}

/// The snippet, with its secret expiring at `at` in place of the page's date:
/// the page shows a date that passes one day.
fn expiring_at(snippet: &str, at: SystemTime) -> String {
    let (before, rest) = snippet.split_once("expires = ").expect("the page says when");
    let (date, after) = rest.split_once(' ').unwrap();
    assert!(date.len() == "2030-01-01T00:00:00Z".len() && date.ends_with('Z'), "{date}");
    let at = Timestamp::from_millis(at.duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap());
    format!("{before}expires = {at} {after}")
}

/// As acme would: written by hand, from what the page says.
fn acme(delivery: &str, at: u64, secret: &str, body: &str) -> Request {
    let tag = hmac_sha256_hex(secret, format!("{at}.{body}").as_bytes());
    Request::plain("/webhooks/acme", "application/json", body)
        .header("acme-timestamp", &at.to_string())
        .header("acme-signature", &format!("v1={tag}"))
        .header("acme-delivery", delivery)
}

#[test]
fn a_new_provider_is_ten_lines() {
    let (toml, sh) = (snippets("toml"), snippets("sh"));
    let record = snippet(&toml, "[providers.acme]");
    assert!(record.trim().lines().count() <= 10, "{record}");
    let providers = Path::new(env!("CARGO_BIN_EXE_px")).with_file_name("examples").join("providers");
    assert!(providers.exists(), "`cargo build --example providers` first, as a plain `cargo test` does");
    let project = Project::of(providers).env("ACME_WEBHOOK_SECRET", ACME_SECRET);
    configured(&project, &[record]);
    let px = project.serve();

    let now = UNIX_EPOCH.elapsed().unwrap().as_secs();
    px.post(&acme("d1", now, ACME_SECRET, r#"{"a":1}"#)).is(200, "ignored");
    px.post(&acme("d1", now, ACME_SECRET, r#"{"a":1}"#)).is(200, "duplicate");
    let good = || acme("d2", now, ACME_SECRET, r#"{"a":2}"#);
    for (bad, class) in [
        (good().with_flipped_byte(), "invalid"),
        (acme("d2", now, "another secret", r#"{"a":2}"#), "invalid"),
        (acme("d2", now - 302, ACME_SECRET, r#"{"a":2}"#), "too_old"),
        (acme("d2", now + 330, ACME_SECRET, r#"{"a":2}"#), "too_new"),
        (good().without("acme-signature"), "missing"),
        (good().without("acme-timestamp"), "missing"),
        (good().header("acme-timestamp", "soon"), "malformed"),
    ] {
        assert_eq!(px.post(&bad).status, 401, "{class}");
        let newest = px.deliveries("slug=acme&state=rejected")[0]["id"].as_str().unwrap().to_owned();
        let verdict = px.get(&format!("/webhooks/deliveries/{newest}")).field("verdict");
        assert_eq!(verdict, format!("rejected: {class}"));
    }
    px.post(&good()).is(200, "ignored");
    let (is_ok, said) = run(&project, &px, snippet(&sh, "send acme"), &[]);
    assert!(is_ok, "{said}");
    assert!(said.contains("200 duplicate") && said.contains("acme-signature: v1="), "{said}");
}

#[test]
fn the_configuration_and_the_commands_do_what_the_page_says() {
    let (toml, sh) = (snippets("toml"), snippets("sh"));
    assert_eq!((toml.len(), sh.len()), (4, 4), "each snippet is run by one of these tests");
    // Two snippets speak of one table: the bounds are read on their own below.
    let secrets = snippet(&toml, "GITHUB_OLD_SECRET");
    let kept = snippet(&toml, "[retention]");
    let project = Project::new().env("GITHUB_OLD_SECRET", "the one before");
    std::fs::write(project.path().join("github.secret"), "a third one\n").unwrap();
    let tomorrow = UNIX_EPOCH + UNIX_EPOCH.elapsed().unwrap() + Duration::from_hours(24);
    configured(&project, &[&expiring_at(secrets, tomorrow), kept]);
    let px = project.serve();
    let body = r#"{"zen":"Anything added dilutes everything else."}"#;
    for (n, secret) in [GITHUB_SECRET, "the one before", "a third one", "a fourth one"].iter().enumerate() {
        let tag = format!("sha256={}", hmac_sha256_hex(secret, body.as_bytes()));
        let request = github("ping", &format!("guid-{n}"), body).header("x-hub-signature-256", &tag);
        assert_eq!(px.post(&request).status, if n < 3 { 200 } else { 401 }, "{secret}");
    }

    let failed =
        json!({"action": "opened", "pull_request": {"number": "x"}, "repository": {"full_name": "a/b"}});
    assert_eq!(px.post(&github("pull_request", "bad", failed.to_string())).status, 422);
    let (is_ok, said) = run(&project, &px, snippet(&sh, "replay --state quarantined"), &[]);
    // The code is not mended here, so it is refused again.
    assert!(!is_ok && said.contains("does not fit the schema"), "{said}");

    let run_id = px.start(
        "customer-feedback",
        &json!({"name": "Ada", "slackChannel": "general", "phoneNumber": "+15550100"}),
    );
    px.reaches(&run_id, "waiting");
    let delivery = px.post(&github("push", "guid-push", "{}")).field("deliveryId");
    let kept = px.post(&twilio("SM1", "+15550177", "hello")).field("deliveryId");
    let env = [("DELIVERY", delivery.as_str()), ("KEPT", kept.as_str()), ("RUN", run_id.as_str())];
    let (is_ok, said) = run(&project, &px, snippet(&sh, "bind"), &env);
    assert!(is_ok, "{said}");
    px.reaches(&run_id, "complete");

    std::fs::write(project.path().join("body.json"), body).unwrap();
    let signature = format!("sha256={}", hmac_sha256_hex(GITHUB_SECRET, body.as_bytes()));
    let verify = snippet(&sh, "webhooks verify");
    let (is_ok, said) = run(&project, &px, verify, &[("SIGNATURE", &signature)]);
    assert!(is_ok && said.contains("verified"), "{said}");
    let (is_ok, said) = run(&project, &px, verify, &[("SIGNATURE", "sha256=00")]);
    assert!(!is_ok && said.contains("malformed"), "{said}");
}

#[test]
fn a_secret_of_the_page_counts_until_it_expires() {
    let toml = snippets("toml");
    let project = Project::new().env("GITHUB_OLD_SECRET", "the one before");
    std::fs::write(project.path().join("github.secret"), "a third one\n").unwrap();
    let a_minute_ago = UNIX_EPOCH + UNIX_EPOCH.elapsed().unwrap() - Duration::from_mins(1);
    configured(&project, &[&expiring_at(snippet(&toml, "GITHUB_OLD_SECRET"), a_minute_ago)]);
    let px = project.serve();
    for (n, (secret, status)) in
        [("the one before", 401), (GITHUB_SECRET, 200), ("a third one", 200)].iter().enumerate()
    {
        let tag = format!("sha256={}", hmac_sha256_hex(secret, b"{}"));
        let request = github("ping", &format!("guid-{n}"), "{}").header("x-hub-signature-256", &tag);
        assert_eq!(px.post(&request).status, *status, "{secret}");
    }
}

#[test]
fn the_bounds_on_the_page_are_taken() {
    let toml = snippets("toml");
    let project = Project::new();
    configured(&project, &[snippet(&toml, "[limits]")]);
    let px = project.serve();
    let listed = px.get("/webhooks").json();
    assert_eq!(listed["webhooks"][0]["url"], "https://my-app.example/webhooks/github");
    px.post(&github("push", "guid-1", "{}")).is(200, "ignored");
    // Behind a trusted proxy only: this machine is none, so it is not believed.
    let forwarded = github("push", "guid-2", "{}").header("x-forwarded-for", "192.0.2.1");
    px.post(&forwarded).is(200, "ignored");
}
