//! What a run tells the outside: which entries of its log, in which order, with
//! which data, and that no secret is among it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says by panicking that it failed")]

use px_core::event::{Cause, Failure, FailureKind, StepInfo, StepKind};
use px_core::lifecycle::{Kind, Lifecycle, lifecycle};
use px_core::run::{After, BrainInfo, Command, Response, Start, StepOutcome, Then, decide};
use px_core::wait::Registration;
use px_core::wait::{Wait, WaitMode};
use px_core::{KeyId, Run, RunId, RunStatus, Timestamp, WaitId};
use serde_json::json;

struct Told {
    run: Run,
    kinds: Vec<&'static str>,
    last: Option<Lifecycle>,
}

impl Told {
    fn started() -> Self {
        let step = |title: &str| StepInfo { title: title.into(), kind: StepKind::Step };
        let brain = BrainInfo {
            title: "asker".into(),
            description: None,
            version: 1,
            steps: vec![step("ask"), step("use")],
        };
        let run = Run::vacant(RunId::from_bytes([1; 16]));
        let mut told = Self { run, kinds: Vec::new(), last: None };
        told.ask(Command::Start(Box::new(Start::of(brain, json!({}), Cause::Api))));
        told
    }

    fn ask(&mut self, command: Command) {
        let decision = decide(&self.run, command, Timestamp::from_millis(5)).unwrap();
        for event in decision.events {
            let before = self.run.status;
            self.run.apply(&event).unwrap();
            if let Some(told) = lifecycle(before, &self.run, &event) {
                assert_eq!(told.data["logSeq"], event.seq, "data.logSeq ties it to the log");
                self.kinds.push(told.kind.as_str());
                self.last = Some(told);
            }
        }
    }

    fn step(&mut self, index: u32, after: After, then: Then) {
        self.ask(Command::BeginStep { index });
        let outcome = StepOutcome {
            state: json!({ "n": index }),
            after,
            then,
            takes_kept: Some(px_core::run::TakenAnswer { answer: 0, index: 0 }),
            labels: px_core::Labels::new(),
        };
        self.ask(Command::ReturnStep(Box::new(outcome)));
    }
}

fn wait() -> Wait {
    let key = KeyId::new("slack", "thread");
    Wait {
        id: WaitId::from_bytes([2; 16]),
        mode: WaitMode::Any,
        collected: Vec::new(),
        answered: Vec::new(),
        registrations: vec![Registration { key, token: Some("secret".into()), schema: 0, ask: None }],
        opened_at: Timestamp::from_millis(5),
        deadline: None,
        fresh: false,
        picked: false,
        reminders: Vec::new(),
    }
}

#[test]
fn a_run_tells_its_life_in_order_with_from_and_to() {
    let mut told = Told::started();
    told.step(0, After::Step("use".into()), Then::Wait(wait()));
    let waiting = told.last.clone().unwrap();
    assert_eq!(waiting.change, Some((RunStatus::Running, RunStatus::Waiting)));
    assert!(!serde_json::to_string(&waiting.data).unwrap().contains("secret"), "no token goes out");
    told.ask(Command::Respond(Box::new(Response {
        wait: WaitId::from_bytes([2; 16]),
        index: 0,
        key: Some(KeyId::new("slack", "thread")),
        event: None,
        delivery: None,
        response: json!({ "yes": true }),
        test: None,
    })));
    told.step(1, After::End, Then::Go);
    assert_eq!(
        told.kinds,
        [
            "run.started",
            "step.started",
            "step.completed",
            "run.waiting",
            "run.resumed",
            "step.started",
            "step.completed",
            "run.completed"
        ]
    );
    let last = told.last.unwrap();
    assert!(last.is_final);
    assert_eq!(last.data["result"], json!({ "n": 1 }));
}

#[test]
fn a_step_that_fails_is_failed_and_one_that_panics_is_error() {
    for (kind, name) in [
        (FailureKind::Step, "run.failed"),
        (FailureKind::Panic, "run.error"),
        (FailureKind::Engine, "run.error"),
    ] {
        let mut told = Told::started();
        told.ask(Command::BeginStep { index: 0 });
        let error = Failure { kind, name: "Error".into(), message: "no".into(), stack: Some("why".into()) };
        told.ask(Command::FailStep { error: error.clone(), retry_at: Some(Timestamp::from_millis(5)) });
        assert_eq!(told.kinds.last(), Some(&"step.retrying"));
        told.ask(Command::Retry);
        told.ask(Command::BeginStep { index: 0 });
        told.ask(Command::FailStep { error, retry_at: None });
        assert_eq!(told.kinds.last(), Some(&name));
        let last = told.last.unwrap();
        assert!(last.is_final);
        assert_eq!(last.data["error"], json!({ "name": "Error", "message": "no" }), "no causes go out");
    }
}

#[test]
fn pause_resume_and_cancel_are_told() {
    let mut told = Told::started();
    told.step(0, After::Step("use".into()), Then::Wait(wait()));
    told.ask(Command::Pause { reason: Some("lunch".into()) });
    assert_eq!(told.last.as_ref().unwrap().data["reason"], "lunch");
    told.ask(Command::Resume);
    assert_eq!(
        told.last.as_ref().unwrap().change,
        Some((RunStatus::Paused, RunStatus::Waiting)),
        "its wait is still open"
    );
    told.ask(Command::Cancel { reason: None });
    assert_eq!(
        told.kinds.iter().rev().take(3).copied().collect::<Vec<_>>(),
        ["run.cancelled", "run.resumed", "run.paused"]
    );
}

#[test]
fn rule_48_what_a_step_reports_is_told_if_it_is_durable() {
    let mut told = Told::started();
    told.ask(Command::BeginStep { index: 0 });
    for (name, durable) in [
        ("typing", false),
        ("stream", true),
        ("agent.result", true),
        ("error", true),
        ("half way", true),
        ("result", false),
    ] {
        told.ask(Command::Emit { name: name.into(), data: json!({ "n": 1 }), durable });
    }
    let heard = ["agent.stream", "agent.result", "agent.error", "agent.message"];
    assert_eq!(told.kinds[2..], heard);
    let last = told.last.unwrap();
    assert_eq!((&last.data["name"], &last.data["data"]), (&json!("half way"), &json!({ "n": 1 })));
    assert_eq!(last.data["step"], "ask");
}

#[test]
fn names_parse_back() {
    for kind in Kind::ALL {
        assert_eq!(Kind::parse(kind.as_str()), Some(kind));
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
}
