//! Webhooks with middleware and verifiers of the user's own, and CloudEvents'
//! question who may send, over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod support;

use std::sync::Mutex;
use std::time::Duration;

use px_inbound::{GateLimits, Policy};
use px_sdk::layer::{self, BoxError, Next, Request, Response};
use px_sdk::verify::{self, Refused, equal};
use px_sdk::{Inbound, Received, Reply, Result};
use px_server::{Options, Running, WebhookOptions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
struct Anything(Value);

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Nothing {}

/// Answers what the layers have added, in their order.
async fn receive(received: &Received, _: Anything) -> Result<Inbound<Nothing>> {
    let added: Vec<&str> =
        received.headers.get_all("x-added").iter().filter_map(|value| value.to_str().ok()).collect();
    Ok(Inbound::reply(Reply::text(added.join(" "))))
}

fn adds(word: &'static str) -> layer::FromFn<impl Fn(Request, Next) -> Boxed + Clone + Send + Sync> {
    layer::from_fn(move |mut request: Request, next: Next| -> Boxed {
        request.headers_mut().append("x-added", http::HeaderValue::from_static(word));
        Box::pin(next.run(request))
    })
}
type Boxed = std::pin::Pin<Box<dyn Future<Output = std::result::Result<Response, BoxError>> + Send>>;

static STICK: Mutex<()> = Mutex::new(());

async fn guard(request: Request, next: Next) -> std::result::Result<Response, BoxError> {
    match request.headers().get("x-wish").map(http::HeaderValue::as_bytes) {
        Some(b"refuse") => Ok(http::Response::builder().status(418).body(layer::body("no tea"))?),
        Some(b"fail") => Err("it broke".into()),
        Some(b"change") => next.run(request.map(|_| layer::body("[]"))).await,
        Some(b"mark") => {
            let mut response = next.run(request).await?;
            response.headers_mut().insert("x-marked", http::HeaderValue::from_static("yes"));
            Ok(response)
        }
        Some(b"panic") => panic!("as asked"),
        // Holds its thread and the request until the test lets go.
        Some(b"stick") => {
            drop(STICK.lock().unwrap());
            next.run(request).await
        }
        _ => next.run(request).await,
    }
}

/// `X-Word: <the secret>`.
fn word(received: &Received, secret: &str) -> std::result::Result<(), Refused> {
    let given = received.header("x-word").ok_or(Refused::Missing("x-word"))?;
    if equal(given.as_bytes(), secret.as_bytes()) { Ok(()) } else { Err(Refused::Invalid) }
}

mod guarded {
    use super::*;
    px_sdk::webhook! {
        slug = "guarded",
        payload = Anything,
        response = Nothing,
        verify = verify::unverified(),
        handler = receive,
        layer = adds("outer"),
        layer = adds("inner"),
        layer = layer::from_fn(guard),
        layer = tower::util::MapRequestLayer::new(plain),
    }

    /// A layer of `tower`'s own.
    fn plain(mut request: Request) -> Request {
        request.headers_mut().append("x-added", http::HeaderValue::from_static("tower"));
        request
    }
}

mod own {
    use super::*;
    px_sdk::webhook! {
        slug = "own",
        payload = Anything,
        response = Nothing,
        verify = verify::custom("WORD", word).secret_header("x-word").dedup_header("x-id"),
        handler = receive,
    }
}

mod events {
    use super::*;
    px_sdk::webhook! {
        slug = "events",
        payload = Anything,
        response = Nothing,
        verify = verify::cloudevents("WORD"),
        handler = receive,
    }
}

async fn serve(change: impl FnOnce(&mut Options)) -> Running {
    support::serve(|options| {
        options.env = Box::new(|name| (name == "WORD").then(|| "open sesame".to_owned()));
        (options.body_timeout, options.max_body) = (Duration::from_secs(1), 1_000);
        change(options);
    })
    .await
}

async fn send(
    server: &Running,
    method: &str,
    slug: &str,
    headers: &str,
    body: &str,
) -> (u16, String, String) {
    let answer = support::send(server, method, slug, headers, body).await;
    let (head, body) = support::parts(&answer);
    (support::status(&answer), head.to_lowercase(), body.to_owned())
}

#[tokio::test]
async fn layers_see_what_comes_in_and_what_goes_out() {
    let server = serve(|_| {}).await;
    let ask =
        async |headers: &str, body: &str| send(&server, "POST", "/webhooks/guarded", headers, body).await;
    let (status, head, body) = ask("", "{}").await;
    assert_eq!((status, body.as_str()), (200, "outer inner tower"));
    assert!(head.contains("px-action: ignored"), "{head}");
    assert_eq!(ask("x-wish: refuse\r\n", "{}").await.2, "no tea");
    assert_eq!(ask("x-wish: refuse\r\n", "{}").await.0, 418);
    let (status, head, _) = ask("x-wish: fail\r\n", "{}").await;
    assert!(status == 503 && head.contains("retry-after: 1"), "{head}");
    let (status, _, body) = ask("x-wish: panic\r\n", "{}").await;
    let failed = serde_json::json!({"code": "PX0027", "error": "Failed to process webhook"});
    assert_eq!((status, serde_json::from_str(&body).ok()), (500, Some(failed)));
    assert_eq!(ask("x-wish: change\r\n", "not json").await.0, 200, "the handler sees another body");
    assert!(ask("x-wish: mark\r\n", "{}").await.1.contains("x-marked: yes"));
    // Within the layers all is as without them.
    assert_eq!(ask("", "not json").await.0, 400);
    assert_eq!(ask("", &"x".repeat(1_001)).await.0, 413);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_place_in_the_gate_is_held_through_the_layers_and_given_back() {
    let server = serve(|options| {
        options.gate = GateLimits { in_flight_per_address: 1, ..GateLimits::default() };
    })
    .await;
    for wish in ["refuse", "fail", "mark", "none"] {
        for _ in 0..2 {
            let headers = format!("x-wish: {wish}\r\n");
            let answer = send(&server, "POST", "/webhooks/guarded", &headers, "{}").await;
            assert!(!answer.2.contains("at once"), "{wish}: {}", answer.2);
        }
    }
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_never_yields_gives_the_place_in_the_gate_back() {
    let server = serve(|options| {
        options.gate = GateLimits { in_flight_per_address: 1, ..GateLimits::default() };
        options.body_timeout = Duration::from_millis(1);
    })
    .await;
    let (server, stuck) = tokio::task::spawn_blocking(move || {
        let stick = STICK.lock().unwrap();
        let ask = |headers: &str| {
            tokio::runtime::Handle::current().block_on(send(
                &server,
                "POST",
                "/webhooks/guarded",
                headers,
                "{}",
            ))
        };
        let stuck = ask("x-wish: stick\r\n");
        let next = ask("");
        assert_eq!(next.0, 200, "another one is let in while the first is still held: {}", next.2);
        drop(stick);
        (server, stuck)
    })
    .await
    .unwrap();
    assert_eq!(stuck.0, 503, "{}", stuck.2);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_verifier_in_code_is_asked_and_its_proof_is_not_kept() {
    let server = serve(|_| {}).await;
    let ask = async |headers: &str| send(&server, "POST", "/webhooks/own", headers, "{}").await;
    assert_eq!(ask("x-word: open sesame\r\nx-id: 1\r\n").await.0, 200);
    assert!(ask("x-word: open sesame\r\nx-id: 1\r\n").await.1.contains("px-action: duplicate"));
    assert_eq!(ask("x-word: sesame\r\n").await.2, r#"{"code":"PX0023","error":"Signature invalid"}"#);
    assert_eq!(ask("").await.0, 401);
    let (_, _, listed) = send(&server, "GET", "/webhooks/deliveries", "", "").await;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    for delivery in listed["deliveries"].as_array().unwrap() {
        let target = format!("/webhooks/deliveries/{}", delivery["id"].as_str().unwrap());
        let (status, _, shown) = send(&server, "GET", &target, "", "").await;
        assert_eq!(status, 200);
        assert!(!shown.contains("sesame"), "{shown}");
    }
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn cloudevents_asks_whether_it_may_send() {
    let asks = "webhook-request-origin: eventemitter.example.com\r\nwebhook-request-rate: 120\r\n";
    let server = serve(|_| {}).await;
    let (status, head, body) = send(&server, "OPTIONS", "/webhooks/events", asks, "").await;
    assert_eq!((status, body.as_str()), (200, ""));
    assert!(head.contains("webhook-allowed-origin: eventemitter.example.com"), "{head}");
    assert!(head.contains("webhook-allowed-rate: *") && head.contains("allow: post"), "{head}");
    // Who does not ask so, and where nobody asks so, gets no permission.
    for (slug, headers, expected) in
        [("/webhooks/events", "", 204), ("/webhooks/own", asks, 204), ("/webhooks/nobody", asks, 404)]
    {
        let (status, head, _) = send(&server, "OPTIONS", slug, headers, "").await;
        assert!(status == expected && !head.contains("webhook-allowed"), "{head}");
    }
    // It authorizes nobody.
    assert_eq!(send(&server, "POST", "/webhooks/events", asks, "{}").await.0, 401);
    server.shutdown().await.unwrap();
    let server = serve(|options| {
        let policy = Policy { per_second: Some(3), ..Policy::default() };
        options.webhooks.insert("events".into(), WebhookOptions { policy, ..WebhookOptions::default() });
    })
    .await;
    let (_, head, _) = send(&server, "OPTIONS", "/webhooks/events", asks, "").await;
    assert!(head.contains("webhook-allowed-rate: 180"), "{head}");
    server.shutdown().await.unwrap();
}
