//! Every order in which things can happen to a key, through the production
//! accept, decide, draft and commit: one after the other, and at the same time
//! with another commit between any two accesses of one of them, and a death
//! after every commit. Whatever the order, the ledger adds up in fair weather,
//! and acts that happened at once come to what they would have come to in some
//! order.
//!
//! `PX_EXPLORE=full` tries longer and larger ones.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test says by panicking that it failed"
)]

mod broken;
mod fingerprint;
mod interleave;
mod ledger;
mod project;
mod schedule;

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use broken::Bug;
use interleave::{Failure, Judge, Moment, Narrowed, Scene, explore, finish};
use px_testkit::{Project, shrink};
use schedule::Act::{self, *};
use schedule::Asks::{OrStart, Resume as Answers};
use schedule::Brain;

/// The least number of schedules that an ordinary run tries.
const AT_LEAST: u64 = 100_000;

/// How many things happen one after the other, in an ordinary run.
const DEPTH: usize = 6;

/// One state in so many of those that sequences come to is audited.
const AUDITS_EACH: u64 = 10;

const FIRST: Act = Mail(1, 0, Answers, "text");
const SECOND: Act = Mail(2, 0, Answers, "other");
const SIBLING: Act = Phone(1, 0);
const OPENS: Act = Mail(3, 0, OrStart, "text");
const OPENS_TOO: Act = Mail(4, 0, OrStart, "other");
const BYE: Act = Mail(5, 0, OrStart, "bye");

/// Past the deadline of every wait with one, and nobody has noticed.
const DUE: Act = Later(3 * 3600);

fn project() -> Project {
    Project::new(project::registry()).unwrap()
}

fn is_full() -> bool {
    std::env::var("PX_EXPLORE").is_ok_and(|value| value == "full")
}

/// A past, and what can happen at once in it.
struct Situation {
    name: &'static str,
    before: Vec<Act>,
    acts: Vec<Act>,
    /// Whether what happens at once must come to what some order comes to.
    /// Steps that run take several commits, and others may come between these,
    /// so with them only the ledger counts.
    is_serial: bool,
    /// How many of three acts at once are interrupted in an ordinary run.
    interruptions: usize,
}

fn situations() -> Vec<Situation> {
    let situation = |name, before: Vec<Act>, acts: Vec<Act>, is_serial, interruptions| Situation {
        name,
        before,
        acts,
        is_serial,
        interruptions,
    };
    let waiting = vec![Start(Brain::Survey, 0), Settle];
    let and = |before: &[Act], more: &[Act]| [before, more].concat();
    vec![
        situation("nobody is there", vec![], vec![OPENS, OPENS_TOO, OPENS, FIRST, BYE], true, 2),
        situation(
            "a run waits, and its time is up",
            and(&waiting, &[DUE]),
            vec![FIRST, FIRST, SECOND, SIBLING, Ring, Cancel(0), Pause(0), Answer(0)],
            true,
            1,
        ),
        situation(
            "a paused run waits, an event is kept for it, its time is up",
            and(&waiting, &[Pause(0), FIRST, DUE]),
            vec![SECOND, SIBLING, Resume(0), Cancel(0), Ring, FIRST],
            true,
            1,
        ),
        situation(
            "a run is about to wait",
            vec![Start(Brain::Question, 0)],
            vec![Settle, FIRST, SECOND, FIRST, Cancel(0), Pause(0)],
            false,
            2,
        ),
        situation(
            "a run is about to wait for an event that is there",
            vec![FIRST, Start(Brain::Question, 0)],
            vec![Settle, SECOND, Cancel(0), Start(Brain::Question, 0), Settle],
            false,
            1,
        ),
        situation(
            "an owner waits",
            vec![OPENS, Settle],
            vec![OPENS_TOO, BYE, FIRST, Cancel(0), Pause(0), Settle],
            false,
            2,
        ),
        situation(
            "an owner is about to end, with an event queued for it",
            vec![BYE, OPENS],
            vec![Settle, OPENS_TOO, OPENS, Cancel(0), FIRST],
            false,
            1,
        ),
        situation(
            "two runs wait for the same",
            vec![Start(Brain::Survey, 0), Start(Brain::Question, 0), Settle, DUE],
            vec![FIRST, SECOND, Ring, Cancel(0), Cancel(1), Pause(0)],
            true,
            1,
        ),
        situation(
            "a run collects two different events, and its time is up",
            vec![Start(Brain::Approval, 0), Settle, DUE],
            vec![FIRST, SECOND, Mail(6, 0, Answers, "text"), Ring, Pause(0), Cancel(0)],
            true,
            1,
        ),
        situation(
            "two paused runs wait for one half each of a delivery",
            vec![Start(Brain::Half, 0), Start(Brain::Half, 1), Settle, Pause(0), Pause(1), Both(1, 0, 1)],
            vec![Resume(0), Resume(1), Cancel(0), Cancel(1), Both(1, 0, 1)],
            true,
            1,
        ),
        situation(
            "two processes find the same run ready",
            vec![Start(Brain::Survey, 0)],
            vec![Settle, Settle, FIRST, Cancel(0)],
            false,
            2,
        ),
    ]
}

/// Every choice of so many of these, in their order.
fn choices(acts: &[Act], count: usize) -> Vec<Vec<Act>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (at, first) in acts.iter().enumerate() {
        for rest in choices(acts.get(at + 1..).unwrap_or_default(), count - 1) {
            all.push([&[*first], rest.as_slice()].concat());
        }
    }
    all
}

/// A scene, the name of its situation, and how it is explored.
type Planned = (&'static str, Scene, Narrowed);

/// The scenes of all situations: two acts at once in every order, three in
/// every order with few interrupted, unless all is asked for.
fn scenes() -> Vec<Planned> {
    let mut all = Vec::new();
    for situation in situations() {
        for count in 2..=3 {
            for at_once in choices(&situation.acts, count) {
                let scene = Scene { before: situation.before.clone(), at_once };
                let engines = scene.at_once.iter().filter(|act| matches!(act, Settle | Ring)).count();
                let interruptions = match (count, engines) {
                    // Two processes that take each other for dead can take a run
                    // from each other for ever, so there never all orders.
                    (_, 2..) => Some(if is_full() { 3 } else { 2 }),
                    (2, 0) => None,
                    _ if is_full() => None,
                    // An engine goes on and on.
                    (2, _) => Some(2),
                    _ => Some(situation.interruptions),
                };
                let how = Narrowed { interruptions, is_serial: situation.is_serial, bug: None };
                all.push((situation.name, scene, how));
            }
        }
    }
    all
}

#[derive(Debug, Default)]
struct Totals {
    whole: u64,
    deaths: u64,
    moments: usize,
    by_name: HashMap<&'static str, u64>,
}

/// Explores scenes on two threads until one fails.
fn explore_all(project: &Project, scenes: &[Planned]) -> Result<Totals, Failure> {
    let next = AtomicUsize::new(0);
    let totals = Mutex::new(Totals::default());
    let failure = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                // Steps have time limits; nobody drives the clock that would ring them.
                let _in_it = runtime.enter();
                let mut judge = Judge::new(project);
                while let Some((name, scene, how)) = scenes.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = explore(project, &mut judge, scene, *how);
                    let mut totals = totals.lock().unwrap();
                    totals.whole += found.whole;
                    totals.deaths += found.deaths;
                    *totals.by_name.entry(name).or_default() += found.whole + found.deaths;
                    if let Some(found) = found.failure {
                        *failure.lock().unwrap() = Some(found);
                        next.store(scenes.len(), Ordering::Relaxed);
                    }
                }
                totals.lock().unwrap().moments += judge.moments();
            });
        }
    });
    match failure.into_inner().unwrap() {
        Some(failure) => Err(failure),
        None => Ok(totals.into_inner().unwrap()),
    }
}

#[test]
fn whatever_happens_at_once_comes_to_what_some_order_comes_to() {
    let watch = px_core::Stopwatch::start();
    let scenes = scenes();
    match explore_all(&project(), &scenes) {
        Ok(totals) => {
            let all = totals.whole + totals.deaths;
            eprintln!(
                "{all} schedules of {} scenes in {:.1?}: {} to their end, {} to a death; {} states\n{:#?}",
                scenes.len(),
                watch.elapsed(),
                totals.whole,
                totals.deaths,
                totals.moments,
                totals.by_name
            );
            assert!(all >= AT_LEAST, "only {all} schedules");
        }
        Err(failure) => panic!("{failure}"),
    }
}

/// Acts one after the other, each as often as it stands there, in every order;
/// each by a process of its own, so that the one before has died.
struct Letters {
    before: Vec<Act>,
    acts: Vec<(Act, u8)>,
}

fn letters() -> Vec<Letters> {
    let letters = |before: &[Act], once: &[Act], twice: Act| Letters {
        before: before.to_vec(),
        acts: once.iter().map(|act| (*act, 1)).chain([(twice, 2)]).collect(),
    };
    let waits = [Start(Brain::Survey, 0), Settle];
    vec![
        letters(&waits, &[SECOND, SIBLING, DUE, Ring, Settle, Cancel(0), Pause(0), Resume(0)], FIRST),
        letters(&[], &[OPENS, OPENS_TOO, BYE, FIRST, Cancel(0)], Settle),
        letters(&[], &[Start(Brain::Question, 0), FIRST, SECOND, OPENS, DUE, Ring, Cancel(0)], Settle),
    ]
}

/// Goes through sequences, those that have come to the same together.
struct Sequences<'a> {
    project: &'a Project,
    judge: Judge<'a>,
    acts: Vec<Act>,
    /// How many sequences go on from a state with these acts left.
    known: HashMap<(u64, Vec<u8>), u64>,
}

impl Sequences<'_> {
    /// How many sequences of at most `depth` more acts go on from here.
    fn go_on(&mut self, moment: &Moment, left: &[u8], depth: usize, story: &mut Vec<Act>) -> u64 {
        let name = (moment.fingerprint(), left.to_vec());
        if let Some(known) = self.known.get(&name) {
            return *known;
        }
        if let Err(why) = self.judge.of(moment) {
            panic!("{story:?}\n=> {why}");
        }
        let mut count = 0;
        for at in 0..left.len() {
            let mut rest = left.to_vec();
            let Some(times) = rest.get_mut(at).filter(|times| **times > 0 && depth > 0) else { continue };
            *times -= 1;
            let act = self.acts[at];
            let (rows, mut life) = moment.life(self.project);
            finish(life.act(act));
            story.push(act);
            count += self.go_on(&Moment::after(&life, rows), &rest, depth - 1, story);
            story.pop();
        }
        // A sequence that ends here is one, too, if it is as long as it may be.
        let count = if depth == 0 { 1 } else { count };
        self.known.insert(name, count);
        count
    }
}

#[test]
fn whatever_the_order_the_ledger_adds_up() {
    let watch = px_core::Stopwatch::start();
    let project = project();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _in_it = runtime.enter();
    let depth = if is_full() { DEPTH + 1 } else { DEPTH };
    let (mut all, mut states) = (0, 0);
    for letters in letters() {
        let (acts, left): (Vec<_>, Vec<_>) = letters.acts.into_iter().unzip();
        let (rows, mut life) = Moment::beginning(&project).life(&project);
        letters.before.iter().for_each(|act| drop(finish(life.act(*act))));
        let moment = Moment::after(&life, rows);
        let judge = Judge::new(&project).audits_each(AUDITS_EACH);
        let mut sequences = Sequences { project: &project, judge, acts, known: HashMap::new() };
        all += sequences.go_on(&moment, &left, depth, &mut Vec::new());
        states += sequences.known.len();
    }
    eprintln!("{all} sequences of {depth} acts through {states} states in {:.1?}", watch.elapsed());
    assert!(all >= AT_LEAST, "only {all} sequences");
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
        Scene { before: part(false), at_once: part(true) }
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
    is_caught(Bug::NoFence, &before, &[Settle, Settle], "no order of the acts comes to this");
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
