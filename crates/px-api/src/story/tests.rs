//! Stories of runs, sentence by sentence.

use serde_json::{Value, json};

use super::*;

/// A run of which a test says only what counts.
fn shown(fields: Value) -> Run {
    let mut all = json!({
        "brainRunId": "run_0197c1f0a1b27000800000000000cafe", "brainTitle": "b", "brainDescription": null,
        "type": "brain:start", "options": {}, "error": null, "createdAt": at(60), "startedAt": null,
        "completedAt": null, "userName": "root", "state": {}, "waitingFor": [], "steps": [], "seq": 9,
        "cause": {"kind": "api"},
    });
    merge(&mut all, fields);
    for wait in all["waitingFor"].as_array_mut().unwrap() {
        let said = wait.take();
        *wait = json!({
            "waitId": "wat_0197c1f0a1b27000800000000000cafe", "mode": "any", "deadline": null,
            "have": 0, "need": 1,
        });
        merge(wait, said);
    }
    serde_json::from_value(all).unwrap()
}

fn entry(fields: Value) -> Event {
    let mut all = json!({
        "seq": 1, "timestamp": at(3), "brainRunId": "run_0197c1f0a1b27000800000000000cafe", "options": {},
    });
    merge(&mut all, fields);
    serde_json::from_value(all).unwrap()
}

fn merge(all: &mut Value, fields: Value) {
    let Value::Object(fields) = fields else { panic!("an object: {fields}") };
    all.as_object_mut().unwrap().extend(fields);
}

const A: &str = "run_0197c1f0a1b27000800000000000000a";
const B: &str = "run_0197c1f0a1b27000800000000000000b";
const NOW: Timestamp = Timestamp::from_millis(1_768_473_000_000);

fn at(seconds_ago: u64) -> u64 {
    NOW.as_millis() - seconds_ago * 1000
}

#[test]
fn a_run_that_waits_for_what_the_binary_has_no_more_says_so() {
    let why = "Webhook 'slack' is not in the server's binary any more.";
    let run = shown(json!({
        "status": "waiting", "step": "process",
        "waitingFor": [{"since": at(300), "waitFor": [{"slug": "slack", "identifier": "C1", "misfit": why}]}],
    }));
    let sentences = tell(&run, &[], NOW).sentences;
    assert_eq!(sentences[1..], [why, "It listens to:"], "nothing is said to wake it");
}

#[test]
fn a_waiting_run() {
    let run = shown(json!({
        "status": "waiting", "step": "process",
        "waitingFor": [{
            "since": at(300), "deadline": NOW.as_millis() + 3_600_000,
            "waitFor": [{"slug": "slack", "identifier": "C1"}, {"slug": "twilio", "identifier": "+1", "token": "t"}],
        }],
    }));
    let story = tell(&run, &[], NOW);
    assert_eq!(
        story.sentences,
        [
            "It has waited for a webhook since 2026-01-15 10:25:00 UTC (5 minutes ago). \
             Its next step, 'process', needs the answer.",
            "The first of these wakes it:",
        ]
    );
    assert_eq!(story.waits.len(), 2);
    assert_eq!(story.waits[1].token.as_deref(), Some("t"));
    assert_eq!(
        ending(&story, NOW),
        "It waits until 2026-01-15 11:30:00 UTC (in 1 hour); if nothing has come by then, it goes on and the step is told so."
    );
    assert_eq!(ending(&Story { until: None, ..story }, NOW), "It waits without a time limit.");
}

#[test]
fn a_step_is_named_with_the_turns_and_arms_around_it() {
    let waits = shown(json!({"status": "waiting", "step": "hear", "path": "pay[2]/is late/yes",
        "waitingFor": [{"since": at(60), "waitFor": [{"slug": "mail", "identifier": "a"}]}]}));
    let told = tell(&waits, &[], NOW).sentences.remove(0);
    assert!(told.ends_with("Its next step, 'pay[2]/is late/yes/hear', needs the answer."), "{told}");
    let runs = shown(json!({"status": "running", "step": "book", "path": "pay[2]"}));
    let start =
        entry(json!({"type": "step:start", "stepTitle": "book", "stepId": "pay[2]/book", "attempt": 1}));
    let told = tell(&runs, &[start], NOW).sentences.remove(0);
    assert!(told.starts_with("Step 'pay[2]/book' runs"), "{told}");
}

#[test]
fn runs_that_wait_for_other_runs() {
    let run = shown(json!({"status": "waiting", "step": "heard", "waitingFor": [{
        "since": at(60), "waitFor": [{"slug": "px.run", "identifier": "run_1"}],
    }]}));
    let story = tell(&run, &[], NOW);
    assert!(story.waits.is_empty(), "no webhook wakes it");
    assert!(story.sentences[0].contains("for the end of run_1."), "{:?}", story.sentences);
    let run = shown(json!({"status": "pending", "createdAt": at(60),
        "turn": {"underWay": [A, B], "ahead": [B]}}));
    let story = tell(&run, &[], NOW);
    assert!(story.sentences[0].ends_with("with 1 before it."), "{:?}", story.sentences);
    assert!(story.sentences[1].starts_with("2 runs of its brain"), "{:?}", story.sentences);
}

#[test]
fn runs_that_nothing_has_to_be_done_about() {
    let run = shown(json!({"status": "running", "step": "ask"}));
    let start = entry(json!({"type": "step:start", "stepTitle": "ask", "attempt": 2, "timestamp": at(3)}));
    assert_eq!(
        tell(&run, &[start], NOW).sentences[0],
        "Step 'ask', attempt 2 runs since 2026-01-15 10:29:57 UTC (3 seconds ago). Nothing has to be done."
    );
    let retry = entry(json!({"type": "step:retry", "stepTitle": "ask", "attempt": 1, "timestamp": at(3),
        "error": {"name": "Error", "message": "no route"}, "dueAt": NOW.as_millis() + 5000}));
    let story = tell(&run, &[retry], NOW);
    assert_eq!(story.sentences[0], "Attempt 1 at step 'ask' failed: no route.");
    assert_eq!(
        story.sentences[1],
        "It is tried again at 2026-01-15 10:30:05 UTC (in 5 seconds). Nothing has to be done."
    );
}

#[test]
fn runs_that_are_over() {
    let run = |status: &str| {
        shown(json!({"status": status, "createdAt": at(60), "completedAt": at(30), "step": "ask",
            "error": {"name": "Error", "message": "boom"}, "reason": "by hand"}))
    };
    let first = |status: &str| tell(&run(status), &[], NOW).sentences.remove(0);
    let when = "at 2026-01-15 10:29:30 UTC (30 seconds ago), 30 seconds after it began";
    assert_eq!(first("complete"), format!("It was completed {when}."));
    assert_eq!(first("cancelled"), format!("It was cancelled {when}: by hand."));
    assert_eq!(first("error"), format!("It failed in step 'ask' {when}: boom."));
    assert_eq!(
        tell(&run("error"), &[], NOW).sentences[1],
        "Nothing moves it any more.",
        "no step has failed"
    );
    let step = |title: &str, status: &str| json!({"id": title, "title": title, "status": status});
    let guarded = json!([step("ask", "complete"), step("is paid", "complete"), step("ship", "halted")]);
    let guarded =
        shown(json!({"status": "complete", "createdAt": at(60), "completedAt": at(30), "steps": guarded}));
    assert_eq!(
        tell(&guarded, &[], NOW).sentences[0],
        format!(
            "It ended well {when}, at 'is paid': a guard there was not met, and the steps behind it were passed \
             over."
        )
    );
    let steps = json!([{"id": "ask", "title": "ask", "status": "complete"},
        {"id": "the guest's", "title": "the guest's", "status": "error"}]);
    let failed = shown(json!({"status": "error", "completedAt": at(30), "steps": steps}));
    assert_eq!(
        tell(&failed, &[], NOW).sentences[1],
        "It does not go on by itself. Once that is mended, `px runs rerun run_0197c1f0a1b27000800000000000cafe \
         --from 'the guest'\\''s'` runs it again from that step."
    );
}

#[test]
fn responses_that_have_to_differ() {
    let run = shown(json!({"status": "waiting", "waitingFor": [{
        "since": at(60), "have": 1, "need": 2, "mode": {"count": {"need": 2, "distinct_by": "/by"}},
        "waitFor": [{"slug": "votes", "identifier": "7"}],
    }]}));
    let partial = |by: &str| {
        let response = json!({"by": by});
        entry(json!({"type": "brain:webhook_partial", "response": response, "have": 1, "need": 2}))
    };
    let events = [partial("an earlier wait's"), entry(json!({"type": "brain:webhook"})), partial("ada")];
    assert_eq!(
        tell(&run, &events, NOW).sentences[1..3],
        [
            "It has 1 of the 2 responses that it needs.",
            "They have to differ in /by, and there was one of ada."
        ]
    );
    assert_eq!(tell(&run, &[], NOW).sentences[2], "They have to differ in /by.");
    let run = shown(json!({"status": "waiting", "waitingFor": [{
        "since": at(60), "have": 1, "need": 2, "mode": {"count": {"need": 2, "by_registration": true}},
        "waitFor": [
            {"slug": "votes", "identifier": "7/ada"},
            {"slug": "votes", "identifier": "7/bob", "answered": true},
        ],
    }]}));
    let story = tell(&run, &[], NOW);
    assert_eq!(
        story.sentences[1..],
        [
            "It has 1 of the 2 responses that it needs.",
            "Each identifier counts once.",
            "Came already: votes '7/bob'.",
            "It listens to:",
        ]
    );
    let identifiers: Vec<_> = story.waits.iter().map(|listening| &*listening.identifier).collect();
    assert_eq!(identifiers, ["7/ada"], "a second vote of Bob's would be ignored");
}

#[test]
fn a_registration_is_answered_where_it_takes_one_response_and_has_it() {
    use px_core::key::KeyId;
    use px_core::wait::{self, Collected};
    let registration = |identifier: &str| wait::Registration {
        key: KeyId::new("votes", identifier),
        token: None,
        schema: 0,
        ask: None,
    };
    let answered = |mode| {
        let wait = wait::Wait {
            id: "wat_0197c1f0a1b27000800000000000cafe".parse().unwrap(),
            mode,
            collected: vec![Collected { index: 1, response: json!({}), key: None }],
            answered: Vec::new(),
            registrations: vec![registration("a"), registration("b")],
            opened_at: NOW,
            deadline: None,
            fresh: false,
            picked: false,
            reminders: Vec::new(),
        };
        crate::Wait::from(&wait).wait_for.iter().map(crate::Registration::is_answered).collect::<Vec<_>>()
    };
    let count = |by_registration| WaitMode::Count { need: 2, distinct_by: None, by_registration };
    assert_eq!(answered(count(true)), [false, true]);
    assert_eq!(answered(WaitMode::All), [false, true]);
    assert_eq!(answered(count(false)), [false, false], "each of them takes more");
}

#[test]
fn a_run_that_the_code_paused_says_what_to_mend_before_it_is_resumed() {
    let run = shown(json!({"status": "paused", "reason": "step 'a' is not in brain 'b' any more"}));
    let story = tell(&run, &[], NOW);
    assert!(story.sentences[1].contains("`.formerly(\"its old name\")`"), "{:?}", story.sentences);
    let run = shown(json!({"status": "paused", "reason": "by hand"}));
    assert_eq!(tell(&run, &[], NOW).sentences.len(), 2);
}

#[test]
fn a_run_inside_of_what_a_deploy_removed_is_told_that_no_name_helps() {
    for reason in [
        "the run is in arm 'card' of step 'pay', and that is not in brain 'b' any more",
        "step 'pay' of brain 'b' is no loop any more",
        "step 'pay' of brain 'b' is another brain than 'c' now",
    ] {
        let story = tell(&shown(json!({"status": "paused", "reason": reason})), &[], NOW);
        assert!(story.sentences[1].contains("has to have it again"), "{:?}", story.sentences);
        assert!(!story.sentences[1].contains("formerly"), "{:?}", story.sentences);
    }
}

#[test]
fn a_run_that_failed_names_the_innermost_step_that_failed_with_it() {
    let events = [
        entry(
            json!({"type": "brain:error", "error": {"name": "Panic", "message": "no"}, "timestamp": at(3)}),
        ),
        entry(json!({
            "type": "step:status", "depth": 1, "path": "pay[2]",
            "steps": [{"id": "pay[2]/book", "title": "book", "status": "error"}],
        })),
        entry(json!({"type": "step:status", "steps": [{"id": "pay", "title": "pay", "status": "error"}]})),
    ];
    let run = shown(json!({
        "status": "error", "error": {"name": "Panic", "message": "no"}, "completedAt": at(3),
        "steps": [{"id": "pay", "title": "pay", "status": "error"}],
    }));
    let story = tell(&run, &events, NOW);
    assert!(story.sentences[0].starts_with("It failed in step 'pay[2]/book' at "), "{:?}", story.sentences);
    assert!(story.sentences[1].contains("--from 'pay'"), "{:?}", story.sentences);
}

#[test]
fn code_between_steps_that_does_not_yield_is_named() {
    let done = entry(json!({"type": "step:complete", "stepId": "ask", "timestamp": at(60)}));
    let run = shown(json!({"status": "running", "step": "hear", "stalledSince": at(30)}));
    let story = tell(&run, &[done], NOW);
    assert!(
        story.sentences[0].starts_with("Code before step 'hear' has not yielded since "),
        "{:?}",
        story.sentences
    );
}

#[test]
fn a_paused_run() {
    let paused = entry(json!({"type": "brain:paused", "timestamp": at(60), "reason": "response changed"}));
    let story = tell(&shown(json!({"status": "paused"})), &[paused], NOW);
    assert_eq!(
        story.sentences[0],
        "It is paused since 2026-01-15 10:29:00 UTC (1 minute ago): response changed."
    );
}

#[test]
fn a_sleep_needs_nobody() {
    let run = shown(json!({
        "status": "waiting", "step": "wake",
        "waitingFor": [{"waitFor": [], "since": 1_000, "deadline": 3_601_000}],
    }));
    let now = Timestamp::from_millis(2_000);
    let story = tell(&run, &[], now);
    assert!(story.sentences[0].starts_with("It sleeps since"), "{:?}", story.sentences);
    assert!(ending(&story, now).starts_with("It goes on by itself at"));
}

#[test]
fn the_reminders_of_a_wait_are_told_with_what_became_of_them() {
    let soon = NOW.as_millis() + 5_000;
    let run = shown(json!({"status": "waiting", "step": "take", "waitingFor": [{
        "since": at(3_600), "waitFor": [{"slug": "mail", "identifier": "a"}],
        "reminders": [
            {"name": "call", "nth": 2, "atMost": 1},
            {"name": "nudge", "nth": 2, "atMost": 3, "every": 3_600_000, "nextAt": soon, "failed": 1},
            {"name": "page", "nth": 1, "atMost": 1, "nextAt": at(1), "running": true},
            {"name": "write", "nth": 3, "atMost": 2, "every": 60_000},
        ],
    }]}));
    let failed =
        entry(json!({"type": "step:reminder", "stepTitle": "ask", "name": "nudge", "nth": 2, "attempt": 1,
        "progress": "retrying", "error": {"name": "Error", "message": "no route"}, "nextAt": soon}));
    let told = tell(&run, &[failed], NOW).sentences;
    assert_eq!(
        told.get(1..5).unwrap(),
        [
            "Reminder 'call' is over, and comes no more.",
            "Reminder 'nudge' comes at 2026-01-15 10:30:05 UTC (in 5 seconds), 2 of at most 3, every 1 hour, once more \
             after a failure. Turn 2 of it failed: no route.",
            "Reminder 'page' runs now.",
            "Reminder 'write' is over after 2 turns.",
        ]
    );
}
