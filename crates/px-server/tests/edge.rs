//! The edge over real sockets: handshakes as the providers document them,
//! replies of a handler's own, a provider that only the operator knows, and
//! the gate in front of it all.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderValue, Method};
use px_core::{Clock as _, SystemClock};
use px_inbound::verify::sign::{OutboundRequest, sign};
use px_inbound::{GateLimits, Policy, Setup};
use px_sdk::verify::{self, Key, Verification};
use px_sdk::{Brain, Cx, Inbound, Next, Received, Registry, Reply, Result, brain};
use px_server::{Options, Running, WebhookOptions};
use px_store_rows::{Embedded, MemoryRows};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
/// RFC 8032, 7.1, test 2: the seed and the public key.
const DISCORD_PAIR: &str = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb\
                            3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
struct Anything(Value);

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Nothing {}

async fn receive(received: &Received, payload: Anything) -> Result<Inbound<Nothing>> {
    Ok(match payload.0.get("reply").and_then(Value::as_str) {
        Some("text") => Inbound::reply(Reply::text("hello")),
        Some("xml") => Inbound::reply(Reply::xml("<Response/>")),
        Some("teapot") => Inbound::reply(Reply { status: 202, ..Reply::json(&json!({"own": true})) }),
        Some("query") => Inbound::reply(Reply::text(received.query.clone().unwrap_or_default())),
        Some("panic") => panic!("the handler panics, as it was asked to"),
        _ => Inbound::ignore("seen"),
    })
}

macro_rules! webhook {
    ($name:ident, $slug:literal, $verification:expr) => {
        mod $name {
            use super::*;
            px_sdk::webhook! {
                slug = $slug,
                payload = Anything,
                response = Nothing,
                verify = $verification,
                handler = receive,
            }
        }
    };
}
webhook!(slack, "slack", verify::slack("SECRET"));
webhook!(slack_command, "slack-command", verify::slack_command("SECRET"));
webhook!(zoom, "zoom", verify::zoom("SECRET"));
webhook!(meta, "meta", verify::meta("SECRET", "VERIFY_TOKEN"));
webhook!(discord, "discord", verify::discord("DISCORD"));
webhook!(discord_events, "discord-events", verify::discord_events("DISCORD"));
webhook!(stripe, "stripe", verify::stripe("SECRET"));
webhook!(github, "github", verify::github("SECRET"));
webhook!(own, "own", verify::unverified());

fn idle() -> Brain<Nothing> {
    brain("idle").step("end", end).build()
}
px_sdk::brain!(idle);

async fn end(_: Cx, nothing: Nothing) -> Result<Next<Nothing>> {
    Ok(Next(nothing))
}

async fn serve(change: impl FnOnce(&mut Options)) -> Running {
    let registry = Arc::new(Registry::collect().unwrap());
    let mut options = Options::new(registry, Arc::new(Embedded::new(MemoryRows::new())));
    options.bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    options.env = Box::new(|name| match name {
        "SECRET" => Some(SECRET.into()),
        "VERIFY_TOKEN" => Some("verify me".into()),
        "DISCORD" => Some(DISCORD_PAIR[64..].into()),
        _ => None,
    });
    change(&mut options);
    px_server::start(options).await.unwrap()
}

struct Answered {
    status: u16,
    head: String,
    body: String,
}

impl Answered {
    fn has(&self, line: &str) -> bool {
        self.head.to_lowercase().contains(&line.to_lowercase())
    }
}

async fn connect(server: &Running, from: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, from), 0))).unwrap();
    socket.connect(server.local_addr()).await.unwrap()
}

async fn finish(mut stream: TcpStream) -> Answered {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let text = String::from_utf8(answer).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answered { status, head: head.to_owned(), body: body.to_owned() }
}

async fn send_from(
    server: &Running,
    from: u8,
    method: &str,
    target: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Answered {
    let mut stream = connect(server, from).await;
    // The API without tokens, and webhooks without a secret, are for this machine only.
    let mut head = format!("{method} {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    finish(stream).await
}

async fn send(server: &Running, method: &str, target: &str, headers: &HeaderMap, body: &[u8]) -> Answered {
    send_from(server, 1, method, target, headers, body).await
}

/// A request as its provider signs it.
fn signed(verification: &Verification, secret: &str, body: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    let mut request = OutboundRequest {
        method: Method::POST,
        url: "http://px.example/".into(),
        headers,
        body: Bytes::copy_from_slice(body.as_bytes()),
    };
    sign(verification, &secret.to_owned().into(), &mut request, SystemClock.now()).unwrap();
    request.headers
}

async fn deliveries(server: &Running) -> usize {
    let listed = send(server, "GET", "/webhooks/deliveries", &HeaderMap::new(), b"").await;
    serde_json::from_str::<Value>(&listed.body).unwrap()["deliveries"].as_array().unwrap().len()
}

#[tokio::test]
async fn slack_asks_for_its_challenge_and_probes_certificates() {
    let server = serve(|_| {}).await;
    let body = r#"{"token":"x","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}"#;
    let headers = signed(&verify::slack("S"), SECRET, body);
    let answer = send(&server, "POST", "/webhooks/slack", &headers, body.as_bytes()).await;
    assert_eq!(answer.status, 200);
    let said: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(said, json!({"challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}));
    // No echo for anybody: unsigned it is refused.
    let unsigned = signed(&verify::slack("S"), "another secret", body);
    assert_eq!(send(&server, "POST", "/webhooks/slack", &unsigned, body.as_bytes()).await.status, 401);
    let probe = send(&server, "GET", "/webhooks/slack-command?ssl_check=1", &HeaderMap::new(), b"").await;
    assert_eq!((probe.status, probe.body.as_str()), (200, ""));
    assert_eq!(deliveries(&server).await, 1, "only the refused one");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn zoom_wants_its_token_encrypted_every_time() {
    let server = serve(|_| {}).await;
    let body = r#"{"payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"},"event_ts":1654503849680,"event":"endpoint.url_validation"}"#;
    let headers = signed(&verify::zoom("S"), SECRET, body);
    for _ in 0..3 {
        let answer = send(&server, "POST", "/webhooks/zoom", &headers, body.as_bytes()).await;
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(b"qgg8vlvZRS6UYooatFL8Aw");
        let encrypted = hex::encode(mac.finalize().into_bytes());
        let said: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(said, json!({"plainToken": "qgg8vlvZRS6UYooatFL8Aw", "encryptedToken": encrypted}));
        assert_eq!(answer.status, 200);
    }
    assert_eq!(deliveries(&server).await, 0);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn meta_subscribes_by_get_with_the_verify_token() {
    let server = serve(|_| {}).await;
    let asked = |token: &str| {
        format!("/webhooks/meta?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={token}")
    };
    let answer = send(&server, "GET", &asked("verify%20me"), &HeaderMap::new(), b"").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "1158201444"));
    assert!(answer.has("content-type: text/plain"), "{}", answer.head);
    let refused = send(&server, "GET", &asked("guess"), &HeaderMap::new(), b"").await;
    assert_eq!(refused.status, 401);
    assert!(!refused.body.contains("1158201444"));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn discord_pings_and_sends_bad_signatures_on_purpose() {
    let server = serve(|_| {}).await;
    let ping = r#"{"type":1,"id":"1"}"#;
    let good = signed(&verify::discord("S"), DISCORD_PAIR, ping);
    let answer = send(&server, "POST", "/webhooks/discord", &good, ping.as_bytes()).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"type":1}"#));
    assert!(answer.has("content-type: application/json"));

    let other = "{\"type\":1,\"id\":\"2\"}";
    let mut without = good.clone();
    without.remove("x-signature-ed25519");
    let mut junk = good.clone();
    junk.insert("x-signature-ed25519", HeaderValue::from_static("not hex"));
    for (headers, body) in [(&good, other), (&without, ping), (&junk, ping)] {
        let answer = send(&server, "POST", "/webhooks/discord", headers, body.as_bytes()).await;
        assert_eq!(answer.status, 401, "{}", answer.body);
    }
    // A command is deferred; an event is acknowledged without a body.
    let command = r#"{"type":2,"id":"3"}"#;
    let headers = signed(&verify::discord("S"), DISCORD_PAIR, command);
    let answer = send(&server, "POST", "/webhooks/discord", &headers, command.as_bytes()).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"type":5}"#));
    for event in [r#"{"type":0}"#, r#"{"type":1,"event":{"type":"APPLICATION_AUTHORIZED"}}"#] {
        let headers = signed(&verify::discord_events("S"), DISCORD_PAIR, event);
        let answer = send(&server, "POST", "/webhooks/discord-events", &headers, event.as_bytes()).await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    }
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_handler_replies_with_text_xml_or_a_status_of_its_own() {
    let server = serve(|_| {}).await;
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    for (wish, status, kind, text) in [
        ("text", 200, "text/plain", "hello"),
        ("xml", 200, "application/xml", "<Response/>"),
        ("teapot", 202, "application/json", r#"{"own":true}"#),
        ("query", 200, "text/plain", "a=1&b"),
    ] {
        let body = json!({ "reply": wish }).to_string();
        let answer = send(&server, "POST", "/webhooks/own?a=1&b", &headers, body.as_bytes()).await;
        assert_eq!((answer.status, answer.body.as_str()), (status, text));
        assert!(
            answer.has(&format!("content-type: {kind}")) && answer.has("px-action: ignored"),
            "{}",
            answer.head
        );
    }
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn hard_case_18_a_handler_that_panics_is_500_quarantined_and_the_server_lives() {
    let server = serve(|_| {}).await;
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    for _ in 0..3 {
        let answer = send(&server, "POST", "/webhooks/own", &headers, br#"{"reply":"panic"}"#).await;
        assert_eq!(answer.status, 500);
        assert!(answer.body.contains("Failed to process webhook"), "{}", answer.body);
        assert!(answer.has("px-action: quarantined"), "{}", answer.head);
    }
    let listed = send(&server, "GET", "/webhooks/deliveries?state=quarantined", &HeaderMap::new(), b"").await;
    let listed: Value = serde_json::from_str(&listed.body).unwrap();
    assert_eq!(listed["deliveries"].as_array().unwrap().len(), 3);
    let answer = send(&server, "POST", "/webhooks/own", &headers, br#"{"reply":"text"}"#).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "hello"));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_provider_that_only_the_operator_knows_takes_the_codes_place() {
    let record = r#"
        provider = "acme"
        secret = "SECRET"
        dedup = [{ header = "acme-delivery" }]
        [scheme.signature]
        header = "acme-signature"
        layout = { plain = { prefix = "v1=" } }
        signed = ["timestamp", { literal = "." }, "body"]
        algorithm = "hmac-sha256"
        window = { source = { header = "acme-timestamp" } }
    "#;
    let acme: Verification = toml::from_str(record).unwrap();
    let expires = Some(px_core::Timestamp::from_millis(1));
    let expired = Key { expires, ..Key::new("old".to_owned().into()) };
    let second = Key::new("second".to_owned().into());
    let setup = Setup { verification: Some(acme.clone()), keys: vec![expired, second], ..Setup::default() };
    let server = serve(|options| {
        options.webhooks.insert("own".into(), WebhookOptions { setup, ..WebhookOptions::default() });
    })
    .await;
    for (secret, status) in [(SECRET, 200), ("second", 200), ("old", 401), ("guess", 401)] {
        let mut headers = signed(&acme, secret, "{}");
        headers.insert("acme-delivery", HeaderValue::from_str(secret).unwrap());
        let answer = send(&server, "POST", "/webhooks/own", &headers, b"{}").await;
        assert_eq!(answer.status, status, "{secret}: {}", answer.body);
    }
    let again = signed(&acme, SECRET, "{}");
    let mut headers = again.clone();
    headers.insert("acme-delivery", HeaderValue::from_static(SECRET));
    let answer = send(&server, "POST", "/webhooks/own", &headers, b"{}").await;
    assert!(answer.has("px-action: duplicate"));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn bodies_that_trickle_take_no_room_from_others() {
    let server = serve(|options| {
        options.body_timeout = Duration::from_millis(300);
        options.gate = GateLimits { in_flight_per_address: 3, ..GateLimits::default() };
    })
    .await;
    let head = "POST /webhooks/own HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
                content-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    let mut slow = Vec::new();
    for _ in 0..3 {
        let mut stream = connect(&server, 2).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    let headers = signed(&verify::unverified(), "", "{}");
    // The fourth of that address is turned away as soon as the three are inside.
    let turned = loop {
        let answer = send_from(&server, 2, "POST", "/webhooks/own", &headers, b"{}").await;
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!(turned.status, 503, "{}", turned.body);
    assert!(turned.has("retry-after: 1"), "{}", turned.head);
    // Another address is served meanwhile.
    assert_eq!(send_from(&server, 3, "POST", "/webhooks/own", &headers, b"{}").await.status, 200);
    for stream in slow {
        assert_eq!(finish(stream).await.status, 408);
    }
    assert_eq!(send_from(&server, 2, "POST", "/webhooks/own", &headers, b"{}").await.status, 200);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn room_is_kept_for_providers_that_never_send_again() {
    let server = serve(|options| {
        options.body_timeout = Duration::from_secs(2);
        options.gate = GateLimits { in_flight: 4, reserved: 2, ..GateLimits::default() };
    })
    .await;
    // Stripe sends again, GitHub never does: two slow requests leave room for GitHub only.
    let head = "POST /webhooks/stripe HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
                content-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    let mut slow = Vec::new();
    for from in [2, 3] {
        let mut stream = connect(&server, from).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    let stripe = signed(&verify::stripe("S"), SECRET, "{}");
    let turned = loop {
        let answer = send_from(&server, 4, "POST", "/webhooks/stripe", &stripe, b"{}").await;
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!(turned.status, 503, "{}", turned.body);
    assert!(turned.has("retry-after: 1"), "{}", turned.head);
    let github = signed(&verify::github("S"), SECRET, "{}");
    assert_eq!(send_from(&server, 4, "POST", "/webhooks/github", &github, b"{}").await.status, 200);
    for stream in slow {
        assert_eq!(finish(stream).await.status, 408);
    }
    assert_eq!(send_from(&server, 4, "POST", "/webhooks/stripe", &stripe, b"{}").await.status, 200);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn rates_lists_and_heads_are_bounded_behind_a_proxy_too() {
    let server = serve(|options| {
        options.proxies = vec!["127.0.0.9".parse().unwrap()];
        let policy = Policy { per_second_per_address: Some(2), ..Policy::default() };
        options.webhooks.insert("github".into(), WebhookOptions { policy, ..WebhookOptions::default() });
        let policy = Policy { allow: vec!["198.51.100.0/24".parse().unwrap()], ..Policy::default() };
        options.webhooks.insert("stripe".into(), WebhookOptions { policy, ..WebhookOptions::default() });
    })
    .await;
    let status = async |from: u8, slug: &str, client: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_str(client).unwrap());
        let target = format!("/webhooks/{slug}");
        send_from(&server, from, "POST", &target, &headers, b"{}").await.status
    };
    // Behind the proxy each client has a rate of its own; who is none cannot say who it is.
    assert_eq!(status(9, "github", "198.51.100.1").await, 401);
    assert_eq!(status(9, "github", "198.51.100.1").await, 401);
    assert_eq!(status(9, "github", "198.51.100.1").await, 503);
    assert_eq!(status(9, "github", "198.51.100.2").await, 401);
    assert_eq!(status(9, "stripe", "198.51.100.1").await, 401);
    assert_eq!(status(9, "stripe", "203.0.113.1").await, 403);
    assert_eq!(status(8, "stripe", "198.51.100.1").await, 403);

    let mut headers = HeaderMap::new();
    for n in 0..85 {
        let name: http::HeaderName = format!("x-{n}").parse().unwrap();
        headers.insert(name, HeaderValue::from_static("1"));
    }
    assert_eq!(send(&server, "POST", "/webhooks/own", &headers, b"{}").await.status, 431);
    server.shutdown().await.unwrap();
}
