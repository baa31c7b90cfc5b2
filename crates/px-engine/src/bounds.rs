//! The bounds of what a step hands over to be kept: its state, what it gives the
//! next one, what it remembers. They are looked at before anything is committed, so
//! a value that is too large leaves nothing behind but the error that says so.

use px_core::event::{Failure, FailureKind};
use px_core::run::{Command, MigratedFrame, Start, Then};
use px_core::{Run, json_bytes, json_exceeds};
use serde_json::Value;

use crate::shared::Limits;

/// Open waits that a run may have at once.
const MAX_WAITS: usize = 100;

/// Identifiers that one wait may listen to.
const MAX_REGISTRATIONS: usize = 1_000;

/// The command as it is, or the failure that takes its place: the code has asked
/// for more than is kept. A failure of this kind is not tried again, since the
/// same step would come to the same.
pub(crate) fn bounded(limits: &Limits, run: &Run, command: Command) -> Command {
    match excess(limits, run, &command) {
        None => command,
        Some(message) => {
            let message = of_step(run, &message);
            let error = Failure { kind: FailureKind::Step, name: "TooLarge".into(), message, stack: None };
            match command {
                Command::ReturnStep(_) | Command::EnterBrain { .. } | Command::EnterPart(_) => {
                    Command::FailStep { error, retry_at: None }
                }
                // A deploy fails no run: a version that leaves less can be deployed.
                Command::Migrate(_) => Command::Halt { reason: Some(error.message) },
                _ => Command::Fail { error },
            }
        }
    }
}

/// The sentence about the step that a run is at.
fn of_step(run: &Run, message: &str) -> String {
    let step = run.frame().map(|frame| frame.step.as_str()).unwrap_or_default();
    format!("step '{step}' {message}")
}

/// The reason that states which a migration has made are not kept, if they are too large.
pub(crate) fn too_large(limits: &Limits, run: &Run, frames: &[MigratedFrame]) -> Option<String> {
    let excess = frames.iter().find_map(|frame| migrated(run, frame, limits.max_state_bytes));
    excess.map(|message| of_step(run, &message))
}

/// The part of a command that is beyond the bounds, in words, behind the name of its step.
fn excess(limits: &Limits, run: &Run, command: &Command) -> Option<String> {
    let most = limits.max_state_bytes;
    let here = run.frame().map(|frame| &frame.state);
    let around = run.frames.iter().rev().nth(1).map(|frame| &frame.state);
    match command {
        Command::ReturnStep(outcome) => {
            let given = match &outcome.then {
                Then::Given(given) => given.response.as_ref(),
                Then::Wait(_) if run.waits.len() >= MAX_WAITS => {
                    return Some(format!("opens another wait, and a run has at most {MAX_WAITS}"));
                }
                Then::Wait(wait) if wait.registrations.len() > MAX_REGISTRATIONS => {
                    let count = wait.registrations.len();
                    return Some(format!(
                        "waits on {count} identifiers at once, and a wait listens to at most {MAX_REGISTRATIONS}"
                    ));
                }
                _ => None,
            };
            grown("returned a state", &outcome.state, here, most)
                .or_else(|| grown("gave the next step a response", given?, None, most))
        }
        Command::EnterBrain { initial_state, .. } => {
            grown("began a brain with a state", initial_state, here, most)
        }
        Command::EnterPart(entered) => grown("began a part with a state", &entered.initial_state, here, most),
        Command::LeaveBrain { state, .. } => grown("returned a state", state, around, most),
        Command::Migrate(frames) => frames.iter().find_map(|frame| migrated(run, frame, most)),
        _ => None,
    }
}

fn migrated(run: &Run, frame: &MigratedFrame, most: usize) -> Option<String> {
    let before = run.frames.get(frame.depth as usize).map(|frame| &frame.state);
    let old = |index| run.items.iter().find(|item| item.index == index).map(|item| &item.result);
    grown("was migrated to a state", &frame.state, before, most).or_else(|| {
        let mut items = frame.items.iter();
        items.find_map(|item| grown("was migrated to a result", &item.result, old(item.index), most))
    })
}

/// A state that was over the bound before may stay as large as it is, or shrink.
fn grown(what: &str, value: &Value, before: Option<&Value>, most: usize) -> Option<String> {
    let is_over =
        json_exceeds(value, most) && before.is_none_or(|before| json_exceeds(value, json_bytes(before)));
    is_over.then(|| {
        format!(
            "{what} of more than {most} bytes (limits.max_state_bytes): keep what is that large elsewhere, and a \
             reference to it in the state"
        )
    })
}

/// The size of a value that a step wants to be remembered while it runs, if that is
/// more than is kept: what the step is told then.
pub(crate) fn unkept(limits: &Limits, command: &Command) -> Option<String> {
    let (what, value) = match command {
        Command::RecordOnce { value, .. } => ("a value of `once`", value),
        Command::RecordItem { result, .. } => ("the result of an item", result),
        Command::Emit { data, .. } => ("what is emitted", data),
        _ => return None,
    };
    let most = limits.max_state_bytes;
    json_exceeds(value, most).then(|| format!("{what} takes more than {most} bytes (limits.max_state_bytes)"))
}

/// The size of a state that a step wants to start a run with, if that is more than is
/// kept: what the step is told then.
pub(crate) fn unstarted(limits: &Limits, start: &Start) -> Option<String> {
    let what = format!("started '{}' with a state", start.brain);
    grown(&what, &start.initial_state, None, limits.max_state_bytes)
}

#[cfg(test)]
mod tests {
    use px_core::event::{Cause, Given};
    use px_core::run::{After, BrainInfo, Frame, StepOutcome};
    use px_core::wait::{Registration, Wait, WaitMode};
    use px_core::{KeyId, RunId, Timestamp, WaitId};
    use serde_json::json;

    use super::*;

    fn limits() -> Limits {
        Limits { max_state_bytes: 1_000, ..Limits::default() }
    }

    fn run(bytes: usize) -> Run {
        let frame = Frame {
            brain: "b".into(),
            version: 1,
            step: "grow".into(),
            iteration: 0,
            attempt: 1,
            state: state(bytes),
            item: None,
            steps: Vec::new(),
            progress: Vec::new(),
            halted: false,
            part: None,
        };
        Run { frames: vec![frame], ..Run::vacant(RunId::from_bytes([1; 16])) }
    }

    fn state(bytes: usize) -> Value {
        json!({"text": "x".repeat(bytes)})
    }

    fn returned(state: Value, then: Then) -> Command {
        Command::ReturnStep(Box::new(StepOutcome {
            state,
            after: After::End,
            then,
            takes_kept: None,
            labels: px_core::Labels::new(),
        }))
    }

    fn refused(run: &Run, command: Command) -> Option<String> {
        match bounded(&limits(), run, command) {
            Command::FailStep { error, retry_at: None } | Command::Fail { error } => Some(error.message),
            _ => None,
        }
    }

    #[test]
    fn a_state_that_grew_beyond_the_bound_fails_its_step_with_the_bounds_name() {
        let message = refused(&run(10), returned(state(2_000), Then::Go)).unwrap();
        assert!(
            message
                .starts_with("step 'grow' returned a state of more than 1000 bytes (limits.max_state_bytes)")
        );
        assert_eq!(refused(&run(10), returned(state(900), Then::Go)), None);
    }

    #[test]
    fn a_state_that_is_over_the_bound_already_may_stay_or_shrink() {
        for (bytes, is_refused) in [(5_000, false), (4_000, false), (5_001, true)] {
            assert_eq!(
                refused(&run(5_000), returned(state(bytes), Then::Go)).is_some(),
                is_refused,
                "{bytes}"
            );
        }
    }

    #[test]
    fn every_way_in_which_a_step_makes_a_state_has_the_bound() {
        let migrated = Command::Migrate(vec![MigratedFrame {
            depth: 0,
            version: 2,
            state: state(2_000),
            items: Vec::new(),
        }]);
        let left = Command::LeaveBrain { state: state(2_000), after: After::End };
        let given = returned(state(1), Then::Given(Given::by_hand(state(2_000))));
        for command in [left, given] {
            assert!(refused(&run(10), command.clone()).is_some(), "{command:?}");
        }
        // One that only a deploy has made so large fails no run.
        let halted = bounded(&limits(), &run(10), migrated);
        let says = |reason: &str| reason.contains("was migrated to a state of more than 1000 bytes");
        assert!(matches!(&halted, Command::Halt { reason: Some(reason) } if says(reason)), "{halted:?}");
        let once = Command::RecordOnce { name: "n".into(), value: state(2_000), item: None };
        let item = Command::RecordItem { index: 0, total: 1, item: json!(1), result: state(2_000) };
        let emit = Command::Emit { name: "n".into(), data: state(2_000), durable: true };
        for command in [once, item, emit] {
            assert!(unkept(&limits(), &command).is_some_and(|text| text.contains("max_state_bytes")));
        }
    }

    #[test]
    fn a_nested_brain_and_a_run_of_its_own_begin_with_no_larger_state() {
        let info = BrainInfo { title: "inner".into(), description: None, version: 1, steps: Vec::new() };
        let enter =
            |bytes| Command::EnterBrain { brain: Box::new(info.clone()), initial_state: state(bytes) };
        assert!(refused(&run(10), enter(2_000)).unwrap().contains("began a brain with a state of more than"));
        assert_eq!(refused(&run(10), enter(900)), None);
        let start = |bytes| Start::of(info.clone(), state(bytes), Cause::Api);
        assert!(
            unstarted(&limits(), &start(2_000)).unwrap().starts_with("started 'inner' with a state of more")
        );
        assert_eq!(unstarted(&limits(), &start(900)), None);
    }

    fn wait(n: u8) -> Wait {
        Wait {
            id: WaitId::from_bytes([n; 16]),
            mode: WaitMode::Any,
            collected: Vec::new(),
            answered: Vec::new(),
            registrations: Vec::new(),
            opened_at: Timestamp::EPOCH,
            deadline: None,
            fresh: false,
            picked: false,
            reminders: Vec::new(),
        }
    }

    #[test]
    fn a_wait_listens_to_at_most_a_thousand_identifiers() {
        let of = |count: usize| {
            let registration = |n| Registration {
                key: KeyId::new("mail", format!("k{n}").as_str()),
                schema: 0,
                token: None,
                ask: None,
            };
            Wait { registrations: (0..count).map(registration).collect(), ..wait(1) }
        };
        assert_eq!(refused(&run(10), returned(state(1), Then::Wait(of(1_000)))), None);
        let message = refused(&run(10), returned(state(1), Then::Wait(of(1_001)))).unwrap();
        assert!(message.contains("1001 identifiers") && message.contains("at most 1000"), "{message}");
    }

    #[test]
    fn a_run_has_at_most_a_hundred_waits() {
        let mut run = run(10);
        run.waits = (0..99).map(wait).collect();
        assert_eq!(refused(&run, returned(state(1), Then::Wait(wait(200)))), None);
        run.waits.push(wait(99));
        let message = refused(&run, returned(state(1), Then::Wait(wait(200)))).unwrap();
        assert!(message.contains("at most 100"), "{message}");
    }
}
