//! Every order in which things can happen to a key, through the production
//! accept, decide, draft and commit: one after the other, and at the same time
//! with another commit between any two accesses of one of them, and a death
//! after every commit. Whatever the order, the ledger adds up in fair weather,
//! and acts that happened at once come to what they would have come to in some
//! order.
//!
//! `PX_EXPLORE=full` tries longer and larger ones.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says by panicking that it failed")]

mod broken;
mod fingerprint;
mod interleave;
mod ledger;
mod project;
mod schedule;

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use interleave::situations::{
    BYE, DUE, FIRST, OPENS, OPENS_TOO, Planned, SECOND, SIBLING, SOONER, is_full, scenes,
};
use interleave::{Failure, Judge, Moment, explore, finish};
use px_testkit::Project;
use schedule::Act::{self, *};
use schedule::Brain;

/// The least number of schedules that an ordinary run tries.
const AT_LEAST: u64 = 100_000;

/// How many things happen one after the other, in an ordinary run.
const DEPTH: usize = 6;

/// One state in so many of those that sequences come to is audited.
const AUDITS_EACH: u64 = 10;

fn project() -> Project {
    Project::new(project::registry()).unwrap()
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
        letters(
            &[Start(Brain::Listener, 0), Settle],
            &[FIRST, SECOND, SIBLING, Pause(0), Resume(0), Cancel(0)],
            Settle,
        ),
        letters(
            &[Start(Brain::Reminded, 0), Settle, SOONER],
            &[FIRST, SECOND, SOONER, Pause(0), Resume(0), Cancel(0), Settle],
            Ring,
        ),
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
