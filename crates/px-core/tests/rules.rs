//! Properties of `decide` and `apply` over random commands: whatever is asked
//! in whatever order, what is decided applies, the log has no gap, a replay
//! gives the run, and a run that has ended stays as it is.

mod reminded;

use proptest::prelude::*;
use px_core::event::{Cause, Given, Position, StepInfo, StepKind};
use px_core::key::KeyId;
use px_core::reminder::ReminderEnd;
use px_core::run::{
    After, BrainInfo, Command, Effect, ItemResult, MigratedFrame, Refusal, Response, Start, StepOutcome,
    Then, decide,
};
use px_core::wait::{Registration, Wait, WaitMode};
use px_core::{Event, Run, RunId, RunStatus, Timestamp, WaitId};
use reminded::{Timers, failure, reminders};
use serde_json::{Value, json};

#[derive(Debug, Clone)]
enum Ask {
    Start { slot: bool, fork: bool },
    Begin,
    Once(u8),
    Return { state: Value, after: u8, then: u8, timeout: Option<u16> },
    Fail { retry_in: Option<u16> },
    Retry,
    Respond(bool),
    TimeOut,
    Cancel,
    Pause,
    Halt,
    Answer,
    EndWait,
    Resume,
    Item(u8),
    Emit,
    Migrate { state: Value, outer: bool },
    Enter(Value),
    Leave { state: Value, after: u8 },
    Admit,
    Await,
    Rerun { step: u8, given: bool },
    Remind,
    EndReminder(u8),
    Later(u16),
}

fn state() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(|n: f64| json!(n)),
        "[a-z~/]{0,5}".prop_map(Value::from),
    ];
    let tree = leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c~/]{1,2}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("[a-d]", tree, 0..4).prop_map(|map| Value::Object(map.into_iter().collect()))
}

fn ask() -> impl Strategy<Value = Ask> {
    prop_oneof![
        2 => (any::<bool>(), any::<bool>()).prop_map(|(slot, fork)| Ask::Start { slot, fork }),
        6 => Just(Ask::Begin),
        2 => (0..3_u8).prop_map(Ask::Once),
        8 => (state(), 0..5_u8, 0..4_u8, prop::option::of(0..50_u16))
            .prop_map(|(state, after, then, timeout)| Ask::Return { state, after, then, timeout }),
        1 => prop::option::of(0..50_u16).prop_map(|retry_in| Ask::Fail { retry_in }),
        2 => Just(Ask::Retry),
        4 => any::<bool>().prop_map(Ask::Respond),
        2 => Just(Ask::TimeOut),
        1 => Just(Ask::Cancel),
        1 => Just(Ask::Pause),
        1 => Just(Ask::Halt),
        2 => Just(Ask::Answer),
        1 => Just(Ask::EndWait),
        2 => Just(Ask::Resume),
        1 => (0..3_u8).prop_map(Ask::Item),
        1 => Just(Ask::Emit),
        1 => (state(), any::<bool>()).prop_map(|(state, outer)| Ask::Migrate { state, outer }),
        3 => state().prop_map(Ask::Enter),
        3 => (state(), 0..4_u8).prop_map(|(state, after)| Ask::Leave { state, after }),
        2 => Just(Ask::Admit),
        1 => Just(Ask::Await),
        1 => (0..3_u8, any::<bool>()).prop_map(|(step, given)| Ask::Rerun { step, given }),
        4 => Just(Ask::Remind),
        3 => (0..5_u8).prop_map(Ask::EndReminder),
        2 => (0..60_u16).prop_map(Ask::Later),
    ]
}

fn steps() -> Vec<StepInfo> {
    ["one", "two", "three"].map(|title| StepInfo { title: title.into(), kind: StepKind::Step }).to_vec()
}

fn after_of(which: u8) -> After {
    match which {
        0 => After::End,
        1 => After::Same,
        2 => After::Step("two".into()),
        3 => After::Halt,
        _ => After::Step("three".into()),
    }
}

fn position(step: u8, given: bool) -> Position {
    Position {
        step: ["one", "two", "three"].get(usize::from(step)).copied().unwrap_or("one").to_owned(),
        starts_at: u32::from(step) + 1,
        reset_to: 1,
        state: json!({"from": step}),
        version: 1 + u32::from(step),
        given: given.then(|| Given::by_hand(json!({"again": true}))),
    }
}

struct Lab {
    run: Run,
    log: Vec<Event>,
    now: Timestamp,
    waits: u8,
    timers: Timers,
}

impl Lab {
    fn new(id: RunId) -> Self {
        let now = Timestamp::from_millis(1_000);
        Self { run: Run::vacant(id), log: Vec::new(), now, waits: 0, timers: Timers::default() }
    }

    fn command(&mut self, ask: &Ask) -> Option<Command> {
        let after = |millis: u16| Timestamp::from_millis(self.now.as_millis() + u64::from(millis));
        Some(match ask {
            Ask::Start { slot, fork } => Command::Start(Box::new(Start {
                brain: "b".into(),
                description: None,
                version: 1,
                steps: steps(),
                initial_state: json!({}),
                options: json!({}),
                cause: Cause::Api,
                test: None,
                request_id: None,
                traceparent: None,
                owns: None,
                labels: px_core::Labels::new(),
                bad_options: None,
                slot: slot.then(|| KeyId::new("px.slot", "b")),
                position: fork.then(|| position(1, false)),
            })),
            Ask::Begin => Command::BeginStep { index: 0 },
            Ask::Once(n) => {
                Command::RecordOnce { name: n.to_string(), value: json!(n), item: (*n == 2).then_some(0) }
            }
            Ask::Return { state, after: which, then, timeout } => {
                let next = after_of(*which);
                let then = match then {
                    0 => Then::Go,
                    1 => Then::Given(Given::by_hand(json!({}))),
                    2 => Then::Stream,
                    _ => {
                        self.waits += 1;
                        Then::Wait(Wait {
                            id: WaitId::from_bytes([self.waits; 16]),
                            mode: match self.waits % 4 {
                                0 => WaitMode::Any,
                                1 => WaitMode::All,
                                2 => WaitMode::Stream,
                                _ => WaitMode::Count { need: 2, distinct_by: None, by_registration: false },
                            },
                            collected: Vec::new(),
                            answered: Vec::new(),
                            registrations: vec![Registration {
                                key: KeyId::new("s", "i"),
                                token: None,
                                schema: 0,
                                ask: self.waits.is_multiple_of(3).then(question),
                            }],
                            opened_at: self.now,
                            deadline: timeout.map(after),
                            fresh: false,
                            picked: false,
                            reminders: reminders(self.now, timeout.unwrap_or(7)),
                        })
                    }
                };
                Command::ReturnStep(Box::new(StepOutcome {
                    state: state.clone(),
                    after: next,
                    then,
                    takes_kept: Some(px_core::run::TakenAnswer { answer: 0, index: 0 }),
                    labels: px_core::Labels::new(),
                }))
            }
            Ask::Fail { retry_in } => Command::FailStep { error: failure(), retry_at: retry_in.map(after) },
            Ask::Retry => Command::Retry,
            Ask::Respond(known) => Command::Respond(Box::new(Response {
                wait: self
                    .run
                    .waits
                    .first()
                    .filter(|_| *known)
                    .map_or(WaitId::from_bytes([255; 16]), |wait| wait.id),
                index: 0,
                key: Some(KeyId::new("s", "i")),
                event: None,
                delivery: None,
                response: json!({"a": 1}),
                test: None,
            })),
            Ask::TimeOut => Command::TimeOut { wait: self.run.waits.first()?.id },
            Ask::Cancel => Command::Cancel { reason: None },
            Ask::Pause => Command::Pause { reason: None },
            Ask::Halt => Command::Halt { reason: None },
            Ask::Answer => Command::Answer { response: json!({"by": "hand"}), place: None },
            Ask::EndWait => Command::EndWait { wait: self.run.waits.first()?.id },
            Ask::Resume => Command::Resume,
            Ask::Item(index) => Command::RecordItem {
                index: u32::from(*index),
                total: 3,
                item: json!(index),
                result: json!([index]),
            },
            Ask::Emit => Command::Emit { name: "half".into(), data: json!(1), durable: false },
            Ask::Migrate { state, outer } => {
                let depth = if *outer { 0 } else { self.run.depth() };
                let items =
                    self.run.items.iter().map(|item| ItemResult { result: json!("new"), ..item.clone() });
                Command::Migrate(vec![MigratedFrame {
                    depth,
                    version: 2,
                    state: state.clone(),
                    items: items.collect(),
                }])
            }
            Ask::Enter(state) => Command::EnterBrain {
                brain: Box::new(BrainInfo {
                    title: "inner".into(),
                    description: None,
                    version: 1,
                    steps: steps(),
                }),
                initial_state: state.clone(),
            },
            Ask::Leave { state, after } => Command::LeaveBrain {
                state: state.clone(),
                after: after_of(if *after == 1 { 0 } else { *after }),
            },
            Ask::Admit => Command::Admit,
            Ask::Await => Command::Await { by: RunId::from_bytes([9; 16]) },
            Ask::Remind => Command::Remind { wait: self.run.waits.first()?.id },
            Ask::EndReminder(how) => Command::EndReminder(match how {
                0 => ReminderEnd::Complete,
                1 => ReminderEnd::Retry(failure(), after(10)),
                2 => ReminderEnd::GiveUp(failure()),
                3 => ReminderEnd::Postpone(failure()),
                _ => ReminderEnd::Gone(failure()),
            }),
            Ask::Rerun { step, given } => Command::Rerun(Box::new(position(*step, *given))),
            Ask::Later(millis) => {
                self.now = after(*millis);
                return None;
            }
        })
    }
}

/// The question of a signed link.
fn question() -> Box<px_core::wait::Ask> {
    Box::new(px_core::wait::Ask { words: "?".into(), answers: Vec::new(), approver: None, expires: None })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_decided_applies_and_replays(asks in prop::collection::vec(ask(), 1..60)) {
        let id = RunId::from_bytes([1; 16]);
        let mut lab = Lab::new(id);
        for ask in &asks {
            let Some(command) = lab.command(ask) else { continue };
            let before = lab.run.clone();
            let decided = decide(&lab.run, command.clone(), lab.now);
            // The same question has the same answer.
            prop_assert_eq!(&decided, &decide(&before, command, lab.now));
            let Ok(decision) = decided else { continue };
            let goes_back = matches!(ask, Ask::Rerun { .. });
            prop_assert!(goes_back || !before.status.is_terminal(), "a run that has ended only goes back");
            for event in &decision.events {
                let applied = px_core::run::apply(&lab.run, event);
                prop_assert!(applied.is_ok(), "{:?} after {:?}: {:?}", ask, before, applied);
                lab.run = applied.unwrap();
                lab.log.push(event.clone());
            }
            // What a step returned is what its successor is given (docs/rules.md#34).
            if let Ask::Return { state, .. } | Ask::Leave { state, .. } = ask {
                prop_assert_eq!(&lab.run.frame().unwrap().state, state);
            }
            // A migration changes the frame that it names, and no other.
            if let Ask::Migrate { state, outer } = ask {
                let at = if *outer { 0 } else { lab.run.frames.len() - 1 };
                for (depth, (frame, old)) in lab.run.frames.iter().zip(&before.frames).enumerate() {
                    if depth == at {
                        prop_assert_eq!((&frame.state, frame.version), (state, 2));
                    } else {
                        prop_assert_eq!(frame, old);
                    }
                }
            }
            let ended = decision.effects.iter().filter(|effect| matches!(effect, Effect::Ended)).count();
            prop_assert_eq!(ended == 1, lab.run.status.is_terminal());
            // Waits that left are closed, and waits that came are opened, in the same decision.
            let closed = decision.effects.iter().filter(|e| matches!(e, Effect::CloseWait { .. })).count();
            // A wait that is answered as it opens never enters its keys.
            let opened = decision.effects.iter().filter(|e| matches!(e, Effect::OpenWait(_))).count();
            prop_assert_eq!(before.waits.len() + opened, lab.run.waits.len() + closed);
            // Only a stream is open while its step works on what it gave.
            let streams = lab.run.stream().is_some() && lab.run.given.is_some() && lab.run.waits.len() == 1;
            let waits = !lab.run.waits.is_empty() && lab.run.status != RunStatus::Paused && !streams;
            prop_assert_eq!(lab.run.status == RunStatus::Waiting, waits, "{:?} {:?}", ask, lab.run);
            // One timer of a wait's reminders, set and removed with it and beside the one that is under way.
            let rung = before.waits.first().map(|wait| wait.id).filter(|_| matches!(ask, Ask::Remind));
            lab.timers.follow(&lab.run, rung, &decision.effects);
            match (lab.run.status, &lab.run.reminding) {
                (RunStatus::Waiting, None) => prop_assert_eq!(&lab.timers, &Timers::of(&lab.run), "{:?}", ask),
                (RunStatus::Waiting, Some(_)) => prop_assert!(lab.run.reminder_under_way().is_some()),
                (_, reminding) => prop_assert!(reminding.is_none(), "{:?}", ask),
            }
            prop_assert!(!lab.run.waits.is_empty() || lab.timers.is_empty(), "{:?}", ask);
            // Whoever runs has something to do, or it is known when.
            let has_work = decision.effects.iter().any(|effect| matches!(effect, Effect::RunStep | Effect::AskSlot(_)));
            let begins = lab.run.status != before.status && lab.run.status == RunStatus::Running;
            prop_assert!(!begins || has_work, "{:?} {:?}", ask, decision);
            prop_assert_eq!(lab.run.frames.len(), usize::from(lab.run.seq > 0) + lab.run.depth() as usize);
            prop_assert!(lab.run.depth() < 60);
        }
        prop_assert_eq!(lab.log.len() as u64, lab.run.seq);
        for (place, event) in lab.log.iter().enumerate() {
            prop_assert_eq!(event.seq, place as u64 + 1);
        }
        prop_assert_eq!(Run::replay(id, &lab.log).unwrap(), lab.run.clone());
        let stored: Run = serde_json::from_str(&serde_json::to_string(&lab.run).unwrap()).unwrap();
        prop_assert_eq!(stored, lab.run);
    }
}

#[test]
fn event_timeout_and_cancel_race_for_one_compare_and_set() {
    let id = RunId::from_bytes([1; 16]);
    let mut lab = Lab::new(id);
    for ask in [
        Ask::Start { slot: false, fork: false },
        Ask::Begin,
        Ask::Return { state: json!({}), after: 2, then: 3, timeout: Some(0) },
    ] {
        let command = lab.command(&ask).unwrap();
        for event in decide(&lab.run, command, lab.now).unwrap().events {
            lab.run.apply(&event).unwrap();
        }
    }
    let waiting = lab.run.clone();
    let wait = waiting.waits[0].id;
    let commands = [
        lab.command(&Ask::Respond(true)).unwrap(),
        Command::TimeOut { wait },
        Command::Cancel { reason: None },
    ];
    for first in &commands {
        let mut run = waiting.clone();
        for event in decide(&run, first.clone(), lab.now).unwrap().events {
            run.apply(&event).unwrap();
        }
        for second in &commands[..2] {
            let refusal = decide(&run, second.clone(), lab.now).unwrap_err();
            assert!(matches!(refusal, Refusal::WaitOver | Refusal::NotActive(_)), "{refusal:?}");
        }
    }
}
