//! The cases, each on a server of its own.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::Suite;
use crate::support::{Px, Reply, eventually};

type Case = (&'static str, fn());

pub const CASES: &[Case] = &[
    ("steps_that_do_not_yield_cost_nobody_else", steps_that_do_not_yield_cost_nobody_else),
    ("a_handler_that_blocks_costs_its_own_webhook", a_handler_that_blocks_costs_its_own_webhook),
    ("own_verifiers_and_middleware_cost_their_webhook", own_verifiers_and_middleware_cost_their_webhook),
    ("a_stalled_step_is_named_and_can_be_cancelled", a_stalled_step_is_named_and_can_be_cancelled),
    ("entering_and_leaving_a_brain_may_stall_too", entering_and_leaving_a_brain_may_stall_too),
    ("a_step_that_wakes_late_writes_nothing", a_step_that_wakes_late_writes_nothing),
    ("at_the_bound_px_is_degraded_and_works", at_the_bound_px_is_degraded_and_works),
    ("the_end_does_not_wait_for_what_never_yields", the_end_does_not_wait_for_what_never_yields),
    ("what_awaits_a_slow_answer_holds_no_thread", what_awaits_a_slow_answer_holds_no_thread),
];

fn ping(px: &Px, slug: &str, id: usize) -> Reply {
    px.post_json(&format!("/webhooks/{slug}"), &json!({ "id": id.to_string() }))
}

/// Everything that has to go on: health, webhooks and the runs that they start.
#[track_caller]
fn is_well(suite: &Suite) {
    let begun = Instant::now();
    assert_eq!(suite.px.get("/health/live").status, 200);
    assert_eq!(suite.px.get("/health/ready").status, 200);
    for id in 0..20 {
        let reply = ping(&suite.px, "good", id);
        reply.is(201, "triggered");
        suite.px.reaches(&reply.run(), "complete");
    }
    // No bar, but far from the minutes that it took on threads that were shared.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

/// A figure that `/metrics` shows; 0 if it is not there.
fn figure(px: &Px, name: &str) -> u64 {
    let text = px.get("/metrics").text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().unwrap())
}

fn steps_that_do_not_yield_cost_nobody_else() {
    let suite = Suite::new("");
    // More than there are threads for steps.
    let spin: Vec<_> = (0..4).map(|_| suite.start("spins", "spin")).collect();
    let block: Vec<_> = (0..8).map(|_| suite.start("blocks", "block")).collect();
    for run in spin.iter().chain(&block) {
        suite.px.reaches(run, "running");
    }
    is_well(&suite);
    suite.release("spin");
    suite.release("block");
    for run in spin.iter().chain(&block) {
        suite.px.reaches(run, "complete");
    }
    assert!(figure(&suite.px, "px_blocked_polls_total") >= 12);
}

fn a_handler_that_blocks_costs_its_own_webhook() {
    let suite = Suite::new("");
    is_well(&suite);
    let before = std::fs::read_dir(format!("/proc/{}/task", suite.px.pid())).unwrap().count();
    std::thread::scope(|scope| {
        // Each is answered 503 after its two seconds, or at once where too many hold a thread.
        let px = &suite.px;
        let answers: Vec<_> = (0..100).map(|id| scope.spawn(move || ping(px, "bad", id))).collect();
        is_well(&suite);
        for answer in answers {
            let answer = answer.join().unwrap();
            assert_eq!(answer.status, 503, "{}", answer.text());
            assert!(answer.header("retry-after").is_some());
        }
    });
    // Two of the quick lane, the eight that a webhook may have, and those that px has anyway.
    let threads = std::fs::read_dir(format!("/proc/{}/task", suite.px.pid())).unwrap().count();
    assert!(threads <= before + 2 + 8 + 4, "{threads} threads, {before} before");
    is_well(&suite);
    let name = "px_handlers_stalled{webhook=\"bad\"}";
    assert!(figure(&suite.px, name) >= 1);
    suite.release("handlers");
    eventually("the handlers to be through", || (figure(&suite.px, name) == 0).then_some(()));
    // Nothing of what was answered 503 is known: the sender's retry counts.
    ping(&suite.px, "bad", 1).is(200, "ignored");
}

fn own_verifiers_and_middleware_cost_their_webhook() {
    let suite = Suite::new("");
    for place in ["verifier", "layer"] {
        std::thread::scope(|scope| {
            let headers = [
                ("content-type".to_owned(), "application/json".to_owned()),
                ("x-block".to_owned(), place.to_owned()),
            ];
            let px = &suite.px;
            let stuck =
                scope.spawn(move || px.try_send("POST", "/webhooks/verifies", &headers, b"{\"id\":\"1\"}"));
            is_well(&suite);
            if place == "layer" {
                // It may take longer than a handler; nobody waits for that here.
                suite.release("handlers");
                assert_eq!(stuck.join().unwrap().unwrap().status, 200);
            } else {
                assert_eq!(stuck.join().unwrap().unwrap().status, 503);
            }
        });
    }
}

fn a_stalled_step_is_named_and_can_be_cancelled() {
    let suite = Suite::new("");
    let run = suite.start("spins", "spin");
    let begun = Instant::now();
    let shown = suite.px.until(&run, "stalled", |run| run["stalledSince"].is_u64());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(shown["status"], "running");
    eventually("a line in the log", || {
        let log = suite.px.log();
        (log.contains("has not yielded") && log.contains("spins") && log.contains("spin")).then_some(())
    });
    let name = "px_steps_stalled{brain=\"spins\",step=\"spin\"}";
    assert_eq!(figure(&suite.px, name), 1);
    let url = format!("http://{}", suite.px.address);
    let said = suite.project.command(&["runs", "explain", &run, "--url", &url]).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("has not yielded") && said.contains("px::blocking"), "{said}");

    let said = suite.project.command(&["runs", "cancel", &run, "--url", &url]).output().unwrap();
    assert!(said.status.success(), "{said:?}");
    suite.px.reaches(&run, "cancelled");
    // Five seconds to clean up, which it does not; then its thread is left to it.
    eventually("the thread to be written off", || {
        (figure(&suite.px, "px_threads_written_off") == 1).then_some(())
    });
    assert!(suite.px.run(&run)["stalledSince"].is_null());
    is_well(&suite);
    suite.release("spin");
    eventually("the thread to come back", || {
        (figure(&suite.px, "px_threads_written_off") == 0 && figure(&suite.px, name) == 0).then_some(())
    });
}

fn entering_and_leaving_a_brain_may_stall_too() {
    let suite = Suite::new("");
    let run = suite.start("nests", "nest");
    suite.px.until(&run, "stalled on its way in", |run| run["stalledSince"].is_u64());
    is_well(&suite);
    suite.release("nest.enter");
    suite.px.until(&run, "in the brain", |run| run["stalledSince"].is_null());
    suite.px.until(&run, "stalled on its way out", |run| run["stalledSince"].is_u64());
    is_well(&suite);
    suite.release("nest");
    suite.px.reaches(&run, "complete");
}

fn a_step_that_wakes_late_writes_nothing() {
    let suite = Suite::new("");
    let run = suite.start("wakes-late", "late");
    // The first attempt has timed out, though it does not yield, and the second one is through.
    suite.px.until(&run, "at its second step", |run| run["step"] == "end");
    suite.release("late");
    let tried = suite.file("late.tried");
    let word = eventually("the first attempt to have tried", || std::fs::read_to_string(&tried).ok());
    assert_eq!(word, "refused");
    suite.px.reaches(&run, "complete");
    let log = suite.px.events(&run);
    let of_type = |kind: &str| log.iter().filter(|event| event["type"] == kind).count();
    assert_eq!(of_type("step:retry"), 1, "{log:?}");
    assert!(!log.iter().any(|event| event.to_string().contains("late run")), "{log:?}");
    assert!(!log.iter().any(|event| event["name"] == "late"), "{log:?}");
    assert_eq!(log.iter().filter(|event| event["name"] == "retry").count(), 1);
    let runs = suite.px.get("/brains/runs").json();
    assert_eq!(runs["runs"].as_array().unwrap().len(), 1, "no run was started: {runs}");
}

fn at_the_bound_px_is_degraded_and_works() {
    let suite = Suite::new("[limits]\nmax_stalled = 1\nmax_concurrent_steps = 2\n");
    for file in ["block", "spin"] {
        let run = suite.start("spins", file);
        suite.px.until(&run, "stalled", |run| run["stalledSince"].is_u64());
        suite.px.delete(&format!("/brains/runs/{run}"));
        suite.px.until(&run, "let go of", |run| run["stalledSince"].is_null());
    }
    eventually("px to be degraded", || {
        let ready = suite.px.get("/health/ready");
        (ready.status == 200 && ready.json()["status"] == "degraded").then_some(())
    });
    // One place of two was given back, and one is kept.
    is_well(&suite);
    assert_eq!(figure(&suite.px, "px_threads_written_off"), 1);
    // The first one yields, and the second one gives its place back instead.
    suite.release("block");
    eventually("one of two to come back", || {
        let name = "px_steps_stalled{brain=\"spins\",step=\"spin\"}";
        (figure(&suite.px, name) == 1 && figure(&suite.px, "px_threads_written_off") == 1).then_some(())
    });
    is_well(&suite);
    suite.release("spin");
    eventually("px to be well again", || {
        (suite.px.get("/health/ready").json()["status"] == "ready").then_some(())
    });
}

fn the_end_does_not_wait_for_what_never_yields() {
    let suite = Suite::new("[server]\nshutdown_grace_secs = 1\n");
    let runs = ["spins", "blocks"].map(|brain| suite.start(brain, "spin"));
    for run in &runs {
        suite.px.until(run, "stalled", |run| run["stalledSince"].is_u64());
    }
    let (project, px) = (&suite.project, &suite.px);
    px.terminate();
    let log = eventually("the end of the server", || px.connect().is_err().then(|| px.log()));
    assert!(!log.contains("panicked"), "{log}");
    // The lock is free once the process has ended; both runs were given back and go on.
    let again = project.serve();
    suite.release("spin");
    for run in &runs {
        let shown = again.reaches(run, "complete");
        assert!(shown["reason"].is_null(), "{shown}");
    }
}

/// Takes connections, and answers them all once it is told to.
fn slow_server(calls: usize) -> (String, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let ((all_there, are_there), (go, gone)) = (mpsc::channel(), mpsc::channel::<()>());
    std::thread::spawn(move || {
        let mut held: Vec<TcpStream> = Vec::new();
        while held.len() < calls {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1_024]);
            held.push(stream);
        }
        all_there.send(()).unwrap();
        let _ = gone.recv();
        for mut stream in held {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
        }
    });
    (url, are_there, go)
}

fn what_awaits_a_slow_answer_holds_no_thread() {
    // As many as this process may open files, at most the five thousand of the long run.
    let calls = if std::env::var_os("PX_LONG").is_some() { most_files().min(5_000) } else { 400 };
    let suite = Suite::new("[limits]\nmax_concurrent_steps = 6000\n");
    let threads = || std::fs::read_dir(format!("/proc/{}/task", suite.px.pid())).unwrap().count();
    is_well(&suite);
    let before = threads();
    let (url, are_there, go) = slow_server(calls);
    let runs: Vec<_> = (0..calls).map(|_| suite.px.start("calls", &json!({ "url": url }))).collect();
    are_there.recv_timeout(Duration::from_secs(120)).unwrap();
    println!("{calls} executions await an answer: {} threads, {before} before", threads());
    // A few may have been made meanwhile to look up names; none for each call.
    assert!(threads() <= before + 16, "{} threads, {before} before", threads());
    is_well(&suite);
    drop(go);
    for run in &runs {
        suite.px.reaches(run, "complete");
    }
}

/// Files that this process may still open, as `ulimit -n` says.
fn most_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let soft = line.split_whitespace().nth(3).unwrap();
    soft.parse::<usize>().map_or(usize::MAX, |files| files.saturating_sub(200))
}
