//! Outbound hooks, end to end: the real binary, and receivers on loopback. What
//! is asserted is which callbacks came, how often, in what order and signed by
//! whom; how fast they come is measured by `cargo bench -p px-server --bench hooks`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod crowds;
mod deaths;
mod operating;
mod own_urls;
#[path = "../support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use app as _;
use serde_json::{Value, json};
use support::{Answer, Callback, Project, Px, Receiver, aloud, eventually};

const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// What a run of `help-request` says to a hook without a filter.
const OF_A_RUN: [&str; 4] = ["run.started", "step.started", "step.completed", "run.completed"];

fn help(number: usize) -> Value {
    json!({"message": "help", "user": "U1", "channel": "C1", "thread": format!("1.{number}")})
}

/// Starts a run that completes by itself, with what else is said of it.
#[track_caller]
fn start(px: &Px, number: usize, more: Value) -> String {
    let mut body = json!({"identifier": "help-request", "initialState": help(number)});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let reply = px.post_json("/brains/runs", &body);
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.run()
}

/// Starts so many runs over several connections at once.
fn start_many(px: &Px, many: usize) -> Vec<String> {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let starter = || {
            let mut runs = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= many {
                    return runs;
                }
                runs.push(start(px, number, json!({})));
            }
        };
        let starters: Vec<_> = (0..8).map(|_| scope.spawn(starter)).collect();
        starters.into_iter().flat_map(|starter| starter.join().unwrap()).collect()
    })
}

#[track_caller]
fn hook(px: &Px, body: &Value) -> String {
    let reply = px.post_json("/hooks", body);
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.field("id")
}

/// Every delivery that px has of a hook.
fn deliveries(px: &Px, hook: &str) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = px.get(&format!("/hooks/{hook}/deliveries?limit=1000&cursor={cursor}")).json();
        all.extend(page["deliveries"].as_array().unwrap().iter().cloned());
        match page["nextCursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => return all,
        }
    }
}

fn states(px: &Px, hook: &str) -> BTreeMap<String, usize> {
    let mut states = BTreeMap::new();
    for delivery in deliveries(px, hook) {
        *states.entry(delivery["state"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    states
}

/// Waits until px has recorded that so many were delivered, and that nothing else is left.
#[track_caller]
fn all_delivered(px: &Px, hook: &str, many: usize) {
    let expected = BTreeMap::from([("delivered".to_owned(), many)]);
    eventually("every delivery to be recorded", || (states(px, hook) == expected).then_some(()));
}

/// What the run's log says that hooks are told of: the `seq` of each entry, and its type.
fn told(px: &Px, run: &str) -> Vec<(u64, &'static str)> {
    let kind = |event: &Value| match event["type"].as_str().unwrap() {
        "brain:start" => Some("run.started"),
        "step:start" => Some("step.started"),
        "step:complete" => Some("step.completed"),
        "brain:complete" => Some("run.completed"),
        _ => None,
    };
    let told = |event: &Value| Some((event["seq"].as_u64().unwrap(), kind(event)?));
    px.events(run).iter().filter_map(told).collect()
}

/// What a receiver heard of a run: where in the log it comes from, and its
/// type, by `seq`; copies count once.
fn heard(callbacks: &[Callback]) -> BTreeMap<u64, (u64, String)> {
    let entry = |callback: &Callback| {
        let body = callback.json();
        (body["seq"].as_u64().unwrap(), (body["data"]["logSeq"].as_u64().unwrap(), callback.kind()))
    };
    callbacks.iter().map(entry).collect()
}

/// The events that a receiver got are those that the runs' logs tell of, each
/// under a `seq` of its own, from 1, without a gap.
#[track_caller]
fn agrees_with_the_logs(px: &Px, runs: &[String], callbacks: &[Callback]) {
    let mut of_runs: BTreeMap<String, Vec<Callback>> = BTreeMap::new();
    for callback in callbacks {
        of_runs.entry(callback.run()).or_default().push(callback.clone());
    }
    assert_eq!(of_runs.len(), runs.len(), "every run, and no other");
    for run in runs {
        let heard = heard(&of_runs[run]);
        assert_eq!(heard.keys().copied().collect::<Vec<_>>(), (1..=heard.len() as u64).collect::<Vec<_>>());
        let mut heard: Vec<_> = heard.into_values().collect();
        heard.sort();
        let told: Vec<_> = told(px, run).into_iter().map(|(seq, kind)| (seq, kind.to_owned())).collect();
        assert_eq!(heard, told, "{run}");
    }
}

fn kinds(callbacks: &[Callback]) -> Vec<String> {
    callbacks.iter().map(Callback::kind).collect()
}
