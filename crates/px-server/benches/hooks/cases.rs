//! What is measured: as many deliveries as there can be, and the five cases of
//! a receiver that is overrun, slow, broken, stuck, and whose sender is killed.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::load::{self, Starts};
use crate::project::EVENTS_OF_A_RUN;
use crate::receiver::{Receipt, Receiver};
use crate::report::{Kill, Row};
use crate::server::{self, Child};

const LONG: Duration = Duration::from_secs(600);

/// What a hook of the first cases hears of each run.
#[derive(Clone, Copy)]
pub(crate) enum Hears {
    /// That it started.
    Start,
    /// Everything.
    All,
}

/// Starts over so many connections, as many as there can be or so many that
/// there is a number of deliveries a second.
pub(crate) async fn rate(
    receiver: &Receiver,
    connections: u64,
    hears: Hears,
    offered: Option<f64>,
    time: Duration,
) -> Row {
    let dir = server::fresh_dir();
    let px = Child::start(dir.path());
    let (path, each) = match hears {
        Hears::Start => ("/ok/start", 1),
        Hears::All => ("/ok/all", EVENTS_OF_A_RUN),
    };
    let events = if each == 1 { json!(["run.started"]) } else { json!([]) };
    load::hook(px.address(), json!({"url": receiver.url(path), "events": events})).await;
    let (before, begin) = (px.stats(), Instant::now());
    let starts = Starts { connections, most: u64::MAX, time, rate: offered.map(|rate| rate / each as f64) };
    let runs = load::start(px.address(), starts).await;
    let during = receiver.count(path) as f64 / begin.elapsed().as_secs_f64();
    load::received(receiver, path, runs * each).await;
    let offered = offered.map_or(String::new(), |rate| format!(", {rate:.0}/s offered"));
    let name = format!("{connections} starts, {each} of a run{offered}");
    let row = Row::of(name, begin, receiver.take(path)).with(px.stats().since(&before), runs, during);
    px.stop();
    row
}

/// (a) 5,000 events at once.
pub(crate) async fn burst(receiver: &Receiver) -> Row {
    const EVENTS: u64 = 5_000;
    let dir = server::fresh_dir();
    let px = Child::start(dir.path());
    load::hook(px.address(), json!({"url": receiver.url("/ok/burst")})).await;
    let begin = Instant::now();
    let starts = Starts { connections: 64, most: EVENTS / EVENTS_OF_A_RUN, time: LONG, rate: None };
    load::start(px.address(), starts).await;
    load::received(receiver, "/ok/burst", EVENTS).await;
    let row = Row::of("(a) burst of 5,000".into(), begin, receiver.take("/ok/burst"));
    assert_eq!((row.deliveries, row.copies), (EVENTS, 0));
    px.stop();
    row
}

/// (b) A receiver that needs 50 ms, at 200/s.
pub(crate) async fn slow(receiver: &Receiver, time: Duration) -> Row {
    alone(receiver, "(b) a receiver of 50 ms, 200/s", "/after/50/slow", 200.0, time).await
}

async fn alone(receiver: &Receiver, name: &str, path: &str, rate: f64, time: Duration) -> Row {
    let dir = server::fresh_dir();
    let px = Child::start(dir.path());
    load::hook(px.address(), json!({"url": receiver.url(path)})).await;
    let begin = Instant::now();
    let runs = paced(&px, rate, time).await;
    load::received(receiver, path, runs * EVENTS_OF_A_RUN).await;
    let row = Row::of(name.into(), begin, receiver.take(path));
    px.stop();
    row
}

/// (c) and (d) A healthy hook beside one that fails, or that does not answer.
pub(crate) async fn beside(
    receiver: &Receiver,
    name: &str,
    (sick, rate): (&str, f64),
    time: Duration,
) -> Row {
    let dir = server::fresh_dir();
    let px = Child::start(dir.path());
    load::hook(px.address(), json!({"url": receiver.url(sick)})).await;
    load::hook(px.address(), json!({"url": receiver.url("/ok/healthy")})).await;
    let begin = Instant::now();
    let runs = paced(&px, rate, time).await;
    load::received(receiver, "/ok/healthy", runs * EVENTS_OF_A_RUN).await;
    let row = Row::of(name.into(), begin, receiver.take("/ok/healthy"));
    // What its neighbour is left with goes with the directory.
    px.kill();
    receiver.take(sick);
    row
}

async fn paced(px: &Child, rate: f64, time: Duration) -> u64 {
    let rate = Some(rate / EVENTS_OF_A_RUN as f64);
    load::start(px.address(), Starts { connections: 16, most: u64::MAX, time, rate }).await
}

/// (e) `kill -9` under 600/s, with a receiver that needs 20 ms.
pub(crate) async fn killed(receiver: &Receiver, time: Duration) -> (Row, Kill) {
    const PATH: &str = "/after/20/killed";
    const RATE: f64 = 600.0;
    let dir = server::fresh_dir();
    let px = Child::start(dir.path());
    load::hook(px.address(), json!({"url": receiver.url(PATH)})).await;
    let begin = Instant::now();
    let loading = tokio::spawn(load::start(
        px.address(),
        Starts { connections: 16, most: u64::MAX, time: LONG, rate: Some(RATE / EVENTS_OF_A_RUN as f64) },
    ));
    tokio::time::sleep(time).await;
    px.kill();
    let answered = loading.await.expect("a load");
    let before = receiver.take(PATH);
    let died = Instant::now();
    let px = tokio::task::block_in_place(|| Child::start(dir.path()));
    let ready = Instant::now();
    let known = deliveries(&px).await;
    let seen: HashSet<String> = before.iter().map(|one| one.event.clone()).collect();
    let missing = known.iter().filter(|id| !seen.contains(*id)).count() as u64;
    load::received(receiver, PATH, missing).await;
    // Copies may come behind the last one that was missing.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let known = deliveries(&px).await;
    let after = receiver.take(PATH);
    let first = after.first().map(|one| one.at.saturating_duration_since(ready));
    let all: Vec<Receipt> = before.into_iter().chain(after).collect();
    let ids: HashSet<String> = all.iter().map(|one| one.event.clone()).collect();
    let kill = Kill {
        answered,
        events: known.len() as u64,
        lost: known.difference(&ids).count() as u64,
        unknown: ids.difference(&known).count() as u64,
        copies: (all.len() - ids.len()) as u64,
        opened: ready - died,
        first,
    };
    px.stop();
    (Row::of("(e) kill -9 under 600/s, 20 ms".into(), begin, all), kill)
}

/// The ids of all events that px has deliveries of.
async fn deliveries(px: &Child) -> HashSet<String> {
    let mut connection = px_testkit::load::Connection::open(px.address()).await.expect("a connection");
    let (mut ids, mut cursor) = (HashSet::new(), String::new());
    loop {
        let path = format!("/deliveries?limit=1000&cursor={cursor}");
        let page = connection.get(&path).await.expect("a page").json();
        let listed = page["deliveries"].as_array().expect("a list");
        ids.extend(listed.iter().map(|one| one["eventId"].as_str().expect("an id").to_owned()));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => return ids,
        }
    }
}
