//! The questions that providers ask before, and between, their deliveries, to
//! a real process with one webhook a provider (`examples/providers.rs`). Each
//! answer is what the provider's documentation demands; none of them is a
//! delivery.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod support;

use std::path::Path;
use std::time::UNIX_EPOCH;

use app as _;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::json;
use support::{Project, Px, Request, hmac_sha256_hex};

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const VERIFY_TOKEN: &str = "meatyhamhock";

/// Discord's side of the key pair.
fn discord() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn project() -> Project {
    let px = Path::new(env!("CARGO_BIN_EXE_px"));
    let providers = px.with_file_name("examples").join("providers");
    assert!(providers.exists(), "`cargo build --example providers` first, as a plain `cargo test` does");
    Project::of(providers)
        .env("SLACK_SECRET", SECRET)
        .env("ZOOM_SECRET", SECRET)
        .env("META_SECRET", SECRET)
        .env("META_VERIFY_TOKEN", VERIFY_TOKEN)
        .env("DISCORD_SECRET", &hex::encode(discord().verifying_key().as_bytes()))
}

fn now() -> String {
    UNIX_EPOCH.elapsed().unwrap().as_secs().to_string()
}

/// Signed as Slack and Zoom do, which differ in the names of their headers.
fn v0(slug: &str, signature: &str, timestamp: &str, secret: &str, body: &str) -> Request {
    let now = now();
    let tag = hmac_sha256_hex(secret, format!("v0:{now}:{body}").as_bytes());
    Request::plain(&format!("/webhooks/{slug}"), "application/json", body)
        .header(timestamp, &now)
        .header(signature, &format!("v0={tag}"))
}

fn signed_by_discord(slug: &str, body: &str) -> Request {
    let now = now();
    let signature = discord().sign(format!("{now}{body}").as_bytes());
    Request::plain(&format!("/webhooks/{slug}"), "application/json", body)
        .header("x-signature-timestamp", &now)
        .header("x-signature-ed25519", &hex::encode(signature.to_bytes()))
}

/// Nothing but refusals is in the inbox: a handshake is no delivery.
fn assert_no_delivery(px: &Px) {
    let all = px.deliveries("");
    assert!(all.iter().all(|one| one["state"] == "rejected"), "{all:?}");
    assert!(px.runs_of("idle").is_empty());
}

#[test]
fn slack_url_verification_is_answered_if_it_is_signed() {
    let project = project();
    let px = project.serve();
    // docs.slack.dev/reference/events/url_verification
    let body = r#"{"token":"Jhj5dZrVaK7ZwHHjRyZWjbDl","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}"#;
    let signed = |secret| v0("slack", "x-slack-signature", "x-slack-request-timestamp", secret, body);
    let reply = px.post(&signed(SECRET));
    assert_eq!(reply.status, 200, "{}", reply.text());
    let challenge = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P";
    assert_eq!(reply.json(), json!({ "challenge": challenge }));
    assert!(reply.header("content-type").unwrap().starts_with("application/json"));
    // Verified before it is echoed, or anybody could have anything echoed.
    let refused = px.post(&signed("another"));
    assert_eq!(refused.status, 401);
    assert!(!refused.text().contains(challenge));
    assert_eq!(px.post(&signed(SECRET).without("x-slack-signature")).status, 401);
    assert_no_delivery(&px);
}

#[test]
fn slack_probes_the_certificate_of_a_command_by_get() {
    let project = project();
    let px = project.serve();
    let probe = px.get("/webhooks/slack-command?ssl_check=1&token=x");
    assert_eq!((probe.status, probe.text()), (200, String::new()));
    assert_eq!(px.get("/webhooks/slack-command").status, 405);
    assert_no_delivery(&px);
}

#[test]
fn zoom_url_validation_is_answered_with_the_token_under_the_secret_every_time() {
    let project = project();
    let px = project.serve();
    // developers.zoom.us/docs/api/webhooks, "Validate your webhook endpoint"
    let body = r#"{"payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"},"event_ts":1654503849680,"event":"endpoint.url_validation"}"#;
    let signed = |secret| v0("zoom", "x-zm-signature", "x-zm-request-timestamp", secret, body);
    let encrypted = hmac_sha256_hex(SECRET, b"qgg8vlvZRS6UYooatFL8Aw");
    // Zoom asks again every 72 hours: a repetition is no duplicate.
    for _ in 0..3 {
        let reply = px.post(&signed(SECRET));
        assert_eq!(reply.status, 200, "{}", reply.text());
        let expected = json!({"plainToken": "qgg8vlvZRS6UYooatFL8Aw", "encryptedToken": encrypted});
        assert_eq!(reply.json(), expected);
    }
    // Who is not Zoom gets nothing computed with the secret.
    let refused = px.post(&signed("another"));
    assert_eq!((refused.status, refused.text().contains(&encrypted)), (401, false));
    assert_no_delivery(&px);
}

#[test]
fn meta_subscribes_by_get_with_the_verify_token_only() {
    let project = project();
    let px = project.serve();
    // developers.facebook.com/docs/graph-api/webhooks/getting-started, "Verification requests"
    let ask = |mode: &str, token: &str| {
        px.get(&format!("/webhooks/meta?hub.mode={mode}&hub.challenge=1158201444&hub.verify_token={token}"))
    };
    let reply = ask("subscribe", VERIFY_TOKEN);
    assert_eq!((reply.status, reply.text().as_str()), (200, "1158201444"));
    assert!(reply.header("content-type").unwrap().starts_with("text/plain"));
    for refused in [ask("subscribe", "guess"), ask("subscribe", ""), ask("subscribe", "meatyhamhoc")] {
        assert_eq!(refused.status, 401, "{}", refused.text());
        assert!(!refused.text().contains("1158201444"));
    }
    assert_eq!(ask("unsubscribe", VERIFY_TOKEN).status, 405, "no question that Meta asks");
    assert_no_delivery(&px);
}

#[test]
fn discord_pings_are_answered_and_its_deliberately_bad_signatures_get_401() {
    let project = project();
    let px = project.serve();
    // discord.com/developers/docs/interactions/overview, "Setting up an endpoint": a PING with a
    // right signature, and others with wrong ones, of which each must be refused with 401.
    let ping = r#"{"type":1,"id":"1","application_id":"2","token":"x","version":1}"#;
    let reply = px.post(&signed_by_discord("discord", ping));
    assert_eq!((reply.status, reply.json()), (200, json!({"type": 1})));
    assert!(reply.header("content-type").unwrap().starts_with("application/json"));

    let good = signed_by_discord("discord", ping);
    let nonsense = "f".repeat(128);
    let bad = [
        good.clone().with_flipped_byte(),
        good.clone().without("x-signature-ed25519"),
        good.clone().without("x-signature-timestamp"),
        good.clone().header("x-signature-ed25519", &nonsense),
        good.clone().header("x-signature-ed25519", "not hexadecimal"),
        good.clone().header("x-signature-ed25519", ""),
        good.clone().header("x-signature-timestamp", "1"),
        good.header("x-signature-timestamp", "yesterday"),
    ];
    for (n, request) in bad.iter().enumerate() {
        let reply = px.post(request);
        assert_eq!(reply.status, 401, "bad signature {n}: {}", reply.text());
    }
    // An event webhook's ping is acknowledged with 204, no body, and a content type.
    let reply =
        px.post(&signed_by_discord("discord-events", r#"{"version":1,"application_id":"2","type":0}"#));
    assert_eq!((reply.status, reply.text()), (204, String::new()));
    assert!(reply.header("content-type").is_some());
    assert_eq!(
        px.post(&signed_by_discord("discord-events", r#"{"type":0}"#).with_flipped_byte()).status,
        401
    );
    assert_no_delivery(&px);
    // An interaction is deferred, and is a delivery.
    let command = px.post(&signed_by_discord("discord", r#"{"type":2,"id":"3"}"#));
    assert_eq!((command.status, command.json()), (200, json!({"type": 5})));
    assert_eq!(px.deliveries("state=ignored").len(), 1);
}
