//! Outbound hooks, end to end: the real binary, and receivers on loopback. What
//! is asserted is which callbacks came, how often, in what order and signed by
//! whom; how fast they come is measured by `cargo bench -p px-server --bench hooks`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

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

#[test]
fn hooks_1_a_run_with_a_url_of_its_own_tells_it_everything_in_order_and_signed() {
    let (project, receiver) = (Project::new(), Receiver::start());
    let px = project.serve();
    let own = json!({
        "webhookUrl": receiver.url("/own?tenant=1"), "webhookSecret": SECRET, "requestId": "req-7"
    });
    let run = start(&px, 1, own);
    let got = receiver.waits_for("/own", OF_A_RUN.len());
    assert_eq!(got.iter().map(Callback::kind).collect::<Vec<_>>(), OF_A_RUN);
    agrees_with_the_logs(&px, std::slice::from_ref(&run), &got);
    let mut from = Value::Null;
    for (place, callback) in got.iter().enumerate() {
        assert!(callback.is_signed_with(SECRET), "{callback:?}");
        let body = callback.json();
        assert_eq!(body["seq"], place + 1);
        assert_eq!(body["id"], callback.event());
        assert_eq!(body["isFinal"], callback.kind() == "run.completed");
        assert_eq!(body["run"]["brain"], "help-request");
        assert_eq!(body["run"]["requestId"], "req-7");
        let api = format!("http://{}/brains/runs/{run}", px.address);
        assert_eq!(body["api"]["runUrl"], api.as_str());
        assert_eq!(
            body["api"]["eventsUrl"],
            format!("{api}/events?after={}", body["data"]["logSeq"]).as_str()
        );
        assert!(callback.header("user-agent").starts_with("px/"));
        if !body["to"].is_null() {
            assert!(place == 0 || body["from"] == from, "the status changes from what it was: {body}");
            from = body["to"].clone();
        }
    }
    assert_eq!(from, "complete");
    let page = px.get(&format!("/deliveries?brainRunId={run}")).json();
    assert_eq!(page["deliveries"].as_array().unwrap().len(), OF_A_RUN.len(), "{page}");
}

#[test]
fn hooks_1_a_url_that_cannot_be_refuses_the_start_and_says_why() {
    let project = Project::new();
    let px = project.serve();
    for (url, status, part) in [
        ("not a url", 400, "url"),
        ("ftp://receiver.example/", 400, "scheme"),
        ("http://user:hunter2@receiver.example/", 400, "credentials"),
        ("http://169.254.169.254/latest", 422, "metadata"),
        ("http://2852039166/", 422, "metadata"),
        ("http://10.0.0.1/", 422, "private"),
    ] {
        let body = json!({"identifier": "help-request", "initialState": help(1), "webhookUrl": url});
        let reply = px.post_json("/brains/runs", &body);
        assert_eq!(reply.status, status, "{url}: {}", reply.text());
        assert!(reply.text().contains(part) && !reply.text().contains("hunter2"), "{}", reply.text());
        assert_eq!(px.post_json("/hooks", &json!({"url": url})).status, status, "{url}");
    }
    let body = json!({"identifier": "help-request", "initialState": help(1), "webhookSecret": SECRET});
    assert_eq!(px.post_json("/brains/runs", &body).status, 400, "a secret without a URL");
    assert_eq!(px.runs_of("help-request").len(), 0, "nothing was started");
}

#[test]
fn rule_48_seq_is_gap_free_behind_a_filter() {
    let (project, receiver) = (Project::new(), Receiver::start());
    let px = project.serve();
    let id = hook(&px, &json!({"url": receiver.url("/some"), "events": ["run.*"]}));
    let runs = start_many(&px, 20);
    let got = receiver.waits_for("/some", 40);
    all_delivered(&px, &id, 40);
    for run in &runs {
        let of_run: Vec<_> = got.iter().filter(|callback| callback.run() == *run).cloned().collect();
        let heard: Vec<_> = heard(&of_run).into_iter().map(|(seq, (_, kind))| (seq, kind)).collect();
        assert_eq!(heard, [(1, "run.started".to_owned()), (2, "run.completed".to_owned())]);
    }
}

#[test]
fn hooks_6_a_burst_of_5_000_events_arrives_whole() {
    const RUNS: usize = 1_250;
    let (project, receiver) = (Project::new(), Receiver::start());
    let px = project.serve();
    let id = hook(&px, &json!({"url": receiver.url("/burst")}));
    let runs = start_many(&px, RUNS);
    let got = receiver.waits_for("/burst", RUNS * OF_A_RUN.len());
    all_delivered(&px, &id, 5_000);
    assert_eq!(receiver.count("/burst"), 5_000, "and nothing twice");
    assert_eq!(receiver.events("/burst").len(), 5_000);
    agrees_with_the_logs(&px, &runs, &got);
    let stats = px.get(&format!("/hooks/{id}/stats")).json();
    assert_eq!((&stats["states"]["delivered"], &stats["successRate"]), (&json!(5_000), &json!(1.0)));
    assert_eq!(stats["oldestPendingAt"], Value::Null, "{stats}");
}

#[test]
fn hooks_4_a_receiver_that_needs_50_ms_gets_everything_in_order_where_asked_for() {
    const RUNS: usize = 50;
    let receiver = Receiver::answering(|_| Answer::After(Duration::from_millis(50)));
    let project = Project::new();
    let px = project.serve();
    let id = hook(&px, &json!({"url": receiver.url("/slow"), "ordered": true}));
    let runs = start_many(&px, RUNS);
    let got = receiver.waits_for("/slow", RUNS * OF_A_RUN.len());
    all_delivered(&px, &id, RUNS * OF_A_RUN.len());
    for run in &runs {
        let of_run = got.iter().filter(|callback| callback.run() == *run);
        let seqs: Vec<u64> = of_run.map(|callback| callback.json()["seq"].as_u64().unwrap()).collect();
        assert_eq!(seqs, [1, 2, 3, 4], "as they came");
    }
}

#[test]
fn hooks_6_a_hook_that_always_answers_500_costs_its_neighbour_nothing() {
    const RUNS: usize = 100;
    let receiver = Receiver::answering(|path| Answer::Now(if path == "/bad" { 500 } else { 204 }));
    let project = Project::new();
    let px = project.serve();
    let bad = hook(&px, &json!({"url": receiver.url("/bad"), "name": "bad"}));
    let good = hook(&px, &json!({"url": receiver.url("/good"), "name": "good"}));
    let runs = start_many(&px, RUNS);
    let got = receiver.waits_for("/good", RUNS * OF_A_RUN.len());
    all_delivered(&px, &good, RUNS * OF_A_RUN.len());
    agrees_with_the_logs(&px, &runs, &got);
    // The breaker counts the endpoint: five failures, and what was under way then.
    let tried = receiver.count("/bad");
    assert!((5..=5 + 16).contains(&tried), "{tried} requests to an endpoint that always fails");
    let states = states(&px, &bad);
    assert_eq!(states.get("parked"), Some(&(RUNS * OF_A_RUN.len())), "nothing is dropped: {states:?}");
    let parked = deliveries(&px, &bad);
    assert!(parked.iter().all(|one| one["parkedUntil"].is_u64()), "and it says until when");
    let listed = px.get(&format!("/hooks/{bad}/deliveries?state=parked&limit=5")).json();
    assert_eq!(listed["deliveries"].as_array().unwrap().len(), 5, "and can be asked for");
    let tries: usize = parked.iter().map(|one| one["attempts"].as_array().unwrap().len()).sum();
    assert_eq!(tries, tried, "every request is an attempt, and no other");
}

#[test]
fn hooks_4_a_hook_that_does_not_answer_holds_its_own_slots_only() {
    const RUNS: usize = 100;
    let receiver = Receiver::answering(|path| match path {
        "/stuck" => Answer::WhenReleased,
        _ => Answer::Now(204),
    });
    let project = Project::new();
    let px = project.serve();
    let stuck = hook(&px, &json!({"url": receiver.url("/stuck"), "timeout": "120s", "max_in_flight": 4}));
    let good = hook(&px, &json!({"url": receiver.url("/good")}));
    let runs = start_many(&px, RUNS);
    let got = receiver.waits_for("/good", RUNS * OF_A_RUN.len());
    all_delivered(&px, &good, RUNS * OF_A_RUN.len());
    agrees_with_the_logs(&px, &runs, &got);
    assert_eq!(
        receiver.waits_for("/stuck", 4).len(),
        4,
        "its own max_in_flight, while everything else went by"
    );
    receiver.release();
    receiver.waits_for("/stuck", RUNS * OF_A_RUN.len());
    all_delivered(&px, &stuck, RUNS * OF_A_RUN.len());
}

#[test]
fn rule_50_a_receiver_that_never_answers_holds_no_run() {
    let receiver = Receiver::answering(|_| Answer::WhenReleased);
    let project = Project::new();
    let px = project.serve();
    for number in 0..20 {
        let own = json!({"webhookUrl": receiver.url("/never"), "webhookSecret": SECRET});
        let run = start(&px, number, own);
        // Its first callback is not answered before the run is complete, or ever.
        px.reaches(&run, "complete");
    }
    assert!(receiver.got("/never").iter().all(|callback| callback.kind() == "run.started"));
    receiver.release();
    receiver.waits_for("/never", 20 * OF_A_RUN.len());
}

#[test]
fn hooks_4_a_kill_9_loses_nothing_and_repeats_at_most_what_was_in_flight() {
    const IN_FLIGHT: usize = 16;
    const KILL_AT: usize = 600;
    let receiver = Receiver::answering(|_| Answer::After(Duration::from_millis(20)));
    let project = Project::new();
    let px = project.serve();
    let id = hook(&px, &json!({"url": receiver.url("/hook"), "max_in_flight": IN_FLIGHT}));
    // Runs are started until the process dies under them.
    let address = px.address;
    let started = std::thread::scope(|scope| {
        let starter = |from: usize| {
            let mut runs = Vec::new();
            for number in from.. {
                let body = json!({"identifier": "help-request", "initialState": help(number)}).to_string();
                let headers = [("content-type".to_owned(), "application/json".to_owned())];
                let Ok(mut connection) = support::Connection::open(address) else { break };
                let sent = connection.send("POST", "/brains/runs", &headers, body.as_bytes());
                let Ok(reply) = sent.and_then(|()| connection.receive()) else { break };
                if reply.status != 201 {
                    break;
                }
                runs.push(reply.run());
            }
            runs
        };
        let starters: Vec<_> =
            (0..4).map(|client| scope.spawn(move || starter(client * 1_000_000))).collect();
        receiver.waits_for("/hook", KILL_AT);
        px.kill();
        starters.into_iter().flat_map(|starter| starter.join().unwrap()).collect::<Vec<String>>()
    });
    let before = receiver.count("/hook");
    let px = project.serve();
    let restarted = Instant::now();
    receiver.waits_for("/hook", before + 1);
    aloud(format_args!(
        "the first callback after the kill came {:?} after px was ready",
        restarted.elapsed()
    ));
    // What was answered 201 is there, and maybe some runs more that nobody heard of.
    eventually("every run to be complete", || {
        (px.get("/brains/runs?status=running&limit=1").json()["runs"] == json!([])).then_some(())
    });
    let all: Vec<Value> = {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = px.get(&format!("/brains/runs?limit=1000&cursor={cursor}")).json();
            all.extend(page["runs"].as_array().unwrap().iter().cloned());
            match page["nextCursor"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break all,
            }
        }
    };
    let runs: Vec<String> = all.iter().map(|run| run["brainRunId"].as_str().unwrap().to_owned()).collect();
    assert!(started.iter().all(|run| runs.contains(run)), "a run that was answered 201 is gone");
    let expected: usize = runs.iter().map(|run| told(&px, run).len()).sum();
    eventually("every event to come", || (receiver.events("/hook").len() >= expected).then_some(()));
    all_delivered(&px, &id, expected);
    let got = receiver.got("/hook");
    agrees_with_the_logs(&px, &runs, &got);
    let ids: BTreeSet<String> =
        deliveries(&px, &id).iter().map(|one| one["eventId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(receiver.events("/hook"), ids, "the distinct ids received are those that px has");
    let copies = got.len() - ids.len();
    assert!(copies <= IN_FLIGHT, "{copies} copies, and {IN_FLIGHT} could be in flight");
    let mut bodies: BTreeMap<&str, &[u8]> = BTreeMap::new();
    for callback in &got {
        let body = bodies.entry(callback.event()).or_insert(&callback.bytes);
        assert_eq!(*body, &callback.bytes[..], "a copy has the same bytes");
    }
    assert!(px.stop().success());
    let audit = project.command(&["audit", "--data-dir", project.data().to_str().unwrap()]).output().unwrap();
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));
    aloud(format_args!("{} runs, {expected} events, {copies} copies after a kill -9", runs.len()));
}

#[test]
fn hooks_4_a_graceful_end_finishes_what_is_in_flight_and_leaves_the_rest_to_the_next_start() {
    let receiver = Receiver::answering(|_| Answer::After(Duration::from_millis(100)));
    let project = Project::new();
    let px = project.serve();
    let id = hook(&px, &json!({"url": receiver.url("/hook"), "max_in_flight": 2}));
    start_many(&px, 10);
    receiver.waits_for("/hook", 4);
    assert!(px.stop().success());
    assert!(receiver.count("/hook") < 40, "it did not wait for all of them");
    let px = project.serve();
    receiver.waits_for("/hook", 40);
    all_delivered(&px, &id, 40);
    assert_eq!(receiver.count("/hook"), 40, "what was in flight was finished, so nothing came twice");
}

#[test]
fn hooks_3_public_keys_are_served_and_no_secret_is_shown_again() {
    let (project, receiver) = (Project::new(), Receiver::start());
    let px = project.serve();
    let body = json!({"url": receiver.url("/a"), "signature": "standard-asymmetric"});
    let created = px.post_json("/hooks", &body).json();
    assert!(created["secret"].as_str().unwrap().starts_with("whsk_"), "shown once");
    assert!(created["publicKey"].as_str().unwrap().starts_with("whpk_"), "{created}");
    let id = created["id"].as_str().unwrap();
    let rotated = px.post_json(&format!("/hooks/{id}/rotate-secret"), &json!({"grace": "1h"})).json();
    assert_eq!(rotated["publicKeys"].as_array().unwrap().len(), 2, "both, for the grace period");
    let keys = px.get("/.well-known/webhooks-keys").json();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 2, "{keys}");
    assert_eq!((&keys["keys"][0]["kty"], &keys["keys"][0]["crv"]), (&json!("OKP"), &json!("Ed25519")));
    let shown = px.get(&format!("/hooks/{id}")).text() + &px.get("/hooks").text() + &keys.to_string();
    assert!(!shown.contains("whsk_"), "{shown}");
    assert_eq!(px.delete(&format!("/hooks/{id}")).status, 204);
    assert_eq!(px.get("/.well-known/webhooks-keys").json(), json!({"keys": []}));
}

#[test]
fn hooks_4_a_dead_delivery_is_kept_shown_with_its_attempts_and_recovered() {
    let receiver = Receiver::answering(|_| Answer::Now(404));
    let project = Project::new();
    let px = project.serve();
    let id = hook(&px, &json!({"url": receiver.url("/hook"), "events": ["run.completed"]}));
    start(&px, 1, json!({}));
    let dead = eventually("a dead delivery", || {
        deliveries(&px, &id).into_iter().find(|delivery| delivery["state"] == "dead")
    });
    let shown = px.get(&format!("/deliveries/{}", dead["id"].as_str().unwrap())).json();
    assert_eq!((&shown["attempts"][0]["status"], &shown["attempts"][0]["number"]), (&json!(404), &json!(1)));
    assert!(shown["attempts"][0]["timing"]["totalMs"].is_u64(), "{shown}");
    assert_eq!(shown["body"]["id"], dead["eventId"]);
    receiver.answer(|_| Answer::Now(204));
    let dry = px.post_json(&format!("/hooks/{id}/recover"), &json!({"since": 0, "dryRun": true})).json();
    assert_eq!((&dry["deliveries"], &dry["dryRun"]), (&json!(1), &json!(true)));
    assert_eq!(receiver.count("/hook"), 1, "a dry run sends nothing");
    let done = px.post_json(&format!("/hooks/{id}/recover"), &json!({"since": 0})).json();
    assert_eq!(done["deliveries"], 1);
    let got = receiver.waits_for("/hook", 2);
    assert_eq!(
        (got[0].event(), &got[0].bytes),
        (got[1].event(), &got[1].bytes),
        "the same id, the same bytes"
    );
    all_delivered(&px, &id, 1);
}

/// Starts a run that waits for an answer, on which it then completes.
#[track_caller]
fn start_waiting(px: &Px, more: Value) -> String {
    let state = json!({"name": "Ada", "slackChannel": "general", "phoneNumber": "+15550100"});
    let mut body = json!({"identifier": "customer-feedback", "initialState": state});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let reply = px.post_json("/brains/runs", &body);
    assert_eq!(reply.status, 201, "{}", reply.text());
    px.reaches(&reply.run(), "waiting");
    reply.run()
}

#[track_caller]
fn signal(px: &Px, run: &str, body: &Value) {
    let reply = px.post_json(&format!("/brains/runs/{run}/signals"), body);
    assert_eq!(reply.status, 202, "{}", reply.text());
}

fn answer(px: &Px, run: &str) {
    let response = json!({"message": "good", "user": "U1", "channel": "C1", "thread": "t"});
    signal(px, run, &json!({"type": "WEBHOOK_RESPONSE", "response": response}));
}

fn kinds(callbacks: &[Callback]) -> Vec<String> {
    callbacks.iter().map(Callback::kind).collect()
}

/// They are signed, numbered from 1, and of this run.
#[track_caller]
fn is_a_story_of(run: &str, callbacks: &[Callback]) {
    for (place, callback) in callbacks.iter().enumerate() {
        assert!(callback.is_signed_with(SECRET), "{callback:?}");
        assert_eq!((callback.run(), &callback.json()["seq"]), (run.to_owned(), &json!(place + 1)));
    }
}

#[test]
fn hooks_1_resume_rerun_and_fork_take_a_url_of_their_own() {
    let (project, receiver) = (Project::new(), Receiver::start());
    let px = project.serve();
    let own = |path: &str, more: Value| {
        let mut body = json!({"webhookUrl": receiver.url(path), "webhookSecret": SECRET});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    // A resume: from then on, and only there.
    let run = start_waiting(&px, own("/start", json!({})));
    signal(&px, &run, &json!({"type": "PAUSE"}));
    px.reaches(&run, "paused");
    let reply = px.post_json(&format!("/brains/runs/{run}/resume"), &own("/resume", json!({})));
    assert_eq!(reply.status, 202, "{}", reply.text());
    answer(&px, &run);
    px.reaches(&run, "complete");
    let got = receiver.waits_for("/resume", 5);
    is_a_story_of(&run, &got);
    let heard = kinds(&got);
    assert_eq!(heard.first().map(String::as_str), Some("run.resumed"), "{heard:?}");
    assert_eq!(heard.last().map(String::as_str), Some("run.completed"), "{heard:?}");
    assert_eq!(kinds(&receiver.got("/start")).last().map(String::as_str), Some("run.paused"));
    is_a_story_of(&run, &receiver.got("/start"));

    // A rerun: of the same run, from the step on.
    let body = own("/rerun", json!({"runId": run, "startsAt": 2}));
    let reply = px.post_json("/brains/runs/rerun", &body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let got = receiver.waits_for("/rerun", 4);
    is_a_story_of(&run, &got);
    assert_eq!(kinds(&got), ["run.resumed", "step.started", "step.completed", "run.completed"]);
    assert_eq!(got[0].json()["data"]["by"], "rerun");

    // A fork: a run of its own, with the caller's own name for it.
    let body = own("/fork", json!({"startsAt": 2, "requestId": "req-9"}));
    let reply = px.post_json(&format!("/brains/runs/{run}/fork"), &body);
    assert_eq!(reply.status, 201, "{}", reply.text());
    let forked = reply.run();
    px.reaches(&forked, "complete");
    let got = receiver.waits_for("/fork", 4);
    is_a_story_of(&forked, &got);
    assert_eq!(kinds(&got), OF_A_RUN);
    assert!(got.iter().all(|callback| callback.json()["run"]["requestId"] == "req-9"));

    // A URL that cannot be changes nothing.
    let seen = px.events(&run).len();
    for (path, body) in [
        ("/brains/runs/rerun".to_owned(), json!({"runId": run, "startsAt": 2})),
        (format!("/brains/runs/{run}/fork"), json!({"startsAt": 2})),
    ] {
        let mut body = body;
        body["webhookUrl"] = json!("http://169.254.169.254/");
        assert_eq!(px.post_json(&path, &body).status, 422, "{path}");
    }
    assert_eq!(px.events(&run).len(), seen);
    assert_eq!(px.runs_of("customer-feedback").len(), 2);
    assert!(px.stop().success());
    let audit = project.command(&["audit", "--data-dir"]).arg(project.data()).output().unwrap();
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));
}

#[test]
fn hooks_1_hooks_of_px_toml_are_what_the_file_says_and_are_changed_there() {
    let receiver = Receiver::start();
    let project = Project::new().env("TOLD_SECRET", SECRET);
    let file = |events: &str| {
        format!(
            "[[hooks]]\nname = \"told\"\nurl = \"{}\"\nsecret_env = \"TOLD_SECRET\"\nevents = [\"{events}\"]\n",
            receiver.url("/told")
        )
    };
    std::fs::write(project.path().join("px.toml"), file("run.started")).unwrap();
    let px = project.serve();
    let listed = px.get("/hooks").json();
    assert_eq!((&listed["count"], &listed["hooks"][0]["source"]), (&json!(1), &json!("config")));
    let id = listed["hooks"][0]["id"].as_str().unwrap().to_owned();
    start(&px, 1, json!({}));
    assert!(receiver.waits_for("/told", 1)[0].is_signed_with(SECRET));
    for reply in
        [px.delete(&format!("/hooks/{id}")), px.post_json(&format!("/hooks/{id}/rotate-secret"), &json!({}))]
    {
        assert_eq!(reply.status, 409, "{}", reply.text());
        assert!(reply.text().contains("px.toml"), "{}", reply.text());
    }
    all_delivered(&px, &id, 1);
    assert!(px.stop().success());
    std::fs::write(project.path().join("px.toml"), file("run.completed")).unwrap();
    let px = project.serve();
    start(&px, 2, json!({}));
    let got = receiver.waits_for("/told", 2);
    assert_eq!(kinds(&got), ["run.started", "run.completed"]);
    assert_eq!(px.get("/hooks").json()["hooks"][0]["id"], id.as_str(), "the same hook");
    all_delivered(&px, &id, 2);
    assert!(px.stop().success());
    std::fs::write(project.path().join("px.toml"), "").unwrap();
    let px = project.serve();
    assert_eq!(px.get("/hooks").json()["count"], 0, "what the file names no more is no more");
}
