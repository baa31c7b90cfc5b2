//! Stores that are wrong on purpose: the same search that finds nothing in px
//! (`explore.rs`) finds each of these, and leaves out of the schedule whatever
//! the failure does not need. What is left is printed.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test says by panicking that it failed")]

mod broken;
mod fingerprint;
mod interleave;
mod ledger;
mod project;
mod schedule;

use broken::Bug;
use interleave::situations::{DUE, FIRST, OPENS, OPENS_TOO, SECOND, SOONER, scenes};
use interleave::{Failure, Judge, Narrowed, Scene, explore};
use px_testkit::{Project, shrink};
use schedule::Act::{self, *};
use schedule::Brain;

fn project() -> Project {
    Project::new(project::registry()).unwrap()
}

/// Explores a scene with at most so many acts interrupted, in a store with a bug.
fn fails(
    project: &Project,
    judge: &mut Judge<'_>,
    scene: &Scene,
    bug: Bug,
    interruptions: usize,
) -> Option<Failure> {
    let how = Narrowed { bug: Some(bug), interruptions: Some(interruptions), is_serial: false };
    explore(project, judge, scene, how).failure
}

/// Finds a scene that shows the bug with the fewest interruptions, and leaves
/// out what it does not need.
fn caught(bug: Bug) -> Failure {
    let project = project();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _in_it = runtime.enter();
    let mut judge = Judge::new(&project);
    let pairs: Vec<_> =
        scenes().into_iter().map(|(_, scene, _)| scene).filter(|scene| scene.at_once.len() == 2).collect();
    let found = (0..=2).find_map(|most| {
        let scene = pairs.iter().find(|scene| fails(&project, &mut judge, scene, bug, most).is_some());
        scene.map(|scene| (most, scene))
    });
    let Some((most, scene)) = found else { panic!("{bug:?} is not caught") };
    let past = scene.before.iter().map(|act| (false, *act));
    let acts: Vec<_> = past.chain(scene.at_once.iter().map(|act| (true, *act))).collect();
    let scene_of = |acts: &[(bool, Act)]| {
        let part = |wanted| acts.iter().filter(move |(now, _)| *now == wanted).map(|(_, act)| *act).collect();
        Scene { before: part(false), at_once: part(true), is_spread: scene.is_spread }
    };
    let small = shrink(&acts, |acts| fails(&project, &mut judge, &scene_of(acts), bug, most).is_some());
    let failure = fails(&project, &mut judge, &scene_of(&small), bug, most).unwrap();
    eprintln!("{bug:?}\n{failure}\n");
    failure
}

fn is_caught(bug: Bug, before: &[Act], at_once: &[Act], why: &str) {
    let failure = caught(bug);
    assert_eq!((failure.scene.before.as_slice(), failure.scene.at_once.as_slice()), (before, at_once));
    assert!(failure.why.contains(why), "{}", failure.why);
}

#[test]
fn a_store_without_key_versions_is_caught() {
    is_caught(Bug::NoKeyVersion, &[], &[OPENS, OPENS_TOO], "a run owns a key that does not know it");
}

#[test]
fn a_store_without_fences_is_caught() {
    let before = [FIRST, Start(Brain::Question, 0)];
    is_caught(Bug::NoFence, &before, &[Settle, TakeOver], "no order of the acts comes to this");
}

#[test]
fn a_member_that_takes_runs_from_the_living_is_caught() {
    let why = "was taken from a member that lives";
    is_caught(Bug::TakesFromTheLiving, &[], &[Start(Brain::Question, 0), Settle], why);
}

#[test]
fn a_step_that_begins_before_its_claim_is_durable_is_caught() {
    let before = [Start(Brain::Question, 0)];
    is_caught(Bug::BeginsBeforeItsClaim, &before, &[Settle, Settle], "was begun twice");
}

#[test]
fn dedup_outside_the_batch_is_caught() {
    is_caught(Bug::DedupOutsideTheBatch, &[], &[OPENS_TOO], "a repetition would count as new");
}

#[test]
fn a_timeout_without_compare_and_set_is_caught() {
    let before = [Start(Brain::Survey, 0), Settle, DUE];
    is_caught(
        Bug::TimeoutWithoutCompareAndSet,
        &before,
        &[FIRST, Ring],
        "e1 is resumed and was taken 0 times",
    );
}

#[test]
fn an_answer_before_the_commit_is_caught() {
    is_caught(Bug::AnswerBeforeTheCommit, &[], &[OPENS_TOO], "is lost");
}

#[test]
fn a_delivery_written_over_another_commit_is_caught() {
    let before = [Start(Brain::Half, 0), Start(Brain::Half, 1), Settle, Pause(0), Pause(1), Both(1, 0, 1)];
    let why = "b1#1 is queued and was taken 1 times";
    is_caught(Bug::DeliveryWithoutItsRevision, &before, &[Resume(0), Resume(1)], why);
}

/// An answer gives the work of its run to the step that takes it. Were the reminder's next commit not refused, the
/// run would wait again for what it has had.
#[test]
fn a_reminder_that_ends_whatever_has_become_of_its_wait_is_caught() {
    let before = [Start(Brain::Reminded, 0), Settle, SOONER, Ring];
    is_caught(Bug::ReminderEndsUnchecked, &before, &[Settle, FIRST], "e1 is resumed and was taken 0 times");
}

/// An event that read "paused" goes into the queue of a run that is resumed
/// meanwhile, and nothing tells its wait.
#[test]
fn a_resume_that_tells_no_keys_is_caught() {
    let before = [Start(Brain::Survey, 0), Settle, Pause(0)];
    is_caught(Bug::ResumeTellsNoKeys, &before, &[FIRST, Resume(0)], "EventMissesWait");
}

/// An event that read "busy" goes into the queue of a stream whose step has
/// done meanwhile, and nothing tells its wait.
#[test]
fn the_end_of_a_streams_turn_that_tells_no_keys_is_caught() {
    let before = [Start(Brain::Listener, 0), Settle, FIRST];
    is_caught(Bug::TurnTellsNoKeys, &before, &[Settle, SECOND], "EventMissesWait");
}

/// A deadline that finds its run paused, or a stream's step at work, does
/// nothing. Were it removed after the resume, or the end of the turn, has set it
/// again, the wait would never time out.
#[test]
fn a_timer_that_is_removed_whatever_its_run_has_become_is_caught() {
    let before = [Start(Brain::Survey, 0), Settle, Pause(0), DUE];
    is_caught(Bug::TimerWithoutItsRun, &before, &[Resume(0), Ring], "WaitWithoutTimer");
}
