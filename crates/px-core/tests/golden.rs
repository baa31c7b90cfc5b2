//! Golden logs, replayed from every prefix: chop and recover. Whatever the
//! point at which a process died, replaying what it had committed and then
//! applying the rest gives the same run as replaying the whole.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use px_core::event::{EventBody, KeptAnswer};
use px_core::run::apply;
use px_core::{Event, Run, RunId, wire};

fn logs() -> Vec<(PathBuf, Vec<Event>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut logs: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let events = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            (path, events)
        })
        .collect();
    logs.sort_by(|(a, _), (b, _)| a.cmp(b));
    assert!(logs.len() >= 5, "the golden logs are there");
    logs
}

fn id() -> RunId {
    RunId::from_bytes([1; 16])
}

#[test]
fn every_kind_of_entry_is_in_a_golden_log() {
    let source = include_str!("../src/event/body.rs");
    let kinds = source.split("#[serde(rename = \"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let kinds: BTreeSet<_> = kinds.collect();
    assert!(kinds.contains("brain:migrated") && kinds.len() >= 25, "{kinds:?}");
    let logs = logs();
    let there: BTreeSet<_> =
        logs.iter().flat_map(|(_, events)| events).map(|event| event.event.name()).collect();
    let missing: Vec<_> = kinds.difference(&there).collect();
    assert!(
        missing.is_empty(),
        "no golden log has {missing:?}: `px-testkit/tests/golden_control.rs` makes them"
    );
}

#[test]
fn every_golden_log_is_written_as_it_is_read() {
    for (path, events) in logs() {
        let text: String = events.iter().map(|event| serde_json::to_string(event).unwrap() + "\n").collect();
        assert_eq!(text, std::fs::read_to_string(&path).unwrap(), "{}", path.display());
    }
}

#[test]
fn every_prefix_of_a_golden_log_recovers_to_the_same_run() {
    for (path, events) in logs() {
        let whole = Run::replay(id(), &events).unwrap();
        assert!(whole.status.is_terminal(), "{}", path.display());
        for cut in 0..=events.len() {
            let (before, after) = events.split_at(cut);
            let stored = serde_json::to_string(&Run::replay(id(), before).unwrap()).unwrap();
            let mut run: Run = serde_json::from_str(&stored).unwrap();
            for event in after {
                run = apply(&run, event).unwrap();
            }
            assert_eq!(run, whole, "{} cut at {cut}", path.display());
        }
    }
}

#[test]
fn a_log_with_a_gap_or_a_repetition_is_refused() {
    for (path, events) in logs() {
        for cut in 0..events.len() {
            let mut gap = events.clone();
            gap.remove(cut);
            if cut + 1 < events.len() {
                assert!(Run::replay(id(), &gap).is_err(), "{} without {cut}", path.display());
            }
            let mut twice = events.clone();
            twice.insert(cut, events[cut].clone());
            assert!(Run::replay(id(), &twice).is_err(), "{} with {cut} twice", path.display());
        }
    }
}

#[test]
fn the_wire_form_is_flat_and_carries_what_every_event_repeats() {
    for (path, events) in logs() {
        let run = Run::replay(id(), &events).unwrap();
        for event in &events {
            let flat = wire::event(&run, event);
            for field in ["type", "seq", "timestamp", "brainRunId", "options"] {
                assert!(flat.get(field).is_some(), "{field} of {flat} in {}", path.display());
            }
            // Nested brains and streams use the words of plain runs; an arm and a turn are no brains.
            let name = match event.event.name() {
                "brain:webhook_again" => "brain:webhook".into(),
                name if flat.get("part").is_some() => name.to_owned(),
                name => name.replace("inner:", "brain:"),
            };
            assert_eq!(flat["type"], name);
            assert_eq!(
                flat.get("brainTitle").is_some(),
                event.event.is_brain_level() || event.event.name().starts_with("inner:"),
                "{flat}"
            );
        }
    }
}

#[test]
fn a_log_says_which_of_the_kept_answers_a_wait_was_given_and_an_older_one_means_the_oldest() {
    let mut said = Vec::new();
    for (path, mut events) in logs().into_iter().filter(|(path, _)| path.ends_with("early.jsonl")) {
        for event in &mut events {
            if let EventBody::WaitAnswered { kept, .. } = &mut event.event {
                said.push(kept.take());
            }
        }
        // Replayed by the old rule the run has another answer left.
        let replayed = Run::replay(id(), &events[..events.len().min(10)]).unwrap();
        assert_eq!(replayed.kept_answers, [serde_json::json!({"text": "behind it"})], "{}", path.display());
    }
    assert_eq!(said, [Some(KeptAnswer::Taken(1)), None, None]);
}
