//! Reminders of a wait: they come at their time, the wait stays open meanwhile, and whatever ends it or holds
//! the run is taken at once.

mod project;
mod reminding;

use project::event;
use px_core::event::EventBody;
use px_core::reminder::{ReminderProgress, Reminding};
use px_core::{KvId, RunStatus, Scope};
use px_store::TimerKind;
use px_testkit::Fault;
use reminding::*;
use serde_json::json;

#[tokio::test]
async fn a_reminder_runs_once_at_its_time_and_the_wait_stays_open() {
    let world = world();
    let run = waiting(&world, payment, "k").await;
    world.advance(HOUR - MINUTE).await.unwrap();
    assert!(take_made().is_empty());
    world.advance(MINUTE).await.unwrap();
    assert_eq!(take_made(), ["ask/nudge:0/mail"]);
    assert_eq!(turns(&world, run).await, ["nudge 1.1 running", "nudge 1.1 complete"]);
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting);
    is_sound(&world).await;
    world.advance(HOUR * 100).await.unwrap();
    assert!(take_made().is_empty());
    post(&world, "1", "k", "paid").await;
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
    is_sound(&world).await;
}

#[tokio::test]
async fn a_reminder_comes_again_and_again_as_often_as_it_may_with_a_key_for_each_turn() {
    let world = world();
    let run = waiting(&world, hourly, "k").await;
    let mut seen = Vec::new();
    for _ in 0..5 {
        world.advance(HOUR).await.unwrap();
        seen.push(take_made());
        is_sound(&world).await;
    }
    let turn = |nth| vec![format!("ask/nudge[{nth}]:0/mail")];
    assert_eq!(seen, [turn(1), turn(2), turn(3), vec![], vec![]]);
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting);
}

#[tokio::test]
async fn of_two_reminders_of_a_wait_the_one_that_is_due_first_comes_first() {
    let world = world();
    let run = waiting(&world, both, "k").await;
    let due = world.rows().due(Scope::default(), world.now().after(HOUR * 9), None, 10).await.unwrap();
    let reminders = due.iter().filter(|timer| matches!(timer.kind, TimerKind::Remind { .. }));
    assert_eq!(reminders.count(), 1, "a wait has one timer of its reminders");
    world.advance(HOUR).await.unwrap();
    assert_eq!(take_made(), ["ask/early:0/mail"]);
    world.advance(HOUR).await.unwrap();
    assert_eq!(take_made(), ["ask/late:0/mail"]);
    assert_eq!(turns(&world, run).await.len(), 4);
    // Both while nobody was there: one after the other.
    let run = waiting(&world, both, "other").await;
    world.advance(HOUR * 3).await.unwrap();
    world.ring().await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(take_made(), ["ask/early:0/mail", "ask/late:0/mail"]);
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting);
    is_sound(&world).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_taken_at_once_while_a_reminder_runs_whose_next_commit_is_refused() {
    let world = world();
    let run = waiting(&world, held, "k").await;
    let answer = async {
        made(1).await;
        let waiting = world.run(run).await.unwrap().unwrap();
        let under_way = Reminding { wait: waiting.waits[0].id, name: "nudge".into() };
        assert_eq!((waiting.status, waiting.reminding), (RunStatus::Waiting, Some(under_way)));
        is_sound(&world).await;
        world.post("mail", &event("1", "k", "paid", "resume")).await.unwrap()
    };
    let (rung, answer) = Box::pin(soon(async { tokio::join!(world.advance(HOUR), answer) })).await;
    rung.unwrap();
    assert_eq!(answer.action, Some("resumed"));
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete, "nobody waited for the reminder");
    let cx = last_context();
    assert!(cx.is_cancelled());
    let refused = cx.once("late", async || Ok(1)).await.unwrap_err();
    assert!(refused.message().contains("nothing more is recorded"), "{refused:?}");
    assert_eq!(turns(&world, run).await, ["nudge 1.1 running"], "it has no end");
    open_gate(1);
    world.advance(HOUR * 30).await.unwrap();
    assert_eq!(take_made(), ["ask/nudge:0/before"]);
    is_sound(&world).await;
}

#[tokio::test(start_paused = true)]
async fn one_of_several_responses_leaves_a_reminder_alone_and_the_last_one_revokes_it_between_two_reads() {
    for is_last_between in [false, true] {
        let world = world();
        let run = waiting(&world, votes, "k").await;
        let votes = async {
            made(1).await;
            let first = world.post("mail", &event("1", "k", "yes", "resume")).await.unwrap();
            assert_eq!(first.action, Some("collected"));
            if is_last_between {
                // What the reminder commits meets the first vote, and is read anew behind the second.
                let other = world.beside();
                world.store().between(async move {
                    other.post("mail", &event("2", "k", "yes", "resume")).await.unwrap();
                });
            }
            open_gate(1);
        };
        soon(async { tokio::join!(world.advance(HOUR), votes).0 }).await.unwrap();
        let status = if is_last_between { RunStatus::Complete } else { RunStatus::Waiting };
        assert_eq!(world.status(run).await.unwrap(), status);
        let is_complete = turns(&world, run).await.len() == 2;
        assert_eq!(is_complete, !is_last_between);
        take_made();
        is_sound(&world).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_and_a_cancel_are_taken_at_once_while_a_reminder_runs() {
    for by_cancel in [true, false] {
        let world = world();
        let run = waiting(&world, held, "k").await;
        let ends = async {
            made(1).await;
            if by_cancel {
                world.cancel(run).await.unwrap();
            } else {
                world.clock().advance(HOUR * 24);
                world.ring().await.unwrap();
            }
        };
        soon(async { tokio::join!(world.advance(HOUR), ends).0 }).await.unwrap();
        let status = if by_cancel { RunStatus::Cancelled } else { RunStatus::Complete };
        assert_eq!(world.status(run).await.unwrap(), status);
        assert_eq!(take_made(), ["ask/nudge:0/before"]);
        is_sound(&world).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_reminder_that_a_pause_cuts_short_runs_again_after_the_resume_and_repeats_no_effect() {
    let world = world();
    let run = waiting(&world, held, "k").await;
    let pause = async {
        made(1).await;
        world.pause(run).await.unwrap();
    };
    soon(async { tokio::join!(world.advance(HOUR), pause).0 }).await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Paused);
    is_sound(&world).await;
    world.advance(HOUR).await.unwrap();
    assert_eq!(turns(&world, run).await, ["nudge 1.1 running"]);
    open_gate(1);
    world.resume(run).await.unwrap();
    is_sound(&world).await;
    world.ring().await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(take_made(), ["ask/nudge:0/before", "ask/nudge:0/after"]);
    let seen = turns(&world, run).await;
    assert_eq!(seen, ["nudge 1.1 running", "nudge 1.1 running", "nudge 1.1 complete"]);
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting);
    is_sound(&world).await;
}

#[tokio::test]
async fn a_reminder_that_falls_due_while_its_run_is_paused_comes_when_it_goes_on() {
    let world = world();
    let run = waiting(&world, payment, "k").await;
    world.pause(run).await.unwrap();
    world.advance(HOUR * 2).await.unwrap();
    assert!(take_made().is_empty());
    is_sound(&world).await;
    world.resume(run).await.unwrap();
    is_sound(&world).await;
    world.ring().await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(take_made(), ["ask/nudge:0/mail"]);
}

#[tokio::test(start_paused = true)]
async fn a_reminder_that_fails_is_tried_again_as_said_and_never_fails_the_run() {
    for (key, ends) in [
        ("third time", vec!["1.1 retrying", "1.2 retrying", "1.3 complete"]),
        ("always", vec!["1.1 retrying", "1.2 retrying", "1.3 error"]),
        ("slow", vec!["1.1 retrying", "1.2 retrying", "1.3 error"]),
        ("permanent", vec!["1.1 error"]),
        ("panics", vec!["1.1 error"]),
    ] {
        let world = world();
        let run = waiting(&world, failing, key).await;
        world.advance(HOUR).await.unwrap();
        for _ in 0..4 {
            world.advance(MINUTE * 2).await.unwrap();
            is_sound(&world).await;
        }
        let seen: Vec<_> =
            turns(&world, run).await.into_iter().filter(|turn| !turn.ends_with("running")).collect();
        let wanted: Vec<_> = ends.iter().map(|end| format!("nudge {end}")).collect();
        assert_eq!(seen, wanted, "{key}");
        assert_eq!(take_made(), ["ask/nudge[1]:0/mail"], "{key}: an attempt repeats no effect");
        // The next turn comes at its time, whatever became of this one.
        world.advance(HOUR - MINUTE * 8).await.unwrap();
        assert_eq!(take_made(), ["ask/nudge[2]:0/mail"], "{key}");
        post(&world, "1", key, "paid").await;
        assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete, "{key}");
        is_sound(&world).await;
    }
}

#[tokio::test]
async fn what_fell_due_while_px_was_down_comes_once_and_the_next_turn_at_its_time() {
    let mut world = world();
    let (every, once) = (waiting(&world, hourly, "every").await, waiting(&world, payment, "once").await);
    world.clock().advance(HOUR * 5 + MINUTE * 30);
    world.restart().unwrap();
    world.ring().await.unwrap();
    world.settle().await.unwrap();
    let mut made = take_made();
    made.sort();
    assert_eq!(made, ["ask/nudge:0/mail", "ask/nudge[1]:0/mail"]);
    world.advance(MINUTE * 29).await.unwrap();
    assert!(take_made().is_empty());
    world.advance(MINUTE).await.unwrap();
    assert_eq!(take_made(), ["ask/nudge[2]:0/mail"], "six hours after the wait was opened");
    world.advance(HOUR * 2).await.unwrap();
    assert_eq!(take_made(), ["ask/nudge[3]:0/mail"], "turns that ran are counted, and no others");
    for run in [every, once] {
        assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting);
    }
    is_sound(&world).await;
}

#[tokio::test]
async fn nobody_is_reminded_of_a_wait_whose_time_was_up_as_well() {
    let world = world();
    let run = waiting(&world, hourly, "k").await;
    world.advance(HOUR * 24).await.unwrap();
    assert!(take_made().is_empty());
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
    is_sound(&world).await;
}

#[tokio::test]
async fn a_process_that_dies_in_a_reminder_leaves_it_to_the_next_and_after_three_deaths_it_is_given_up() {
    let mut world = world();
    let run = waiting(&world, hourly, "k").await;
    world.clock().advance(HOUR);
    let is_end = |batch: &px_store::Batch| {
        let entries = batch.runs.iter().flat_map(|write| &write.events);
        let is_complete = |event: &EventBody| matches!(event, EventBody::Reminder(turn) if turn.progress == ReminderProgress::Complete);
        entries.into_iter().any(|entry| is_complete(&entry.event))
    };
    for _ in 0..3 {
        world.store().plan(move |_, batch| is_end(batch).then_some(Fault::DiesBefore));
        world.ring().await.unwrap();
        world.settle().await.unwrap_err();
        world.restart().unwrap();
        is_sound(&world).await;
    }
    world.settle().await.unwrap();
    assert_eq!(take_made(), ["ask/nudge[1]:0/mail"], "the effect was remembered each time");
    assert_eq!(turns(&world, run).await, ["nudge 1.1 running", "nudge 1.1 error"]);
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting);
    is_sound(&world).await;
    world.advance(HOUR).await.unwrap();
    assert_eq!(take_made(), ["ask/nudge[2]:0/mail"]);
}

#[tokio::test(start_paused = true)]
async fn a_response_of_a_stream_cuts_its_reminder_short_which_comes_again_behind_the_turn() {
    let world = world();
    let heard = Heard { key: "k".into(), texts: 0 };
    let run = world.start(listening, heard).await.unwrap();
    world.settle().await.unwrap();
    let text = async {
        made(1).await;
        world.post("mail", &event("1", "k", "hello", "resume")).await.unwrap();
    };
    soon(async { tokio::join!(world.advance(HOUR), text).0 }).await.unwrap();
    assert_eq!(world.state(run).await.unwrap(), json!({"key": "k", "texts": 1}));
    is_sound(&world).await;
    open_gate(1);
    world.ring().await.unwrap();
    world.settle().await.unwrap();
    let made = take_made();
    assert_eq!(made, ["open/nudge[1]:0/before", "open/nudge[1]:0/after"], "under the keys that it had");
    post(&world, "2", "k", "bye").await;
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
    is_sound(&world).await;
}

#[tokio::test]
async fn keys_differ_in_each_turn_of_a_loop_and_name_what_is_around_the_step() {
    let world = world();
    let run = world.start(outer, Heard { key: "k".into(), texts: 0 }).await.unwrap();
    world.settle().await.unwrap();
    for id in ["1", "2"] {
        world.advance(HOUR).await.unwrap();
        post(&world, id, "k", "text").await;
    }
    assert_eq!(take_made(), ["inside/turn[0]/ask/nudge:0/mail", "inside/turn[1]/ask/nudge:0/mail"]);
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
    is_sound(&world).await;
}

#[tokio::test]
async fn a_reminder_writes_values_with_its_end_reports_and_starts_runs() {
    let world = world();
    let run = waiting(&world, busy, "k").await;
    world.advance(HOUR).await.unwrap();
    world.advance(HOUR).await.unwrap();
    let nudges = world.kv(&KvId::shared("busy reminder", "nudges")).await.unwrap();
    assert_eq!(nudges, Some(json!(2)));
    let names: Vec<_> = world.log(run).await.unwrap().iter().map(|event| event.event.name()).collect();
    let turn = ["step:reminder", "step:emit", "step:once", "step:reminder"];
    assert_eq!(names[names.len() - 8..], [turn, turn].concat());
    let page = world.rows().runs(Scope::default(), &px_store::RunFilter::default(), None, 10).await.unwrap();
    let started = page.items.iter().filter(|record| record.run.brain == "payment").count();
    assert_eq!(started, 2);
    is_sound(&world).await;
}

#[tokio::test]
async fn the_waits_of_a_loop_are_not_those_of_the_step_before_it() {
    let world = world();
    let run = waiting(&world, talk, "k").await;
    world.advance(HOUR).await.unwrap();
    post(&world, "1", "k", "hello").await;
    world.advance(HOUR * 10).await.unwrap();
    assert_eq!(take_made(), ["ask/nudge:0/mail"]);
    post(&world, "2", "k", "bye").await;
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
}

#[tokio::test]
async fn no_timer_is_left_of_a_wait_however_it_ended() {
    for how in ["answer", "by hand", "cancel", "rerun", "fork"] {
        let world = world();
        let run = waiting(&world, payment, "k").await;
        if how == "rerun" || how == "fork" {
            // Under way, and another run or the same one begins where it was.
            world.clock().advance(HOUR);
            world.ring().await.unwrap();
        }
        match how {
            "answer" => post(&world, "1", "k", "paid").await,
            "by hand" => world.answer(run, json!({"text": "paid"})).await.unwrap(),
            "cancel" => world.cancel(run).await.unwrap(),
            "rerun" => world.rerun(run, 1).await.unwrap(),
            _ => drop(world.fork(run, 1, None).await.unwrap()),
        }
        is_sound(&world).await;
        world.settle().await.unwrap();
        is_sound(&world).await;
        let due = world.rows().due(Scope::default(), world.now().after(HOUR * 9), None, 10).await.unwrap();
        let waits: Vec<_> = due
            .iter()
            .filter_map(|timer| match timer.kind {
                TimerKind::Remind { wait, .. } => Some(wait),
                _ => None,
            })
            .collect();
        let left = if ["rerun", "fork"].contains(&how) { 1 } else { 0 };
        assert_eq!(waits.len(), left, "{how}: of the wait that was opened since, if one was");
        // A reminder that was under way is dropped with the wait that a rerun closes, and goes on beside a fork.
        let made = if how == "fork" { 1 } else { 0 };
        assert_eq!(take_made().len(), made, "{how}");
    }
}
