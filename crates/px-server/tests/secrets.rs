//! Secrets over HTTP: what a file that changes does to verifiers and hooks, what answers say about
//! secrets that nobody gets, and what they never repeat.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use px_sdk::{Brain, Cx, Inbound, Next, Result, brain, verify};
use px_server::{Options, Running};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use support::{parts, read_json, request, send, serve};

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Ping {
    #[serde(default)]
    n: u64,
}

mod hub {
    use super::*;
    px_sdk::webhook! {
        slug = "hub",
        payload = Ping,
        response = Ping,
        verify = verify::github("HUB_SECRET"),
        handler = receive,
    }

    async fn receive(_: Ping) -> Result<Inbound<Ping>> {
        Ok(Inbound::ignore("it is a ping"))
    }
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Named {
    keys: Vec<String>,
    scope: String,
}

fn keeper() -> Brain<Named> {
    brain("keeper").step("keep", keep).build()
}
px_sdk::brain!(keeper);

async fn keep(cx: Cx, named: Named) -> Result<Next<Named>> {
    for key in &named.keys {
        cx.kv::<u64>(key).scope(&named.scope).update(|n| n.unwrap_or(0) + 1).await?;
    }
    Ok(Next(named))
}

/// What stands for the environment and its files. One that is there and cannot be read is blank.
type Env = Arc<Mutex<BTreeMap<String, String>>>;

fn env(values: &[(&str, &str)]) -> Env {
    let of = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Arc::new(Mutex::new(values.iter().map(of).collect()))
}

async fn server_with(env: &Env, change: impl FnOnce(&mut Options)) -> Running {
    let env = Arc::clone(env);
    serve(move |options| {
        options.env = Box::new(move |name| env.lock().unwrap().get(name).cloned());
        options.limits.poll = Duration::from_millis(5);
        change(options);
    })
    .await
}

async fn get(server: &Running, target: &str) -> Value {
    let (status, body) = read_json(&request(server, "GET", target, "", "").await);
    assert_eq!(status, 200, "{target}: {body}");
    body
}

async fn post(server: &Running, target: &str, body: &Value) -> (u16, Value) {
    read_json(&send(server, "POST", target, "", &body.to_string()).await)
}

async fn set(server: &Running, name: &str, value: &str) -> Value {
    let (status, body) = post(server, "/secrets", &json!({"name": name, "value": value})).await;
    assert_eq!(status, 201, "{body}");
    body
}

/// The status of a ping that is signed with this secret.
async fn ping(server: &Running, secret: &str) -> u16 {
    let body = "{\"n\":1}";
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    let line = format!("x-hub-signature-256: sha256={signature}\r\nx-github-delivery: {secret}\r\n");
    support::status(&send(server, "POST", "/webhooks/hub", &line, body).await)
}

/// Waits until a ping with each of these secrets is believed as it says: the server looks at files by itself.
async fn believed(server: &Running, wanted: &[(&str, bool)]) {
    let all = async {
        loop {
            let mut is_so = true;
            for (secret, is_believed) in wanted {
                is_so &= (ping(server, secret).await == 200) == *is_believed;
            }
            if is_so {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(support::LONG, all).await.unwrap_or_else(|_| panic!("never so: {wanted:?}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_62_a_file_with_another_value_is_noticed_and_by_one_that_is_gone_nobody_is_believed() {
    let (first, second, stored) = ("the-first-value", "the-second-value", "the-value-of-the-store");
    let env = env(&[("HUB_SECRET", first)]);
    let server = server_with(&env, |_| {}).await;
    believed(&server, &[(first, true), (second, false)]).await;
    env.lock().unwrap().insert("HUB_SECRET".into(), second.into());
    believed(&server, &[(first, false), (second, true)]).await;
    // The store has a value too, which counts for nobody: before the file is gone, and after.
    assert_eq!(set(&server, "HUB_SECRET", stored).await["shadowed"], true);
    believed(&server, &[(second, true), (stored, false)]).await;
    env.lock().unwrap().insert("HUB_SECRET".into(), String::new());
    believed(&server, &[(first, false), (second, false), (stored, false)]).await;
    let listed = get(&server, "/webhooks").await["webhooks"][0].clone();
    assert_eq!(listed["verified"], true, "{listed}");
    assert_eq!(listed["secretSource"], "environment", "{listed}");
    assert!(listed["refusesAll"].as_str().unwrap().contains("its file cannot be read"), "{listed}");
    assert_eq!(set(&server, "HUB_SECRET", "the-next-value-of-the-store").await["shadowed"], true);
    assert_eq!(ping(&server, "the-next-value-of-the-store").await, 401);
    // It is there again.
    env.lock().unwrap().insert("HUB_SECRET".into(), first.into());
    believed(&server, &[(first, true), (second, false), (stored, false)]).await;
    assert_eq!(get(&server, "/webhooks").await["webhooks"][0].get("refusesAll"), None);
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_whose_secret_was_deleted_says_that_it_refuses_all() {
    let server = server_with(&env(&[]), |_| {}).await;
    set(&server, "HUB_SECRET", "the-value-of-the-store").await;
    believed(&server, &[("the-value-of-the-store", true)]).await;
    assert_eq!(get(&server, "/webhooks").await["webhooks"][0]["secretSource"], "store");
    let deleted = request(&server, "DELETE", "/secrets/HUB_SECRET", "", "").await;
    assert_eq!(support::status(&deleted), 204);
    assert_eq!(ping(&server, "the-value-of-the-store").await, 401);
    let listed = get(&server, "/webhooks").await["webhooks"][0].clone();
    let why = listed["refusesAll"].as_str().unwrap();
    assert!(why.contains("HUB_SECRET") && why.contains("was deleted"), "{why}");
    assert_eq!(listed.get("secretSource"), None, "{listed}");
    let kept = get(&server, "/webhooks/deliveries?slug=hub").await;
    assert!(!kept.to_string().contains("expired"), "{kept}");
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_says_which_secrets_nobody_gets_and_which_count_beside_the_newest() {
    let server = server_with(&env(&[("OF_ENV", "a value of the environment")]), |_| {}).await;
    assert_eq!(set(&server, "OF_ENV", "a value of the store").await["shadowed"], true);
    let first = set(&server, "ROTATED", "the first value").await;
    assert!(first.get("shadowed").is_none() && first.get("unchanged").is_none(), "{first}");
    assert_eq!(set(&server, "ROTATED", "the first value").await["unchanged"], true);
    assert!(
        set(&server, "ROTATED", "the second value").await["oldValueUntil"].as_str().unwrap().ends_with('Z')
    );
    let listed = get(&server, "/secrets").await["secrets"].clone();
    assert_eq!((&listed[0]["name"], &listed[0]["shadowed"]), (&json!("OF_ENV"), &json!(true)));
    assert!(listed[1]["oldValueUntil"].is_string() && listed[1].get("shadowed").is_none(), "{listed}");
    let both = json!({"secrets": [
        {"name": "ROTATED", "value": "the second value"}, {"name": "NEW", "value": "another value"},
    ]});
    assert_eq!(
        post(&server, "/secrets/bulk", &both).await,
        (201, json!({"created": 1, "updated": 1, "unchanged": 1}))
    );
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_61_no_refusal_repeats_what_may_be_a_secret() {
    let server = server_with(&env(&[]), |_| {}).await;
    let value = "hunter2-hunter2";
    for (target, body, says) in [
        (
            "/secrets/bulk",
            json!({"secrets": [{"name": "A", "value": value, "grcae": "0s"}]}),
            "secrets[0] has an unknown field 'grcae'; did you mean 'grace'?",
        ),
        (
            "/secrets/bulk",
            json!({"secrets": [{"name": "A", "value": value}, {"name": "B", "value": value, "ttl": 1}]}),
            "secrets[1] has an unknown field 'ttl'",
        ),
        (
            "/secrets/bulk",
            json!({"secrets": [{"name": "A", "value": value, value: "A"}]}),
            "the fields are name, value, grace",
        ),
        (
            "/secrets/bulk",
            json!({"secrets": [{"name": "A", "value": value, "grace": value}]}),
            "write it like 500ms",
        ),
        ("/secrets", json!({"name": "A", "value": value, "grace": value}), "write it like 500ms"),
        ("/secrets", json!({"name": 12_345_678, "value": value}), "expected a string"),
        ("/secrets", json!({"name": "A", "value": 12_345_678}), "string"),
        ("/secrets", json!({"name": "bulk", "value": value}), "is a route of the API"),
        ("/hooks", json!({"url": "http://127.0.0.1:9", "secret": 12_345_678}), "string"),
        ("/hooks", json!({"url": "http://127.0.0.1:9", "events": value}), "invalid type: string"),
    ] {
        let (status, answer) = post(&server, target, &body).await;
        let text = answer.to_string();
        assert!(status == 400 && text.contains(says), "{body}: {status} {text}");
        assert!(!text.contains("hunter2") && !text.contains("12345678"), "{body}: {text}");
    }
    // A field that means nothing to this route, as clients of the ancestor send some.
    let body = json!({"name": "A", "value": value, "hunter2-hunter2-field": 1, "user": 2}).to_string();
    let answer = send(&server, "POST", "/secrets", "", &body).await;
    let (head, _) = parts(&answer);
    assert!(head.starts_with("HTTP/1.1 201") && head.contains("unknown field user"), "{head}");
    assert!(!answer.contains("hunter2"), "{answer}");
    assert_eq!(get(&server, "/secrets").await["count"], 1, "of a bulk that is refused nothing is set");
    server.shutdown().await.unwrap();
}

async fn run(server: &Running, keys: &[&str], scope: &str) {
    let body = json!({"brainTitle": "keeper", "initialState": {"keys": keys, "scope": scope}});
    let (status, started) = post(server, "/brains/runs", &body).await;
    assert_eq!(status, 201, "{started}");
    let id = started["brainRunId"].as_str().unwrap().to_owned();
    let ended = async {
        loop {
            match get(server, &format!("/brains/runs/{id}")).await["status"].as_str().unwrap() {
                "complete" => return,
                "pending" | "running" => tokio::task::yield_now().await,
                other => panic!("the run is {other}"),
            }
        }
    };
    tokio::time::timeout(support::LONG, ended).await.unwrap();
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// A cursor names a place in the list. Without the secret in it, it would name another one.
#[tokio::test(flavor = "multi_thread")]
async fn pages_go_on_behind_a_name_that_holds_a_secret() {
    let server = server_with(&env(&[]), |_| {}).await;
    let secret = "customer-7-token";
    set(&server, "TOKEN", secret).await;
    let keys = ["a", "customer-7-token", "customer-7-token/of", "sealed.x", "z"];
    run(&server, &keys, "shared").await;
    run(&server, &["k"], secret).await;
    for line in ["px-redact: secrets\r\n", ""] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let target = format!("/store/keeper?limit=1&cursor={}", encoded(&cursor));
            let answer = request(&server, "GET", &target, line, "").await;
            let (status, page) = read_json(&answer);
            assert_eq!((status, &page["count"]), (200, &json!(6)), "{answer}");
            assert!(line.is_empty() || !answer.contains(secret), "{answer}");
            found.push(page["keys"][0]["key"].as_str().unwrap().to_owned());
            let Some(next) = page["nextCursor"].as_str() else { break };
            assert!(!next.contains(secret), "no cursor holds it: {next}");
            next.clone_into(&mut cursor);
        }
        assert_eq!(found.len(), 6, "each once: {found:?}");
        if line.is_empty() {
            assert_eq!(found[1..], keys);
        }
    }
    for bad in ["sealed.", "sealed.AAAA", "sealed.!"] {
        let answer = request(&server, "GET", &format!("/store/keeper?cursor={}", encoded(bad)), "", "").await;
        assert_eq!(support::status(&answer), 400, "{answer}");
    }
    server.shutdown().await.unwrap();
}

/// A caller who puts the secret of its callback into the run's input, too.
#[tokio::test(flavor = "multi_thread")]
async fn the_secret_of_a_runs_callback_is_not_shown_to_others() {
    let server = server_with(&env(&[]), |_| {}).await;
    let secret = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0";
    let body = json!({
        "brainTitle": "keeper", "initialState": {"keys": [], "scope": secret},
        "webhookUrl": "http://127.0.0.1:9/x", "webhookSecret": secret,
    });
    let (status, started) = post(&server, "/brains/runs", &body).await;
    assert_eq!(status, 201, "{started}");
    let target = format!("/brains/runs/{}", started["brainRunId"].as_str().unwrap());
    let hidden = async {
        loop {
            let answer = request(&server, "GET", &target, "px-redact: secrets\r\n", "").await;
            assert_eq!(support::status(&answer), 200, "{answer}");
            if answer.contains("[secret of the callback of a run]") && !answer.contains(secret) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(support::LONG, hidden).await.expect("it is taken out");
    server.shutdown().await.unwrap();
}
