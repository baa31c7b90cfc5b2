//! Streams: what a cut or a restart does to them, which is nothing.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use px_client::Kind;
use px_client::api::{Event, RunEvents, RunStatus};
use px_store_rows::Embedded;
use px_store_sled::{Options, SledRows};

use super::support::{answer, canned, client, cutting, serve, serve_at, start};

#[tokio::test]
async fn a_run_is_followed_to_its_end_and_its_result_is_read() {
    let (server, client) = serve().await;
    let run = start(&client, "followed").await;
    assert_eq!(client.run(&run).await.unwrap().status, RunStatus::Waiting);
    assert!(answer(&client, "followed").await.is_success());
    let events: Vec<Event> =
        client.watch_run(&run).events().map(|event| event.unwrap().into_value()).collect().await;
    assert!(events.last().unwrap().is_end(), "{events:?}");
    let log = client.run_events(&run, &RunEvents::default()).await.unwrap();
    assert_eq!(log.events, events);
    let shown = client.run(&run).await.unwrap();
    assert_eq!((&shown.status, &shown.state["name"]), (&RunStatus::Complete, &"Ada".into()));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_stream_that_is_cut_loses_no_event_and_repeats_none() {
    let (server, direct) = serve().await;
    let run = start(&direct, "cut").await;
    answer(&direct, "cut").await;
    let (cut, heads) = cutting(server.local_addr()).await;
    let stream = cut.watch_run(&run).retries(2, Duration::ZERO).events();
    let seqs: Vec<u64> = stream.map(|event| event.unwrap().seq).collect().await;
    let log = direct.run_events(&run, &RunEvents::default()).await.unwrap();
    let all: Vec<u64> = (1..=log.count).collect();
    assert_eq!(seqs, all);
    let heads = heads.lock().unwrap().clone();
    assert!(heads.len() > 5, "each connection was cut after an event: {}", heads.len());
    assert!(!heads[0].contains("last-event-id"), "{}", heads[0]);
    for (seq, head) in heads.iter().enumerate().skip(1) {
        assert!(head.contains(&format!("last-event-id: {seq}\r\n")), "{head}");
    }
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_stream_begins_after_the_event_that_is_said() {
    let (server, client) = serve().await;
    let run = start(&client, "after").await;
    let mut events = client.watch_run(&run).after(3).events();
    assert_eq!(events.next().await.unwrap().unwrap().seq, 4);
    drop(events);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_stream_goes_on_across_a_restart_of_the_server_if_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let store = || Arc::new(Embedded::new(SledRows::open(folder.path(), Options::default()).unwrap()));
    let first = serve_at(store(), 0).await;
    let address = first.local_addr();
    let client = client(address);
    let run = start(&client, "restarted").await;
    let waiting = client.run(&run).await.unwrap().seq;
    let mut ends = client.watch_run(&run).events();
    let mut goes_on =
        client.watch_run(&run).across_restarts().retries(1_000, Duration::from_millis(5)).events();
    for seq in 1..=waiting {
        assert_eq!(ends.next().await.unwrap().unwrap().seq, seq);
        assert_eq!(goes_on.next().await.unwrap().unwrap().seq, seq);
    }
    first.shutdown().await.unwrap();
    assert!(ends.next().await.is_none(), "the server said that it has nothing more");
    let second = serve_at(store(), address.port()).await;
    answer(&client, "restarted").await;
    let rest: Vec<u64> = goes_on.map(|event| event.unwrap().seq).collect().await;
    assert_eq!(rest.first(), Some(&(waiting + 1)));
    assert_eq!(rest.last(), Some(&client.run(&run).await.unwrap().seq));
    second.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_feed_of_running_runs_begins_at_once() {
    let (server, client) = serve().await;
    let mut feed = client.watch_brains();
    assert!(feed.next().await.unwrap().unwrap().running_brains.is_empty());
    start(&client, "feed").await;
    assert!(feed.next().await.unwrap().is_ok(), "the run passed by");
    drop(feed);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_stream_that_never_comes_back_ends_with_its_error() {
    let event = r#"{"type":"brain:start","seq":1,"timestamp":1,"options":{},"brainRunId":"run_0197c1f0a1b27000800000000000cafe"}"#;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 5000\r\n\r\n";
    let client = canned(&[&format!("{head}id: 1\ndata: {event}\n\n")]).await;
    let mut events = client.watch_run("run").retries(2, Duration::ZERO).events();
    assert_eq!(events.next().await.unwrap().unwrap().seq, 1);
    let error = events.next().await.unwrap().unwrap_err();
    assert!(matches!(error.kind(), Kind::Unreachable | Kind::Interrupted), "{error:?}");
    assert!(error.is_retry_safe());
    assert!(events.next().await.is_none(), "nothing comes after an error");
}

#[tokio::test]
async fn a_run_that_is_not_there_has_no_stream() {
    let (server, client) = serve().await;
    let error = client.watch_run("nobody").across_restarts().events().next().await.unwrap().unwrap_err();
    assert_eq!((error.status(), &*error.to_string()), (Some(404), "Brain run 'nobody' not found"));
    server.shutdown().await.unwrap();
}
