//! Streams over real sockets: how many there are, what a client gets of them, and
//! when they end (docs/rules.md#37, #65, #66).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

#[path = "support/parked.rs"]
mod parked;
mod support;

use std::sync::Arc;

use px_server::{ConnectionLimits, Running, StreamLimits};
use serde_json::{Value, json};
use support::{LONG, connect_from, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An answer whose body may still come.
struct Reading {
    stream: TcpStream,
    head: String,
    rest: String,
}

impl Reading {
    fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// Reads more, and says whether there was any.
    async fn more(&mut self) -> bool {
        let mut bytes = [0; 4096];
        let read =
            tokio::time::timeout(LONG, self.stream.read(&mut bytes)).await.expect("it goes on or ends");
        let count = read.unwrap_or(0);
        self.rest.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        count > 0
    }

    /// Everything until the end of the stream.
    async fn read_to_end(mut self) -> String {
        while self.more().await {}
        self.rest
    }

    /// Reads until this text came.
    async fn until(&mut self, text: &str) {
        while !self.rest.contains(text) {
            assert!(self.more().await, "the stream ended before '{text}': {}", self.rest);
        }
    }
}

async fn ask_for(
    server: &Running,
    from: u8,
    method: &str,
    target: &str,
    headers: &str,
    body: &str,
) -> Reading {
    let mut stream = connect_from(server, from).await;
    let request = format!(
        "{method} {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reading = Reading { stream, head: String::new(), rest: String::new() };
    while !reading.rest.contains("\r\n\r\n") {
        assert!(reading.more().await, "no head");
    }
    let (head, rest) = reading.rest.split_once("\r\n\r\n").unwrap();
    (reading.head, reading.rest) = (head.to_owned(), rest.to_owned());
    reading
}

async fn watch(server: &Running, from: u8, target: &str, headers: &str) -> Reading {
    ask_for(server, from, "GET", target, headers, "").await
}

async fn json(server: &Running, method: &str, target: &str, headers: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = ask_for(server, 1, method, target, headers, &body).await;
    let status = answer.status();
    (status, serde_json::from_str(&answer.read_to_end().await).unwrap_or_default())
}

async fn start(server: &Running, id: &str, headers: &str) -> String {
    let body = json!({"identifier": "parked", "initialState": {"id": id}});
    let (status, started) = json(server, "POST", "/brains/runs", headers, &body).await;
    assert_eq!(status, 201, "{started}");
    started["brainRunId"].as_str().unwrap().to_owned()
}

fn bearer(created: &Value) -> String {
    format!("authorization: Bearer {}\r\n", created["token"].as_str().unwrap())
}

async fn token(server: &Running, scope: &str, by: &str) -> Value {
    let (status, created) = json(server, "POST", "/tokens", by, &json!({"name": "x", "scope": scope})).await;
    assert_eq!(status, 201, "{created}");
    created
}

#[tokio::test]
async fn rule_66_streams_are_bounded_by_holder_and_in_all_and_leave_room_for_requests() {
    let server = serve(|options| {
        options.streams = StreamLimits { streams: 4 };
        options.connections = ConnectionLimits { connections: 8, ..ConnectionLimits::default() };
    })
    .await;
    let run = start(&server, "bounds", "").await;
    let of_run = format!("/brains/runs/{run}/watch");
    let mut open = vec![watch(&server, 1, "/brains/watch", "").await, watch(&server, 1, &of_run, "").await];
    let refused = watch(&server, 1, "/brains/watch", "").await;
    assert_eq!(refused.status(), 503);
    assert!(refused.head.to_lowercase().contains("retry-after"), "{}", refused.head);
    assert!(refused.read_to_end().await.contains("half of limits.max_streams"));
    open.push(watch(&server, 2, "/brains/watch", "").await);
    open.push(watch(&server, 2, &of_run, "").await);
    assert!(open.iter().all(|stream| stream.status() == 200));
    let refused = watch(&server, 3, "/brains/watch", "").await;
    assert_eq!(refused.status(), 503);
    assert!(refused.read_to_end().await.contains("4 streams are open"));
    // More connections than there are places, and requests are answered all the while.
    for _ in 0..20 {
        assert_eq!(json(&server, "GET", "/status", "", &Value::Null).await.0, 200);
    }
    // A client that goes away leaves its place, though its stream has nothing to write.
    drop(open);
    let again = async { while watch(&server, 1, "/brains/watch", "").await.status() != 200 {} };
    tokio::time::timeout(LONG, again).await.expect("places come free");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn rule_58_a_half_closed_watch_of_a_run_that_is_over_gets_all_of_its_log() {
    let server = serve(|_| {}).await;
    // More than one buffer, so that some of it is written before the last of it is made.
    let state = json!({"id": "half-closed", "more": "x".repeat(500_000)});
    let body = json!({"identifier": "parked", "initialState": state});
    let (status, started) = json(&server, "POST", "/brains/runs", "", &body).await;
    assert_eq!(status, 201, "{started}");
    let run = started["brainRunId"].as_str().unwrap();
    assert_eq!(json(&server, "DELETE", &format!("/brains/runs/{run}"), "", &Value::Null).await.0, 204);
    let request = format!("GET /brains/runs/{run}/watch HTTP/1.1\r\nhost: localhost\r\n\r\n");
    for _ in 0..20 {
        let mut stream = connect_from(&server, 1).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = Reading { stream, head: String::new(), rest: String::new() }.read_to_end().await;
        assert!(answer.contains("brain:cancelled") && answer.ends_with("0\r\n\r\n"), "{}", answer.len());
    }
    // Who closes on a run that goes on is gone, and nothing is owed any more.
    let run = start(&server, "goes on", "").await;
    let mut stream = watch(&server, 1, &format!("/brains/runs/{run}/watch"), "").await;
    stream.until("step:status").await;
    stream.stream.shutdown().await.unwrap();
    assert!(!stream.read_to_end().await.ends_with("0\r\n\r\n"), "the run is not over");
    server.shutdown().await.unwrap();
}

/// Opens a stream as soon as there is a place for it.
async fn when_free(server: &Running, target: &str, after: &str) -> Reading {
    let free = async {
        loop {
            let stream = watch(server, 1, target, "").await;
            if stream.status() == 200 {
                return stream;
            }
        }
    };
    tokio::time::timeout(LONG, free).await.unwrap_or_else(|_| panic!("{target}: {after} holds its place"))
}

#[tokio::test]
async fn rule_66_a_stream_leaves_its_place_when_its_peer_resets_or_sends_more_and_goes() {
    let server = serve(|options| options.streams = StreamLimits { streams: 2 }).await;
    let run = start(&server, "places", "").await;
    for target in ["/brains/watch".to_owned(), format!("/brains/runs/{run}/watch")] {
        for how in ["reset", "byte", "byte and close", "next request"] {
            let mut stream = when_free(&server, &target, how).await;
            stream.until(&run).await;
            let kept = match how {
                "reset" => {
                    stream.stream.set_zero_linger().unwrap();
                    drop(stream);
                    None
                }
                "next request" => {
                    let next = b"GET /status HTTP/1.1\r\nhost: localhost\r\n\r\n";
                    stream.stream.write_all(next).await.unwrap();
                    Some(stream)
                }
                _ => {
                    stream.stream.write_all(b"x").await.unwrap();
                    (how == "byte").then_some(stream)
                }
            };
            // Nothing is told on the stream by which its end could be noticed.
            drop(when_free(&server, &target, how).await);
            if let Some(mut stream) = kept {
                while stream.more().await {}
            }
        }
    }
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn rule_65_streams_end_with_the_permission_that_opened_them() {
    let server = serve(|_| {}).await;
    let run = start(&server, "permission", "").await;
    let of_run = format!("/brains/runs/{run}/watch");
    // Without tokens, until the first one.
    let mut open = [watch(&server, 1, "/brains/watch", "").await, watch(&server, 1, &of_run, "").await];
    open[1].until("step:status").await;
    let admin = bearer(&token(&server, "admin", "").await);
    for stream in open {
        assert!(stream.read_to_end().await.ends_with("0\r\n\r\n"), "it ends as it should");
    }
    // By a token, until it is revoked.
    let (gone, kept) = (token(&server, "read", &admin).await, token(&server, "read", &admin).await);
    let (by_gone, by_kept) = (bearer(&gone), bearer(&kept));
    let open =
        [watch(&server, 1, "/brains/watch", &by_gone).await, watch(&server, 1, &of_run, &by_gone).await];
    let mut stays = watch(&server, 1, "/brains/watch", &by_kept).await;
    assert_eq!((open[0].status(), open[1].status(), stays.status()), (200, 200, 200));
    let target = format!("/tokens/{}", gone["id"].as_str().unwrap());
    assert_eq!(json(&server, "DELETE", &target, &admin, &Value::Null).await.0, 204);
    for stream in open {
        assert!(stream.read_to_end().await.ends_with("0\r\n\r\n"), "it ends as it should");
    }
    let other = start(&server, "later", &admin).await;
    stays.until(&other).await;
    server.shutdown().await.unwrap();
}

/// Sends the head of a request to start a run, and waits until px asks for its body.
async fn without_its_body(server: &Running, headers: &str, body: &str) -> TcpStream {
    let mut stream = connect_from(server, 1).await;
    let head = format!(
        "POST /brains/runs HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nexpect: 100-continue\r\n\
         {headers}content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    assert!(go_on.starts_with(b"HTTP/1.1 100 "));
    stream
}

#[tokio::test]
async fn rule_65_a_right_that_ends_while_a_body_comes_does_nothing_any_more() {
    let server = serve(|_| {}).await;
    let body = json!({"identifier": "parked", "initialState": {"id": "late"}}).to_string();
    let by_none = without_its_body(&server, "", &body).await;
    let admin = bearer(&token(&server, "admin", "").await);
    let (gone, kept) = (token(&server, "operate", &admin).await, token(&server, "operate", &admin).await);
    let by_gone = without_its_body(&server, &bearer(&gone), &body).await;
    let by_kept = without_its_body(&server, &bearer(&kept), &body).await;
    let target = format!("/tokens/{}", gone["id"].as_str().unwrap());
    // One that turns out to have no body has had its time, too.
    let parked = start(&server, "empty", &admin).await;
    let mut empty = connect_from(&server, 1).await;
    let head = format!(
        "DELETE /brains/runs/{parked} HTTP/1.1\r\nhost: localhost\r\n{}transfer-encoding: chunked\r\n\
         expect: 100-continue\r\nconnection: close\r\n\r\n",
        bearer(&gone)
    );
    empty.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    empty.read_exact(&mut go_on).await.unwrap();
    assert_eq!(json(&server, "DELETE", &target, &admin, &Value::Null).await.0, 204);
    empty.write_all(b"0\r\n\r\n").await.unwrap();
    let answer = Reading { stream: empty, head: String::new(), rest: String::new() }.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let (_, shown) = json(&server, "GET", &format!("/brains/runs/{parked}"), &admin, &Value::Null).await;
    assert_ne!(shown["status"], "cancelled", "{shown}");
    for (mut stream, expected) in [(by_none, 401), (by_gone, 401), (by_kept, 201)] {
        stream.write_all(body.as_bytes()).await.unwrap();
        let answer = Reading { stream, head: String::new(), rest: String::new() }.read_to_end().await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{answer}");
    }
    let (_, runs) = json(&server, "GET", "/brains/runs", &admin, &Value::Null).await;
    assert_eq!(runs["runs"].as_array().unwrap().len(), 2, "{runs}");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn rule_37_ids_are_for_clients_that_name_the_type_and_a_run_that_is_over_is_204() {
    let server = serve(|_| {}).await;
    let run = start(&server, "frames", "").await;
    let target = format!("/brains/runs/{run}/watch");
    assert_eq!(json(&server, "DELETE", &format!("/brains/runs/{run}"), "", &Value::Null).await.0, 204);
    let (_, shown) = json(&server, "GET", &format!("/brains/runs/{run}/events"), "", &Value::Null).await;
    let last = shown["count"].as_u64().unwrap();
    for (headers, has_ids) in [
        ("", false),
        ("accept: */*\r\n", false),
        ("accept: text/event-stream\r\n", true),
        ("accept: text/html, text/event-stream;q=0.9\r\n", true),
        ("last-event-id: 0\r\n", true),
    ] {
        let text = watch(&server, 1, &target, headers).await.read_to_end().await;
        assert!(text.contains("brain:cancelled"), "{headers}: {text}");
        assert_eq!(text.contains("id: 1\n"), has_ids, "{headers}");
    }
    for (id, status) in [(last - 1, 200), (last, 204), (last + 1, 204), (u64::MAX, 204)] {
        let answer = watch(&server, 1, &target, &format!("last-event-id: {id}\r\n")).await;
        assert_eq!(answer.status(), status, "{id} of {last}");
    }
    // A run that goes on may still come to that event.
    let run = start(&server, "goes on", "").await;
    let target = format!("/brains/runs/{run}/watch");
    assert_eq!(watch(&server, 1, &target, "last-event-id: 1000\r\n").await.status(), 200);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn rule_37_the_feed_shows_runs_until_they_end() {
    let server = serve(|_| {}).await;
    let mut feed = watch(&server, 1, "/brains/watch", "").await;
    feed.until("{\"runningBrains\":[]}").await;
    let run = start(&server, "feed", "").await;
    feed.until("\"status\":\"waiting\"").await;
    // Who comes later sees it at once.
    let mut late = watch(&server, 2, "/brains/watch", "").await;
    late.until(&run).await;
    feed.rest.clear();
    assert_eq!(json(&server, "DELETE", &format!("/brains/runs/{run}"), "", &Value::Null).await.0, 204);
    feed.until("{\"runningBrains\":[]}").await;
    late.until("{\"runningBrains\":[]}").await;
    assert!(!late.rest.contains("id:"), "bare frames");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn commits_hint_at_runs_only_while_somebody_watches() {
    let mut store = None;
    let server = serve(|options| store = Some(Arc::clone(&options.store))).await;
    let store = store.unwrap();
    let run = start(&server, "unwatched", "").await;
    for target in ["/brains/watch".to_owned(), format!("/brains/runs/{run}/watch")] {
        assert!(!store.hints().has_followers(), "nobody watches");
        for _ in 0..2 {
            let (mut one, mut two) =
                (watch(&server, 1, &target, "").await, watch(&server, 1, &target, "").await);
            one.until(&run).await;
            two.until(&run).await;
            assert!(store.hints().has_followers(), "{target}");
            drop(one);
            // It still hears of what changes.
            let other = start(&server, &target, "").await;
            if target == "/brains/watch" {
                two.until(&other).await;
            }
            drop(two);
            let gone = async {
                while store.hints().has_followers() {
                    assert_eq!(json(&server, "GET", "/status", "", &Value::Null).await.0, 200);
                }
            };
            tokio::time::timeout(LONG, gone).await.expect("hints end with the last who watches");
        }
    }
    server.shutdown().await.unwrap();
}
