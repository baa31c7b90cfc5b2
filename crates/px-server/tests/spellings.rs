//! Who this machine is, as bytes on a socket: the spellings that a client
//! library would tidy up, or not send at all. The API without tokens and a
//! webhook without its secret have to agree on each.
//!
//! The rule's own table is in `px-verify/tests/local.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod support;

use px_sdk::{Inbound, Result, verify};
use px_server::Running;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use support::{raw, status};

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Nothing {}

mod open {
    use super::*;
    px_sdk::webhook! {
        slug = "open",
        payload = Nothing,
        response = Nothing,
        verify = verify::unverified(),
        handler = receive,
    }
}

async fn receive(_: Nothing) -> Result<Inbound<Nothing>> {
    Ok(Inbound::ignore("seen"))
}

async fn serve() -> Running {
    let origins = vec!["https://app.example".into(), "http://localhost:3000".into()];
    support::serve(|options| options.cors_origins = origins).await
}

/// What is sent raw: the target's beginning, the version, and the lines of the head.
type Spelling = (&'static str, &'static str, &'static [u8]);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    In,
    Foreign,
    /// Not HTTP: it does not come as far as a door.
    Malformed,
}
use Found::{Foreign, In, Malformed};

const SPELLINGS: &[(Spelling, Found)] = &[
    (("", "HTTP/1.1", b"Host: localhost\r\n"), In),
    (("", "HTTP/1.1", b"HOST:localhost\r\n"), In),
    (("", "HTTP/1.1", b"host: \t LOCALHOST:8787 \t \r\n"), In),
    (("", "HTTP/1.1", b"Host: localhost\r\nHost: localhost\r\n"), Malformed),
    (("", "HTTP/1.1", b"Host: localhost\r\nhost: evil.example\r\n"), Malformed),
    (("", "HTTP/1.1", b"Host: evil.example\r\nHost: localhost\r\n"), Malformed),
    (("", "HTTP/1.1", b"Host: localhost, evil.example\r\n"), Malformed),
    (("", "HTTP/1.1", b"Host:\r\n"), Foreign),
    (("", "HTTP/1.1", b"Host: localhost.\r\n"), Foreign),
    (("", "HTTP/1.1", b"Host: localhost\x0b\r\n"), Malformed),
    (("", "HTTP/1.1", b"Host: local\thost\r\n"), Malformed),
    (("", "HTTP/1.1", b"Host: local\x00host\r\n"), Malformed),
    (("", "HTTP/1.1", b"Host: localhost\xff\r\n"), Malformed),
    (("", "HTTP/1.1", b"Host : localhost\r\n"), Malformed),
    (("", "HTTP/1.1", b"Host: localhost\r\n evil.example\r\n"), Malformed),
    (("", "HTTP/1.1", b"Host: localhost:80@evil.example\r\n"), Malformed),
    (("", "HTTP/1.1", b"Host: evil.example@localhost\r\n"), Malformed),
    (("", "HTTP/1.1", b"Host: 127.0.0.1:evil.example\r\n"), Malformed),
    (("", "HTTP/1.1", b"Host: [::1].evil.example\r\n"), Malformed),
    (("", "HTTP/1.1", b"Host: [::1]evil.example\r\n"), Malformed),
    (("", "HTTP/1.1", b"Host: [fe80::1%25lo]\r\n"), Malformed),
    (("", "HTTP/1.1", b"Host: 0x7f.1\r\n"), Foreign),
    (("", "HTTP/1.1", b"Host: 2130706433\r\n"), Foreign),
    (("", "HTTP/1.1", b"Host: 127.1\r\n"), Foreign),
    (("", "HTTP/1.1", b"Host: [::ffff:7f00:1]:8787\r\n"), In),
    (("", "HTTP/1.0", b""), In),
    (("", "HTTP/1.0", b"Host: evil.example\r\n"), Foreign),
    (("", "HTTP/1.0", b"Origin: http://localhost\r\n"), Foreign),
    (("http://localhost", "HTTP/1.1", b"Host: localhost\r\n"), In),
    (("http://localhost", "HTTP/1.0", b""), In),
    (("http://evil.example", "HTTP/1.1", b"Host: localhost\r\n"), Foreign),
    (("http://evil.example", "HTTP/1.0", b""), Foreign),
    (("http://localhost@evil.example", "HTTP/1.1", b"Host: localhost\r\n"), Foreign),
    (("http://localhost", "HTTP/1.1", b"Host: evil.example\r\n"), Foreign),
    (("https://localhost", "HTTP/1.1", b"Host: localhost\r\n"), Foreign),
    (("HTTP://LOCALHOST:1", "HTTP/1.1", b"Host: localhost\r\n"), In),
    (("", "HTTP/1.1", b"Host: localhost\r\nOrigin: http://localhost\r\n"), In),
    (("", "HTTP/1.1", b"Host: localhost\r\nOrigin: http://localhost:3000\r\n"), In),
    (("", "HTTP/1.1", b"Host: localhost\r\nOrigin: http://localhost:3001\r\n"), Foreign),
    (("", "HTTP/1.1", b"Host: localhost\r\nOrigin: http://localhost/\r\n"), Foreign),
    (("", "HTTP/1.1", b"Host: localhost\r\nOrigin: http://203.0.113.66\r\n"), Foreign),
    (("", "HTTP/1.1", b"Host: localhost\r\nOrigin: null\r\n"), Foreign),
    (("", "HTTP/1.1", b"Host: localhost\r\nOrigin:\r\n"), Foreign),
    (("", "HTTP/1.1", b"Host: localhost\r\nOrigin: http://localhost\r\nOrigin: https://evil.example\r\n"), Foreign),
    (("", "HTTP/1.1", b"Host: localhost\r\nOrigin: https://app.example\r\nOrigin: https://evil.example\r\n"), Foreign),
    (("", "HTTP/1.1", b"Host: localhost\r\nORIGIN:https://evil.example\r\n"), Foreign),
    (("", "HTTP/1.1", b"Host: localhost\r\nOrigin: https://app.example\r\nSec-Fetch-Site: cross-site\r\n"), In),
    (("", "HTTP/1.1", b"Host: localhost\r\nSec-Fetch-Site: cross-site\r\n"), Foreign),
    (("", "HTTP/1.1", b"Host: localhost\r\nsec-fetch-site: same-site\r\n"), Foreign),
    (("", "HTTP/1.1", b"Host: localhost\r\nSec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site\r\n"), Foreign),
    (("", "HTTP/1.1", b"Host: localhost\r\nSec-Fetch-Site: none\r\n"), In),
    (("", "HTTP/1.1", b"Host: localhost\r\nX-Forwarded-For:\r\n"), Foreign),
    (("", "HTTP/1.1", b"Host: localhost\r\nx_forwarded_for: 127.0.0.1\r\n"), Foreign),
    (("", "HTTP/1.1", b"Host: localhost\r\nVIA: 1.1 localhost\r\n"), Foreign),
    (("", "HTTP/1.1", b"Host: localhost\r\nCf-Connecting-Ip: 127.0.0.1\r\n"), Foreign),
    (
        (
            "",
            "HTTP/1.1",
            b"Host: localhost\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nOrigin: https://evil.example\r\n",
        ),
        Foreign,
    ),
];

async fn ask(server: &Running, line: &str, (base, version, lines): Spelling, body: &str) -> u16 {
    let (method, path) = line.split_once(' ').unwrap();
    let mut bytes = format!("{method} {base}{path} {version}\r\nConnection: close\r\n").into_bytes();
    bytes.extend_from_slice(lines);
    if !body.is_empty() {
        let length = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        bytes.extend_from_slice(length.as_bytes());
    }
    bytes.extend_from_slice(format!("\r\n{body}").as_bytes());
    status(&raw(server, &bytes).await)
}

#[tokio::test]
async fn the_api_and_unverified_webhooks_agree_on_every_spelling() {
    let server = serve().await;
    assert!(SPELLINGS.len() > 50);
    let run = r#"{"identifier":"nobody"}"#;
    for (spelling, wanted) in SPELLINGS {
        let shown = (spelling.0, spelling.1, String::from_utf8_lossy(spelling.2));
        let read = ask(&server, "GET /brains", *spelling, "").await;
        let write = ask(&server, "POST /brains/runs", *spelling, run).await;
        let webhook = ask(&server, "POST /webhooks/open", *spelling, "{}").await;
        let statuses = match wanted {
            In => (200, 404, 200),
            Foreign => (403, 403, 401),
            Malformed => (400, 400, 400),
        };
        assert_eq!((read, write, webhook), statuses, "{shown:?}");
    }
    server.shutdown().await.unwrap();
}

/// The body's type, as bytes: no page can send one of the first group without
/// being asked by its browser.
#[tokio::test]
async fn bodies_of_the_api_say_that_they_are_json() {
    let server = serve().await;
    let body = r#"{"identifier":"nobody"}"#;
    let length = format!("Content-Length: {}\r\n", body.len());
    let post = async |lines: &str, body: &str| {
        let head =
            format!("POST /brains/runs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n");
        status(&raw(&server, format!("{head}{body}").as_bytes()).await)
    };
    for good in [
        "Content-Type: application/json",
        "content-type:APPLICATION/JSON",
        "Content-Type: application/json; charset=utf-8",
        "Content-Type: application/json ;x=y",
        "Content-Type: application/json\r\nContent-Type: application/json; charset=utf-8",
    ] {
        assert_eq!(post(&format!("{good}\r\n{length}"), body).await, 404, "{good}");
    }
    for bad in [
        "Accept: application/json",
        "Content-Type:",
        "Content-Type: text/plain",
        "Content-Type: text/plain; application/json",
        "Content-Type: text/plain, application/json",
        "Content-Type: application/json, text/plain",
        "Content-Type: application/jsonp",
        "Content-Type: application/x-www-form-urlencoded",
        "Content-Type: multipart/form-data; boundary=application/json",
        "Content-Type: application/json\r\nContent-Type: text/plain",
    ] {
        assert_eq!(post(&format!("{bad}\r\n{length}"), body).await, 415, "{bad}");
    }
    // Without a body no type is asked, however there is none; in pieces there is one.
    assert_eq!(post("", "").await, 400);
    assert_eq!(post("Content-Length: 0\r\nContent-Type: text/plain\r\n", "").await, 400);
    assert_eq!(post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n").await, 400);
    let pieces = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    assert_eq!(post("Transfer-Encoding: chunked\r\n", &pieces).await, 415);
    assert_eq!(post("Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n", &pieces).await, 404);
    server.shutdown().await.unwrap();
}
