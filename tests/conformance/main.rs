//! The whole contract of the API over the real binary: every route, status and
//! text of it. Each answer is held against `/openapi.json`, which is made of the
//! route table; and what the document has and no case has seen fails. So a
//! route, and a status, without a case cannot land.
//!
//! This program serves its own brains and webhooks: it starts itself as `px`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    unreachable_pub,
    dead_code,
    reason = "test code: what is unexpected fails the test"
)]

mod access;
mod book;
mod brains;
mod bulk;
mod hooks;
mod inbox;
mod overview;
mod payloads;
mod planted;
mod project;
mod runs;
mod secrets;
mod spelled;
mod store;
#[path = "../support/mod.rs"]
mod support;
mod test_events;
mod types;
mod waits;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use serde_json::Value;
use support::{Project, Px, Reply};

use book::Book;

/// A server without tokens, and what is known of it.
struct Suite {
    px: Px,
    book: Book,
}

impl Suite {
    #[track_caller]
    fn get(&self, target: &str) -> Reply {
        self.book.ask(&self.px, "GET", target, &[], b"")
    }

    #[track_caller]
    fn post(&self, target: &str, body: &Value) -> Reply {
        self.send("POST", target, body)
    }

    #[track_caller]
    fn send(&self, method: &str, target: &str, body: &Value) -> Reply {
        let json = [("content-type", "application/json")];
        self.book.ask(&self.px, method, target, &json, body.to_string().as_bytes())
    }

    /// Posts to a webhook, with the provider's id if there is one.
    #[track_caller]
    fn webhook(&self, slug: &str, id: Option<&str>, body: &str) -> Reply {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(id.map(|id| ("x-id", id)));
        self.book.ask(&self.px, "POST", &format!("/webhooks/{slug}"), &headers, body.as_bytes())
    }

    /// Starts a run.
    #[track_caller]
    fn start(&self, brain: &str, state: &Value) -> String {
        let reply =
            self.post("/brains/runs", &serde_json::json!({"identifier": brain, "initialState": state}));
        assert_eq!(reply.status, 201, "{}", reply.text());
        reply.run()
    }
}

type Case = (&'static str, fn(&Suite));

/// Answers that the cases do not provoke on each route, and where they are held.
fn is_held_elsewhere(route: &book::Route, status: u16) -> bool {
    let (method, path) = (route.0.as_str(), route.1.as_str());
    match status {
        // One piece of code for all routes: `tests/api.rs`, `px-server/tests/{edge,connections}.rs`.
        400 if method != "POST" || path.contains('{') || path == "/tokens" => true,
        408 | 413 | 431 => true,
        // A brain without values has an empty list, whatever its name.
        404 if path == "/store/{brain}" => true,
        // A webhook that believes nobody: `px-server/tests/test_events.rs`.
        409 if path == "/tests" => true,
        // A store that takes no writes: `tests/durability.rs`, `tests/power_loss.rs`.
        503 => true,
        // An address list, and CloudEvents' question: `px-server/tests/{edge,layers}.rs`.
        403 if path == "/webhooks/{slug}" => true,
        200 | 404 if method == "OPTIONS" => true,
        403 if method == "GET" && path == "/webhooks/system/link/{token}" => true,
        // The handshakes of providers that have one by GET: `px-server/tests/edge.rs`. Twilio's
        // webhooks by GET go the way of POST.
        _ if method == "GET" && path == "/webhooks/{slug}" => !matches!(status, 404 | 405),
        415 if path == "/webhooks/{slug}" => false,
        // A thousand hooks, or a change at the same time: `px-outbound/tests`.
        409 if path.starts_with("/hooks") || path.starts_with("/deliveries/") => true,
        // Five hundred secrets: `px-secrets/tests`.
        409 if path.starts_with("/secrets") => true,
        // One that ends before it can be stopped: `px-testkit/tests/bulk.rs`.
        200 if method == "DELETE" && path == "/bulk/{id}" => true,
        // One that is not there does not exist, and that is no error.
        404 if path == "/secrets/{name}/exists" => true,
        // What may not be called is refused by one function: the case of `POST /brains/runs`.
        422 if path == "/brains/runs/{id}/resume" => true,
        // A state of then that does not fit any more takes another binary: `tests/rerun.rs`.
        422 if path == "/brains/runs/rerun" => true,
        // One rule of answers by hand: the case of signals, and `px-testkit/tests/by_hand.rs`.
        422 if path == "/webhooks/deliveries/{id}/bind" => true,
        // A webhook's own function answers a replay: the cases of the webhook.
        202 | 405 | 415 | 422 | 500 if path == "/webhooks/deliveries/{id}/replay" => true,
        405 if path == "/webhooks/{slug}" => true,
        _ => false,
    }
}

fn whole_contract_is_seen(suite: &Suite) {
    let unseen: Vec<_> = suite
        .book
        .unseen()
        .into_iter()
        .filter(|(route, status)| !is_held_elsewhere(route, *status))
        .map(|((method, path), status)| format!("{method} {path} {status}"))
        .collect();
    assert!(unseen.is_empty(), "documented, and no case has seen it:\n{}", unseen.join("\n"));
}

fn every_route_has_a_case_that_succeeds(suite: &Suite) {
    let unseen = suite.book.unseen();
    for route in suite.book.routes() {
        let responses = suite.book.operation(&route)["responses"].as_object().unwrap();
        let good: Vec<u16> =
            responses.keys().map(|status| status.parse().unwrap()).filter(|status| *status < 300).collect();
        // A browser is sent back to the page by what it has answered.
        let is_sent_back = responses.contains_key("303") && !unseen.contains(&(route.clone(), 303));
        let is_seen = is_sent_back || good.iter().any(|status| !unseen.contains(&(route.clone(), *status)));
        // A job ends before it can be stopped: `px-testkit/tests/bulk.rs`.
        let is_too_quick = route == ("DELETE".to_owned(), "/bulk/{id}".to_owned());
        // Providers that shake hands by GET: `px-server/tests/edge.rs`.
        let is_handshake = route == ("GET".to_owned(), "/webhooks/{slug}".to_owned());
        assert!(is_seen || is_handshake || is_too_quick, "no case of {route:?} succeeds");
    }
}

fn run(names: &[String]) -> bool {
    let project = Project::of(std::env::current_exe().unwrap())
        .env("SLACK_SIGNING_SECRET", project::SLACK_SECRET)
        .env("RUST_BACKTRACE", "0");
    let config = "[webhooks.lenient]\nallow_test = false\n";
    std::fs::write(project.path().join("px.toml"), config).unwrap();
    let px = project.serve();
    let suite = Suite { book: Book::of(&px), px };
    let cases: Vec<Case> = [
        brains::CASES,
        runs::CASES,
        inbox::CASES,
        hooks::CASES,
        secrets::CASES,
        planted::CASES,
        store::CASES,
        waits::CASES,
        overview::CASES,
        bulk::CASES,
        test_events::CASES,
        access::CASES,
        payloads::CASES,
    ]
    .concat()
    .into_iter()
    .chain([
        ("every_route_has_a_case_that_succeeds", every_route_has_a_case_that_succeeds as fn(&Suite)),
        ("whole_contract_is_seen", whole_contract_is_seen),
    ])
    .collect();
    let (mut passed, mut failed) = (0, Vec::new());
    // The last two look at what the others did.
    for (name, case) in cases {
        let is_whole = names.is_empty();
        if !is_whole && !names.iter().any(|wanted| name.contains(wanted.as_str())) {
            continue;
        }
        match std::panic::catch_unwind(AssertUnwindSafe(|| case(&suite))) {
            Ok(()) => {
                passed += 1;
                println!("test {name} ... ok");
            }
            Err(_) => {
                println!("test {name} ... FAILED");
                failed.push(name);
            }
        }
    }
    println!("\ncodes seen: {:?}", suite.book.codes());
    println!("conformance: {passed} passed, {} failed {failed:?}", failed.len());
    failed.is_empty()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // As `px`: the suite starts itself with these.
    if arguments.first().is_some_and(|first| {
        matches!(
            first.as_str(),
            "serve"
                | "tokens"
                | "audit"
                | "secrets"
                | "runs"
                | "hooks"
                | "brains"
                | "webhooks"
                | "check"
                | "run"
        )
    }) {
        return px::main();
    }
    if arguments.iter().any(|argument| argument == "--list") {
        println!("conformance: test");
        return ExitCode::SUCCESS;
    }
    let names: Vec<String> = arguments.iter().filter(|name| !name.starts_with('-')).cloned().collect();
    if arguments.iter().any(|argument| argument == "--ignored") || run(&names) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
