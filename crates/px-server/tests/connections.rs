//! Connections over real sockets: heads that trickle, connections that idle,
//! more of them than there are places, and the end of a server with requests
//! under way (docs/rules.md#42).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod support;

use std::time::Duration;

use px_sdk::{Inbound, Reply, Result, verify};
use px_server::{ConnectionLimits, Running};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use support::{LONG, connect};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

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

async fn serve(connections: ConnectionLimits) -> Running {
    support::serve(|options| {
        (options.connections, options.body_timeout) = (connections, Duration::from_secs(1));
    })
    .await
}

const REQUEST: &str = "POST /webhooks/own HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                       content-length: 2\r\n\r\n{}";

/// Sends a delivery over an open connection, which stays open.
async fn deliver(stream: &mut TcpStream) -> u16 {
    stream.write_all(REQUEST.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"hello") {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "closed in the middle of an answer");
    }
    String::from_utf8(answer).unwrap().split(' ').nth(1).unwrap().parse().unwrap()
}

/// What comes until the other side closes; it has to.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(LONG, stream.read_to_end(&mut answer)).await;
    // A reset is a close, too.
    let _ = read.expect("the server closes it");
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_head_that_trickles_and_a_connection_that_idles_are_closed() {
    let limits = ConnectionLimits {
        idle: Duration::from_secs(2),
        head: Duration::from_millis(500),
        ..ConnectionLimits::default()
    };
    let server = serve(limits).await;
    let mut silent = connect(&server).await;
    let mut kept = connect(&server).await;
    assert_eq!(deliver(&mut kept).await, 200);
    let mut slow = connect(&server).await;
    slow.write_all(b"POST /webhooks/own HTTP/1.1\r\n").await.unwrap();
    let (mut reading, mut writing) = slow.into_split();
    // A byte now and then gives it no more time.
    let trickle = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        loop {
            ticks.tick().await;
            if writing.write_all(b"x").await.is_err() {
                return;
            }
        }
    });
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(LONG, reading.read_to_end(&mut rest)).await.expect("it is closed");
    trickle.abort();
    // The head was closed long before those that wait.
    assert_eq!(deliver(&mut kept).await, 200);
    assert_eq!(until_closed(&mut silent).await, "");
    assert_eq!(until_closed(&mut kept).await, "");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_request_has_all_the_time_that_its_own_limits_give_it() {
    let limits = ConnectionLimits {
        idle: Duration::from_millis(250),
        head: Duration::from_millis(250),
        ..ConnectionLimits::default()
    };
    let server = serve(limits).await;
    let mut stream = connect(&server).await;
    let (head, body) = REQUEST.split_at(REQUEST.len() - 2);
    stream.write_all(head.as_bytes()).await.unwrap();
    // Its body never comes: 408 after a second, not a closed connection after a quarter.
    let answer = until_closed(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    // The API's bodies too.
    let mut stream = connect(&server).await;
    let request = "POST /brains/runs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = until_closed(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(body, "{}");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn heads_have_a_size() {
    let limits = ConnectionLimits { head_bytes: 8 * 1024, ..ConnectionLimits::default() };
    let server = serve(limits).await;
    let mut stream = connect(&server).await;
    let head = format!("POST /webhooks/own HTTP/1.1\r\nx-large: {}\r\n", "x".repeat(10_000));
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = until_closed(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn ten_thousand_idle_connections_give_way_to_a_good_sender() {
    const PLACES: usize = 64;
    const IDLE: usize = 10_000;
    let server = serve(ConnectionLimits { connections: PLACES, ..ConnectionLimits::default() }).await;
    let mut good = connect(&server).await;
    assert_eq!(deliver(&mut good).await, 200);
    let mut open = std::collections::VecDeque::new();
    for n in 0..IDLE {
        let mut stream = connect(&server).await;
        if n % 2 == 0 {
            stream.write_all(b"POST /webh").await.unwrap();
        }
        open.push_back(stream);
        // The test, too, holds only so many.
        if open.len() > 256 {
            assert_eq!(until_closed(&mut open.pop_front().unwrap()).await, "");
        }
        if n % 16 == 0 && deliver(&mut good).await != 200 {
            panic!("the good sender was turned away");
        }
    }
    let mut late = connect(&server).await;
    assert_eq!(deliver(&mut late).await, 200);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn rule_42_the_end_waits_for_requests_and_not_for_who_waits() {
    let server = serve(ConnectionLimits::default()).await;
    let address = server.local_addr();
    let mut idle = connect(&server).await;
    let mut kept = connect(&server).await;
    assert_eq!(deliver(&mut kept).await, 200);
    let mut under_way = connect(&server).await;
    let (head, body) = REQUEST.split_at(REQUEST.len() - 2);
    // Answered, so that the server has read its head when the end is asked for.
    under_way
        .write_all(head.replace("host: localhost", "host: localhost\r\nexpect: 100-continue").as_bytes())
        .await
        .unwrap();
    let mut go_on = [0; 25];
    under_way.read_exact(&mut go_on).await.unwrap();
    assert!(go_on.starts_with(b"HTTP/1.1 100 "));
    let end = tokio::spawn(server.shutdown());
    assert_eq!(until_closed(&mut idle).await, "");
    assert_eq!(until_closed(&mut kept).await, "");
    assert!(TcpStream::connect(address).await.is_err(), "nobody new is taken");
    under_way.write_all(body.as_bytes()).await.unwrap();
    let answer = until_closed(&mut under_way).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("hello"), "{answer}");
    end.await.unwrap().unwrap();
}
