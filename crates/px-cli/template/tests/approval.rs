//! The approval in virtual time: no server, no waiting, no secrets.

use std::time::Duration;

use app::approval::{Outcome, Request, approval};
use app::webhooks::decisions::{self, Decision};
use px::test::{Windy, weather, world};

fn order() -> Request {
    Request { order: "42".into(), text: "two espresso machines".into() }
}

fn yes() -> Decision {
    Decision { order: "42".into(), approved: true, by: "Ada".into() }
}

/// A file that no `mod` names is not compiled, and a brain that is not registered cannot be
/// started: this says so.
#[test]
fn everything_is_registered() {
    px::test::expect_all_registered();
}

#[test]
fn a_decision_ends_the_wait() {
    let world = world();
    world.stub(approval, "ask", ());
    let run = world.start(approval, order());
    run.expect_waiting_on(decisions::on("42"));
    world.post("decisions", yes()).expect("resumed");
    let outcome: Outcome = run.expect_complete().state();
    assert_eq!(outcome, Outcome { order: "42".into(), approved: true, by: Some("Ada".into()) });
    // A test makes no effects: what would have been sent is here.
    assert_eq!(world.calls(approval, "ask").len(), 1);
}

#[test]
fn after_three_days_without_a_decision_it_is_no() {
    let world = world();
    world.stub(approval, "ask", ());
    let run = world.start(approval, order());
    world.skip(Duration::from_hours(72));
    let outcome: Outcome = run.expect_complete().state();
    assert!(!outcome.approved && outcome.by.is_none());
}

/// The same life under many seeds: deliveries that come early, twice or late,
/// and a process that dies at any moment.
#[test]
fn a_decision_counts_in_all_weathers() {
    weather(|w: &Windy| {
        w.stub(approval, "ask", ());
        let run = w.start(approval, order());
        w.post("decisions", yes());
        w.calm();
        let outcome: Outcome = run.expect_complete().state();
        assert!(outcome.approved);
    });
}
