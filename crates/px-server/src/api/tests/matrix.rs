//! Each door of the server against every kind of caller, with and without
//! tokens, over real sockets: every route of the table is asked. A door that is
//! added has no table here, which does not compile; a route that is added is
//! asked as the others of its door are.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "test code: what is unexpected fails the test, and the tables are printed"
)]

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http::Method;
use px_sdk::verify::{self, BodyForm};
use px_sdk::{Inbound, Registry, Result};
use px_store_rows::{Embedded, MemoryRows};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::door::Door;
use super::routes;
use super::table::Route;
use crate::options::Options;
use crate::start::{Running, start};

/// A webhook that verifies nobody, and one of Twilio's kind without its secret,
/// which also takes GET.
mod open {
    use super::*;
    px_sdk::webhook! {
        slug = "open",
        payload = Anything,
        response = Anything,
        verify = verify::unverified().body(BodyForm::ByContentType { payload_field: None }),
        handler = receive,
    }
}
mod sms {
    use super::*;
    px_sdk::webhook! {
        slug = "sms",
        payload = Anything,
        response = Anything,
        verify = verify::twilio("NOT_SET"),
        handler = receive,
    }
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Anything {}

async fn receive(_: Anything) -> Result<Inbound<Anything>> {
    Ok(Inbound::ignore("seen"))
}

/// Expectation for routes without a scope that this module knows: everybody.
const ANYBODY: &str = "\
    cli              in   in   in
    curl             in   in   in
    curl -d          in   in   in
    curl, no body    in   in   in
    HTTP/1.0 probe   in   in   in
    same origin      in   in   in
    allowed origin   in   in   in
    foreign name     in   in   in
    foreign address  in   in   in
    other port       in   in   in
    rebinding        in   in   in
    form             in   in   in
    sandboxed form   in   in   in
    no-cors fetch    in   in   in
    proxy            in   in   in
    proxy, via       in   in   in
    proxy, its host  in   in   in
    silent proxy     in   in   in
";

/// Tokens of the API count for nothing where a sender is verified.
const WEBHOOK: &str = "\
    cli              in   in   in
    curl             in   in   in
    curl -d          in   in   in
    curl, no body    in   in   in
    HTTP/1.0 probe   in   in   in
    same origin      in   in   in
    allowed origin   in   in   in
    foreign name     401  401  401
    foreign address  401  401  401
    other port       401  401  401
    rebinding        401  401  401
    form             401  401  401
    sandboxed form   401  401  401
    no-cors fetch    401  401  401
    proxy            401  401  401
    proxy, via       401  401  401
    proxy, its host  401  401  401
    silent proxy     in   in   in
";

const READ: &str = "\
    cli              in   in   401
    curl             in   in   401
    curl -d          in   in   401
    curl, no body    in   in   401
    HTTP/1.0 probe   in   in   401
    same origin      in   in   401
    allowed origin   in   in   401
    foreign name     403  in   401
    foreign address  403  in   401
    other port       403  in   401
    rebinding        403  in   401
    form             403  in   401
    sandboxed form   403  in   401
    no-cors fetch    403  in   401
    proxy            403  in   401
    proxy, via       403  in   401
    proxy, its host  403  in   401
    silent proxy     in   in   401
";

const WRITE: &str = "\
    cli              in   in   401
    curl             in   in   401
    curl -d          415  415  401
    curl, no body    in   in   401
    HTTP/1.0 probe   in   in   401
    same origin      in   in   401
    allowed origin   in   in   401
    foreign name     403  415  401
    foreign address  403  415  401
    other port       403  415  401
    rebinding        403  in   401
    form             403  415  401
    sandboxed form   403  415  401
    no-cors fetch    403  415  401
    proxy            403  in   401
    proxy, via       403  in   401
    proxy, its host  403  in   401
    silent proxy     in   in   401
";

/// As [`WRITE`], and without tokens no browser.
const FIRST_TOKEN: &str = "\
    cli              in   in   401
    curl             in   in   401
    curl -d          415  415  401
    curl, no body    in   in   401
    HTTP/1.0 probe   in   in   401
    same origin      403  in   401
    allowed origin   403  in   401
    foreign name     403  415  401
    foreign address  403  415  401
    other port       403  415  401
    rebinding        403  in   401
    form             403  415  401
    sandboxed form   403  415  401
    no-cors fetch    403  415  401
    proxy            403  in   401
    proxy, via       403  in   401
    proxy, its host  403  in   401
    silent proxy     in   in   401
";

/// Returns what each caller gets at a door: without tokens; with one, which is sent;
/// with one, which is not sent.
const fn table(door: Door) -> &'static str {
    match door {
        // The token of a form's wait is in its URL, which a foreign page does not know.
        // So is that of a link; it answers for itself who may post.
        Door::Public | Door::Form | Door::Link => ANYBODY,
        Door::Webhook => WEBHOOK,
        Door::Read | Door::Stream => READ,
        Door::Operate | Door::Admin => WRITE,
        Door::FirstToken => FIRST_TOKEN,
    }
}

/// Headers that one caller sends. The lines of a browser are
/// those that it adds to every request, which no page can change.
struct Sent {
    version: &'static str,
    host: String,
    lines: String,
    kind: Option<&'static str>,
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain";
const FORM: &str = "application/x-www-form-urlencoded";

/// Every caller, as the rows of the tables name them.
fn callers(reads: bool, at: SocketAddr) -> Vec<(&'static str, Sent)> {
    let port = at.port();
    let local = format!("localhost:{port}");
    let sent = |host: &str, lines: &[&str], kind| Sent {
        version: "HTTP/1.1",
        host: format!("Host: {host}\r\n"),
        lines: lines.iter().map(|line| format!("{line}\r\n")).collect(),
        kind: Some(kind),
    };
    let own = format!("Origin: http://{local}");
    let rebound = format!("rebound.example:{port}");
    let rebound_origin = format!("Origin: http://{rebound}");
    // A page that only looks sends no Origin, unless the answer is for it to read.
    let origin = |line: &'static str| if reads { "Accept: */*" } else { line };
    let navigation = "Sec-Fetch-Mode: navigate";
    let cors = "Sec-Fetch-Mode: cors";
    let cross = "Sec-Fetch-Site: cross-site";
    vec![
        ("cli", sent(&at.to_string(), &["User-Agent: px", "Accept: */*"], JSON)),
        ("curl", sent(&local, &["User-Agent: curl/8.5.0", "Accept: */*"], JSON)),
        ("curl -d", sent(&local, &["User-Agent: curl/8.5.0"], FORM)),
        ("curl, no body", Sent { kind: None, ..sent(&local, &["User-Agent: curl/8.5.0"], JSON) }),
        ("HTTP/1.0 probe", Sent { version: "HTTP/1.0", host: String::new(), ..sent("", &[], JSON) }),
        (
            "same origin",
            sent(
                &local,
                &[if reads { "Accept: */*" } else { &own }, "Sec-Fetch-Site: same-origin", cors],
                JSON,
            ),
        ),
        ("allowed origin", sent(&local, &["Origin: https://app.example", cross, cors], JSON)),
        ("foreign name", sent(&local, &["Origin: https://evil.example", cross, cors], TEXT)),
        // Over http, and before Fetch Metadata.
        ("foreign address", sent(&local, &["Origin: http://203.0.113.66"], TEXT)),
        (
            "other port",
            sent(&local, &["Origin: http://localhost:3000", "Sec-Fetch-Site: same-site", cors], TEXT),
        ),
        ("rebinding", sent(&rebound, &[&rebound_origin, "Sec-Fetch-Site: same-origin", cors], JSON)),
        (
            "form",
            sent(
                &local,
                &[origin("Origin: https://evil.example"), cross, navigation, "Sec-Fetch-Dest: document"],
                FORM,
            ),
        ),
        (
            "sandboxed form",
            sent(&local, &[origin("Origin: null"), cross, navigation, "Sec-Fetch-Dest: iframe"], FORM),
        ),
        (
            "no-cors fetch",
            sent(&local, &[origin("Origin: https://evil.example"), cross, "Sec-Fetch-Mode: no-cors"], TEXT),
        ),
        ("proxy", sent(&local, &["X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https"], JSON)),
        ("proxy, via", sent(&local, &["Via: 1.1 cache.example"], JSON)),
        ("proxy, its host", sent("px.example", &["User-Agent: curl/8.5.0"], JSON)),
        // It cannot be told from a program of this machine: docs/operating.md says so.
        (
            "silent proxy",
            Sent { version: "HTTP/1.0", ..sent(&at.to_string(), &["User-Agent: curl/8.5.0"], JSON) },
        ),
    ]
}

async fn serve() -> Running {
    let registry = Arc::new(Registry::collect().unwrap());
    let options = Options {
        bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        cors_origins: vec!["https://app.example".to_owned()],
        ..Options::new(registry, Arc::new(Embedded::new(MemoryRows::new())))
    };
    start(options).await.unwrap()
}

struct Answered {
    status: u16,
    code: String,
    body: Value,
}

/// One request on a connection of its own. Of a stream the head is read alone.
async fn ask(at: SocketAddr, method: &Method, target: &str, sent: &Sent, token: &str) -> Answered {
    let body = match (method, sent.kind) {
        (&Method::GET | &Method::OPTIONS, _) | (_, None) => "",
        (_, Some(FORM)) => "name=x",
        _ if target == "/tokens" => r#"{"name":"x","scope":"admin"}"#,
        _ => "{}",
    };
    let mut head = format!("{method} {target} {}\r\n{}{}", sent.version, sent.host, sent.lines);
    if !token.is_empty() {
        let _ = write!(head, "Authorization: Bearer {token}\r\n");
    }
    if let (Some(kind), false) = (sent.kind, body.is_empty()) {
        let _ = write!(head, "Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
    }
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(format!("{head}Connection: close\r\n\r\n{body}").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let is_headed = |answer: &[u8]| answer.windows(4).any(|window| window == b"\r\n\r\n");
    while !is_headed(&answer) {
        assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "{method} {target} is not answered");
    }
    if !answer.windows(17).any(|window| window.eq_ignore_ascii_case(b"text/event-stream")) {
        stream.read_to_end(&mut answer).await.unwrap();
    }
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answered { status, code: body["code"].as_str().unwrap_or_default().to_owned(), body }
}

/// Returns whether the request came as far as what the route does.
fn outcome(route: &Route, answered: &Answered) -> &'static str {
    match (answered.status, answered.code.as_str()) {
        (401, "PX0035") => "401",
        (401, _) if route.door == Door::Webhook => "401",
        (403, "PX0037") => "403",
        (415, "PX0026") if route.wants_json() => "415",
        (404, _) if !route.has_parameters() && route.door != Door::Form => panic!("no {}", route.path),
        (500.., code) => panic!("{} {}: {} {code}", route.method, route.path, answered.status),
        (401 | 403 | 415, code) => panic!("{} {}: {} {code}", route.method, route.path, answered.status),
        _ => "in ",
    }
}

fn target(route: &Route) -> String {
    // Twilio's can be told to come by GET.
    let slug = if route.method == Method::GET { "sms" } else { "open" };
    let target = route.path.replace("{slug}", slug).replace(['{', '}'], "");
    match route.door {
        Door::Form => format!("{target}?identifier=nobody&token=waits"),
        _ => target,
    }
}

/// A token that is made as the first one is, from this machine.
async fn first_token(at: SocketAddr) -> (String, String) {
    let sent = callers(false, at).swap_remove(0).1;
    let made = ask(at, &Method::POST, "/tokens", &sent, "").await;
    assert_eq!(made.status, 201, "{}", made.body);
    (made.body["token"].as_str().unwrap().to_owned(), made.body["id"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn every_route_lets_in_whom_its_door_does() {
    let (without, with) = (serve().await, serve().await);
    let (bare, guarded) = (without.local_addr(), with.local_addr());
    let (token, _) = first_token(guarded).await;
    let mut printed = Vec::new();
    for route in routes::all() {
        let reads = route.method == Method::GET || route.method == Method::OPTIONS;
        let mut got = String::new();
        for ((caller, to_bare), (_, to_guarded)) in
            callers(reads, bare).into_iter().zip(callers(reads, guarded))
        {
            // Forms on pages are forms, whoever sends them.
            let form = |sent: Sent| match route.door {
                Door::Form => Sent { kind: sent.kind.map(|_| FORM), ..sent },
                _ => sent,
            };
            let (to_bare, to_guarded) = (form(to_bare), form(to_guarded));
            let target = target(&route);
            let none = ask(bare, &route.method, &target, &to_bare, "").await;
            if let Some(made) = none.body["token"].as_str() {
                // The next caller is to find no token either.
                let id = format!("/tokens/{}", none.body["id"].as_str().unwrap());
                assert_eq!(ask(bare, &Method::DELETE, &id, &to_bare, made).await.status, 204);
            }
            let sent = ask(guarded, &route.method, &target, &to_guarded, &token).await;
            let unsent = ask(guarded, &route.method, &target, &to_guarded, "").await;
            let [none, sent, unsent] = [none, sent, unsent].map(|answered| outcome(&route, &answered));
            let row = format!("{caller:<16} {none}  {sent}  {unsent}");
            let _ = writeln!(got, "{}", row.trim_end());
        }
        let wanted = table(route.door);
        // Whoever only looks sends no body whose type could be wrong.
        let wanted = if route.wants_json() { wanted.to_owned() } else { wanted.replace("415", "in ") };
        let wanted: String = wanted.lines().map(|line| format!("{}\n", line.trim())).collect();
        assert_eq!(got, wanted, "{} {} ({:?})", route.method, route.path, route.door);
        if !printed.contains(&route.door) {
            println!(
                "{:?}, as {} {}\n{:<16} none sent unsent\n{got}",
                route.door, route.method, route.path, ""
            );
            printed.push(route.door);
        }
    }
    assert!(printed.len() >= 8, "every door has a route: {printed:?}");
    without.shutdown().await.unwrap();
    with.shutdown().await.unwrap();
}

/// Every request has passed the guard, which says so by asking for the body,
/// before the first body is sent.
#[tokio::test]
async fn of_many_first_tokens_at_once_one_is_made() {
    let server = serve().await;
    let at = server.local_addr();
    let body = r#"{"name":"x","scope":"admin"}"#;
    let head = format!(
        "POST /tokens HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: 100-continue\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut asked_for_it = [0; 25];
        stream.read_exact(&mut asked_for_it).await.unwrap();
        assert_eq!(&asked_for_it, b"HTTP/1.1 100 Continue\r\n\r\n");
        streams.push(stream);
    }
    for stream in &mut streams {
        stream.write_all(body.as_bytes()).await.unwrap();
    }
    let mut made = Vec::new();
    for mut stream in streams {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        if head.starts_with("HTTP/1.1 201 ") {
            made.push(body["token"].as_str().unwrap().to_owned());
        } else {
            assert!(head.starts_with("HTTP/1.1 401 ") && head.contains("www-authenticate: Bearer"), "{head}");
            assert_eq!(body["code"], "PX0035", "{body}");
        }
    }
    assert_eq!(made.len(), 1);
    // The one that was answered is the one that counts.
    let sent = callers(true, at).swap_remove(0).1;
    let listed = ask(at, &Method::GET, "/tokens", &sent, &made.remove(0)).await;
    assert_eq!((listed.status, &listed.body["count"]), (200, &json!(1)));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_refusal_says_which_header_and_what_to_do() {
    let server = serve().await;
    let at = server.local_addr();
    for (caller, method, path, words) in [
        ("foreign name", Method::GET, "/brains", ["`origin`", "server.cors_origins"]),
        ("no-cors fetch", Method::GET, "/brains", ["`sec-fetch-site`", "px tokens create"]),
        ("rebinding", Method::GET, "/brains", ["`host`", "127.0.0.1 or localhost"]),
        ("proxy", Method::GET, "/brains", ["`x-forwarded-for`", "px tokens create"]),
        ("same origin", Method::POST, "/tokens", ["browser", "px tokens create <name> --scope admin"]),
        ("curl -d", Method::POST, "/brains/runs", ["JSON", "Content-Type: application/json"]),
    ] {
        let sent =
            callers(method == Method::GET, at).into_iter().find(|(name, _)| *name == caller).unwrap().1;
        let answered = ask(at, &method, path, &sent, "").await;
        let text = answered.body["error"].as_str().unwrap();
        assert!(words.iter().all(|word| text.contains(word)), "{caller}: {text}");
    }
    server.shutdown().await.unwrap();
}
