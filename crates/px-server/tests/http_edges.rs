//! The edges of HTTP over real sockets, a table for each kind (docs/rules.md#58,
//! #61, #69): half-closed requests, heads at their bound, bodies beyond it, hosts
//! and codings, methods and paths that there are not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod support;

use px_sdk::{Brain, Cx, Inbound, Next, Reply, Result, brain, verify};
use px_server::{ConnectionLimits, Running};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use support::{LONG, answer, parts, raw, send, status};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

const HEAD_BYTES: usize = 8 * 1024;
const BODY_BYTES: usize = 64 * 1024;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
struct Anything(Value);

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Nothing {}

mod own {
    use super::*;
    px_sdk::webhook! {
        slug = "own",
        payload = Anything,
        response = Nothing,
        verify = verify::unverified(),
        handler = receive,
    }
}

async fn receive(_: Anything) -> Result<Inbound<Nothing>> {
    Ok(Inbound::reply(Reply::text("hello")))
}

fn idle() -> Brain<Nothing> {
    brain("idle").step("end", end).build()
}
px_sdk::brain!(idle);

async fn end(_: Cx, nothing: Nothing) -> Result<Next<Nothing>> {
    Ok(Next(nothing))
}

/// Its log has four entries of 3 MiB.
fn loud() -> Brain<Nothing> {
    brain("loud").step("shout", shout).build()
}
px_sdk::brain!(loud);

async fn shout(cx: Cx, nothing: Nothing) -> Result<Next<Nothing>> {
    for _ in 0..4 {
        cx.emit("shout", "x".repeat(3 << 20)).await?;
    }
    Ok(Next(nothing))
}

async fn serve() -> Running {
    let connections = ConnectionLimits { head_bytes: HEAD_BYTES, ..ConnectionLimits::default() };
    support::serve(|options| {
        (options.connections, options.max_body, options.max_api_body) = (connections, BODY_BYTES, BODY_BYTES);
    })
    .await
}

#[tokio::test]
async fn rule_58_a_half_closed_request_is_answered() {
    let server = serve().await;
    let run = r#"{"identifier":"idle"}"#;
    for _ in 0..20 {
        for (method, target, body, expected) in [
            ("POST", "/webhooks/own", "{}", 200),
            ("GET", "/status", "", 200),
            ("GET", "/health/ready", "", 200),
            ("POST", "/brains/runs", run, 201),
            ("GET", "/webhooks/nope", "", 404),
        ] {
            let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
            let head = format!(
                "{method} {target} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                 content-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            assert_eq!(status(&answer(&mut stream).await), expected, "{method} {target}");
        }
    }
    // Half a request is none, and its connection ends.
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    stream.write_all(b"POST /webhooks/own HTT").await.unwrap();
    stream.shutdown().await.unwrap();
    assert!(!answer(&mut stream).await.contains(" 200 "));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn rule_58_a_head_has_a_size_wherever_a_read_ends() {
    let server = serve().await;
    let head = |bytes: usize| {
        let start = "POST /webhooks/own HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
                     content-type: application/json\r\ncontent-length: 2\r\nx: ";
        let end = "\r\n\r\n";
        format!("{start}{}{end}", "a".repeat(bytes - start.len() - end.len()))
    };
    for (bytes, expected) in [
        (1_000, 200),
        (HEAD_BYTES - 1, 200),
        (HEAD_BYTES, 200),
        (HEAD_BYTES + 1, 431),
        (2 * HEAD_BYTES, 431),
        (9 * HEAD_BYTES, 431),
    ] {
        let request = head(bytes) + "{}";
        assert_eq!(status(&raw(&server, request.as_bytes()).await), expected, "{bytes} bytes at once");
        // Piece by piece; who is refused may not be able to send the rest.
        let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
        for piece in request.as_bytes().chunks(1_111) {
            if stream.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(status(&answer(&mut stream).await), expected, "{bytes} bytes in pieces");
    }
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn rule_58_a_body_beyond_its_bound_is_413_and_who_still_sends_gets_to_read_it() {
    let server = serve().await;
    let body = "x".repeat(40 * BODY_BYTES);
    for (target, key) in
        [("/webhooks/own", "server.max_body_bytes"), ("/brains/runs", "server.max_api_body_bytes")]
    {
        let head = format!("POST {target} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n");
        let with_length = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        let chunked =
            format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        for request in [with_length, chunked] {
            // The connection was kept alive, and ends all the same: what follows is body.
            let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
            stream.write_all(request.as_bytes()).await.expect("it is read to its end");
            stream.shutdown().await.unwrap();
            let answer = answer(&mut stream).await;
            assert_eq!(status(&answer), 413, "{answer}");
            assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
            assert!(answer.contains(&format!("{BODY_BYTES} bytes")) && answer.contains(key), "{answer}");
        }
    }
    // At the bound it is taken.
    let body = format!("\"{}\"", "x".repeat(BODY_BYTES - 2));
    assert_eq!(status(&send(&server, "POST", "/webhooks/own", "", &body).await), 200);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn rules_58_and_69_hosts_and_codings_that_are_none_are_refused_at_every_door() {
    let server = serve().await;
    for target in ["/webhooks/own", "/status", "/health/live", "/nowhere"] {
        for (version, lines, expected) in [
            ("1.1", "", 400),
            ("1.1", "host: a\r\nhost: a\r\n", 400),
            ("1.1", "host: localhost:80@evil.example\r\n", 400),
            ("1.1", "host: 127.0.0.1:evil.example\r\n", 400),
            ("1.1", "host: [::1].evil.example\r\n", 400),
            ("1.1", "host: a b\r\n", 400),
            ("1.0", "host: a\r\nhost: b\r\n", 400),
            ("1.1", "host: localhost\r\ntransfer-encoding: gzip, chunked\r\n", 501),
            // hyper's own, which nobody else gets to answer.
            ("1.1", "host: localhost\r\ntransfer-encoding: gzip\r\n", 400),
            ("1.1", "host: localhost\r\ntransfer-encoding: chunked, chunked\r\n", 501),
            ("1.1", "host: localhost\r\ntransfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n", 501),
        ] {
            let request = format!("POST {target} HTTP/{version}\r\n{lines}\r\n0\r\n\r\n");
            let got = raw(&server, request.as_bytes()).await;
            assert_eq!(status(&got), expected, "{target} {lines:?}: {got}");
        }
        let old = raw(&server, format!("GET {target} HTTP/1.0\r\n\r\n").as_bytes()).await;
        assert!(matches!(status(&old), 200 | 404 | 405), "{target}: {old}");
    }
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn every_405_says_what_is_allowed_and_a_slash_too_many_is_named() {
    let server = serve().await;
    for (method, target) in [
        ("GET", "/webhooks/own"),
        ("PUT", "/webhooks/own"),
        ("DELETE", "/webhooks/own"),
        ("PATCH", "/status"),
        ("POST", "/health/live"),
        ("PUT", "/brains/runs"),
        ("POST", "/brains/watch"),
        ("PUT", "/tokens"),
        ("GET", "/webhooks/system/page-form"),
        ("PUT", "/hooks/x"),
    ] {
        let answer = send(&server, method, target, "", "").await;
        assert_eq!(status(&answer), 405, "{method} {target}: {answer}");
        assert!(answer.to_lowercase().contains("\r\nallow: "), "{method} {target}: {answer}");
    }
    for (target, meant) in [
        ("/webhooks/own/", "/webhooks/own"),
        ("//webhooks/own", "/webhooks/own"),
        ("/webhooks//own", "/webhooks/own"),
        ("/status/", "/status"),
        ("/brains/runs/x/", "/brains/runs/x"),
        ("/webhooks/", "/webhooks"),
    ] {
        let answer = send(&server, "POST", target, "", "{}").await;
        assert_eq!(status(&answer), 404, "{target}: {answer}");
        assert!(answer.contains(&format!("it is {meant}, without")), "{target}: {answer}");
    }
    for target in ["/nowhere", "/nowhere/", "/webhooks/own/more/"] {
        let answer = send(&server, "GET", target, "", "").await;
        assert!(status(&answer) == 404 && !answer.contains("it is /"), "{target}: {answer}");
    }
    let unknown = send(&server, "OPTIONS", "/webhooks/nope", "", "").await;
    assert!(status(&unknown) == 404 && unknown.contains("PX0022"), "{unknown}");
    assert_eq!(status(&send(&server, "OPTIONS", "/webhooks/own", "", "").await), 204);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn rule_61_a_clients_mistake_is_a_4xx_with_the_bound_in_its_text() {
    let server = serve().await;
    let long = "x".repeat(256);
    let start = |more: Value| {
        let mut body = json!({"identifier": "idle"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body.to_string()
    };
    let hook = |name: &str| json!({"url": "http://127.0.0.1:9/", "name": name}).to_string();
    for (method, target, body, part) in [
        ("POST", "/brains/runs", start(json!({"idempotencyKey": long})), "256 characters; it has 1 to 255"),
        ("POST", "/brains/runs", start(json!({"idempotencyKey": ""})), "idempotencyKey is empty"),
        ("POST", "/brains/runs", start(json!({"requestId": long})), "requestId has 256"),
        ("POST", "/hooks", hook(""), "not blank"),
        ("POST", "/hooks", hook("  "), "not blank"),
        ("POST", "/hooks", hook("hok_00000000000000000000000000000000"), "how ids begin"),
        ("POST", "/hooks", hook("a\u{1b}[0m"), "control character"),
        ("POST", "/hooks", json!({"ulr": "http://127.0.0.1:9/"}).to_string(), "did you mean 'url'?"),
        ("POST", "/tokens", json!({"nam": "x"}).to_string(), "did you mean 'name'?"),
        ("GET", "/brains/runs?since=1700000000", String::new(), "1700000000000"),
        ("GET", "/webhooks/deliveries?since=1700000000", String::new(), "1700000000000"),
        ("GET", "/deliveries?since=1700000000", String::new(), "1700000000000"),
    ] {
        let answer = send(&server, method, target, "", &body).await;
        assert_eq!(status(&answer), 400, "{target} {body}: {answer}");
        assert!(answer.contains(part), "{target} {body}: {answer}");
    }
    for since in ["0", "1", "1700000000000"] {
        assert_eq!(status(&send(&server, "GET", &format!("/brains/runs?since={since}"), "", "").await), 200);
    }
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn rule_69_one_key_is_one_start_with_one_callback() {
    let server = serve().await;
    let start = async |header: &str, more: Value| {
        let mut body = json!({"identifier": "idle"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        status(&send(&server, "POST", "/brains/runs", header, &body.to_string()).await)
    };
    let (one, other) = ("http://127.0.0.1:9/a", "http://127.0.0.1:9/b");
    let with = |url: &str, secret: &str| json!({"idempotencyKey": "k", "webhookUrl": url, "webhookSecret": format!("whsec_{secret}")});
    let (first, second) = ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
    assert_eq!(start("", with(one, first)).await, 201);
    assert_eq!(start("", with(one, first)).await, 200);
    assert_eq!(start("", with(other, first)).await, 409);
    assert_eq!(start("", with(one, second)).await, 409);
    assert_eq!(start("", json!({"idempotencyKey": "k"})).await, 409);
    assert_eq!(start("", json!({"idempotencyKey": "k", "webhookUrl": one})).await, 409);
    assert_eq!(start("", json!({"idempotencyKey": "plain"})).await, 201);
    assert_eq!(start("", json!({"idempotencyKey": "plain"})).await, 200);
    assert_eq!(start("", json!({"idempotencyKey": "plain", "webhookUrl": one})).await, 409);
    // The header says the same.
    assert_eq!(start("idempotency-key: h\r\n", json!({})).await, 201);
    assert_eq!(start("idempotency-key: h\r\n", json!({})).await, 200);
    assert_eq!(start("", json!({"idempotencyKey": "h"})).await, 200);
    assert_eq!(start("idempotency-key: h\r\n", json!({"idempotencyKey": "h"})).await, 200);
    assert_eq!(start("idempotency-key: h\r\n", json!({"idempotencyKey": "i"})).await, 400);
    assert_eq!(start("idempotency-key: h\r\nidempotency-key: i\r\n", json!({})).await, 400);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn rule_61_unknown_fields_are_refused_on_own_routes_and_named_on_the_ancestors() {
    let server = serve().await;
    let started = send(&server, "POST", "/brains/runs", "", r#"{"identifier":"idle"}"#).await;
    let run = started.rsplit_once("\"brainRunId\":\"").unwrap().1.split('"').next().unwrap().to_owned();
    let of_run = |tail: &str| format!("/brains/runs/{run}/{tail}");
    let rerun = json!({"runId": run, "startsAt": 1, "colour": "red"}).to_string();
    let answer = send(&server, "POST", "/brains/runs/rerun", "", &rerun).await;
    assert!(matches!(status(&answer), 200 | 409), "{answer}");
    if status(&answer) == 200 {
        assert!(answer.to_lowercase().contains("px-warning: unknown field colour"), "{answer}");
    }
    for (target, body, part) in [
        (
            "/brains/runs/rerun".to_owned(),
            json!({"runId": run, "startsAt": 1, "webhookURL": "x"}),
            "'webhookUrl'",
        ),
        (of_run("resume"), json!({"webhook_url": "x"}), "'webhookUrl'"),
        (of_run("fork"), json!({"startsAt": 1, "colour": "red"}), "unknown field 'colour'"),
        (of_run("fork"), json!({"startsAt": 1, "requestid": "x"}), "'requestId'"),
    ] {
        let answer = send(&server, "POST", &target, "", &body.to_string()).await;
        assert!(status(&answer) == 400 && answer.contains(part), "{target} {body}: {answer}");
    }
    // What is fixed comes first.
    let fixed = send(&server, "POST", "/brains/runs/rerun", "", r#"{"runid":"x"}"#).await;
    assert!(fixed.contains("Missing runId in request body"), "{fixed}");
    let signal = json!({"type": "KIL", "respnse": {}}).to_string();
    let answer = send(&server, "POST", &of_run("signals"), "", &signal).await;
    assert!(answer.contains("Invalid signal type"), "{answer}");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn rule_61_what_is_passed_over_is_named_once_for_each_field_and_as_plain_text() {
    let server = serve().await;
    let warnings = async |target: &str, body: &str| {
        let answer = send(&server, "POST", target, "", body).await;
        let lines = parts(&answer).0.lines().filter_map(|line| line.split_once(": "));
        let named = lines.filter(|(name, _)| name.eq_ignore_ascii_case("px-warning"));
        (status(&answer), named.map(|(_, value)| value.to_owned()).collect::<Vec<_>>())
    };
    let started =
        async |more: &str| warnings("/brains/runs", &format!("{{\"identifier\":\"idle\"{more}}}")).await;
    assert_eq!(started("").await, (201, vec![]), "nothing is passed over");
    // Twice is once, and a name that could end the line is none that does.
    let odd = r#","userName":1,"userName":2,"x\r\ny: \u00e4":3"#;
    let named = ["unknown field userName".to_owned(), "unknown field x??y:??".to_owned()];
    assert_eq!(started(odd).await, (201, named.to_vec()));
    let many: String = (0..500).map(|n| format!(",\"unknown{n}\":0")).collect();
    let (status, named) = started(&many).await;
    assert!(status == 201 && (1..20).contains(&named.len()), "{named:?}");
    // A slip is refused, and then nothing is passed over.
    for slip in ["optoins", "IDENTIFIER", "webhook_url", "idempotencykey"] {
        assert_eq!(started(&format!(",\"{slip}\":\"x\"")).await, (400, vec![]), "{slip}");
    }
    let answer = send(&server, "POST", "/brains/runs", "", r#"{"identifier":"idle"}"#).await;
    let run: Value = serde_json::from_str(parts(&answer).1).unwrap();
    let signals = format!("/brains/runs/{}/signals", run["brainRunId"].as_str().unwrap());
    // What is no signal of a run that is over is refused, whatever else is there.
    let (status, _) = warnings(&signals, r#"{"type":"RESUME","colour":1}"#).await;
    assert_eq!(status, 409);
    // On px's own routes nothing is passed over.
    assert_eq!(warnings("/tokens", r#"{"name":"x","colour":1}"#).await, (400, vec![]));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_page_of_a_log_has_a_size_and_a_cursor() {
    let server = serve().await;
    let json = async |method: &str, target: &str, body: &str| -> Value {
        let answer = send(&server, method, target, "", body).await;
        serde_json::from_str(parts(&answer).1).unwrap()
    };
    let started = json("POST", "/brains/runs", r#"{"identifier":"loud"}"#).await;
    let run = started["brainRunId"].as_str().unwrap();
    let ended =
        async { while json("GET", &format!("/brains/runs/{run}"), "").await["status"] != "complete" {} };
    tokio::time::timeout(LONG, ended).await.expect("it is over");
    let (mut seqs, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let page = json("GET", &format!("/brains/runs/{run}/events?limit=1000{cursor}"), "").await;
        assert!(page.to_string().len() < 9 << 20, "a page is about 8 MiB at most");
        let events = page["events"].as_array().unwrap();
        assert_eq!(page["count"], events.len());
        seqs.extend(events.iter().map(|event| event["seq"].as_u64().unwrap()));
        pages += 1;
        let Some(next) = page["nextCursor"].as_u64() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(pages, 2, "{} entries", seqs.len());
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>(), "each entry once, in order");
    server.shutdown().await.unwrap();
}
