//! What is explored: pasts, and what can happen at once in each of them.

use crate::interleave::{Narrowed, Scene};
use crate::schedule::Act::{self, *};
use crate::schedule::Asks::{OrStart, Resume as Answers};
use crate::schedule::Brain;

pub const FIRST: Act = Mail(1, 0, Answers, "text");
pub const SECOND: Act = Mail(2, 0, Answers, "other");
pub const SIBLING: Act = Phone(1, 0);
pub const OPENS: Act = Mail(3, 0, OrStart, "text");
pub const OPENS_TOO: Act = Mail(4, 0, OrStart, "other");
pub const THIRD: Act = Mail(6, 0, Answers, "text");
pub const BYE: Act = Mail(5, 0, OrStart, "bye");

/// Past the deadline of every wait with one, and nobody has noticed.
pub const DUE: Act = Later(3 * 3600);

/// Past the time of the first reminders.
pub const SOONER: Act = Later(20);

/// Past the deadline of a stream.
pub const STREAM_DUE: Act = Later(10 * 3600);

pub fn is_full() -> bool {
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
    let listening = vec![Start(Brain::Listener, 0), Settle];
    let reminded = vec![Start(Brain::Reminded, 0), Settle];
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
            vec![FIRST, SECOND, THIRD, Ring, Pause(0), Cancel(0)],
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
            "two nodes find the same run ready",
            vec![Start(Brain::Survey, 0)],
            vec![Settle, Settle, FIRST, Cancel(0)],
            false,
            2,
        ),
        situation(
            "a node is taken over while it works",
            vec![FIRST, Start(Brain::Question, 0)],
            vec![Settle, TakeOver, SECOND, Cancel(0)],
            false,
            1,
        ),
        situation(
            "a node that took an event in is taken over",
            and(&waiting, &[FIRST]),
            vec![Settle, TakeOver, SECOND, Pause(0)],
            false,
            1,
        ),
        situation(
            "a paused run waits, and its time is up",
            and(&waiting, &[Pause(0), DUE]),
            vec![FIRST, SECOND, SIBLING, Resume(0), Cancel(0), Ring],
            true,
            1,
        ),
        situation(
            "a step is to be tried again, and its time has come",
            vec![Start(Brain::Flaky, 0), Settle, Later(20)],
            vec![Ring, Pause(0), Resume(0), Cancel(0)],
            true,
            2,
        ),
        situation(
            "a step works on a response of a stream",
            and(&listening, &[FIRST]),
            vec![Settle, SECOND, THIRD, Pause(0), Cancel(0)],
            false,
            1,
        ),
        situation(
            "a step works on a response of a stream whose time is up",
            and(&listening, &[FIRST, STREAM_DUE]),
            vec![Settle, SECOND, Ring, SIBLING],
            false,
            1,
        ),
        situation(
            "a step works on a response of a stream that is to pause",
            and(&listening, &[FIRST, Pause(0)]),
            vec![Settle, SECOND, Resume(0), SIBLING],
            false,
            1,
        ),
        situation(
            "a stream is open, and its run is paused",
            and(&listening, &[Pause(0)]),
            vec![FIRST, SIBLING, Resume(0), Settle, BYE, Cancel(0)],
            false,
            1,
        ),
        situation(
            "a reminder is due",
            and(&reminded, &[SOONER]),
            vec![Ring, FIRST, Pause(0), Cancel(0), Settle],
            false,
            1,
        ),
        situation(
            "a reminder is under way",
            and(&reminded, &[SOONER, Ring]),
            vec![Settle, FIRST, SECOND, Pause(0), Cancel(0), Rerun(0, 1)],
            false,
            1,
        ),
        situation(
            "a reminder is under way in a run that is paused, and another is due",
            and(&reminded, &[SOONER, Ring, Pause(0), SOONER]),
            vec![Resume(0), Ring, Settle, FIRST],
            false,
            1,
        ),
        situation(
            "a node is taken over while a reminder runs",
            and(&reminded, &[SOONER, Ring]),
            vec![Settle, TakeOver, FIRST, Pause(0)],
            false,
            1,
        ),
        situation(
            "a run goes back, and what it waited for comes",
            waiting.clone(),
            vec![Rerun(0, 1), FIRST, SECOND, Cancel(0), Settle],
            false,
            1,
        ),
        situation(
            "one run has its turn, and one waits for it",
            vec![Start(Brain::Taker, 0), Start(Brain::Taker, 0), Settle],
            vec![FIRST, Settle, Cancel(0), Cancel(1), Start(Brain::Taker, 0), Rerun(0, 1)],
            false,
            1,
        ),
        situation(
            "a run is about to wait for another one's end",
            vec![FIRST, Start(Brain::Caller, 0)],
            vec![Settle, Cancel(0), Pause(0), SECOND],
            false,
            1,
        ),
        situation(
            "a run waits for another one's end",
            vec![Start(Brain::Caller, 0), Settle],
            vec![FIRST, Settle, Cancel(0), Pause(0), Resume(0)],
            false,
            1,
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
pub type Planned = (&'static str, Scene, Narrowed);

/// The scenes of all situations: two acts at once in every order, three in
/// every order with few interrupted, unless all is asked for.
pub fn scenes() -> Vec<Planned> {
    let mut all = Vec::new();
    for situation in situations() {
        for count in 2..=3 {
            for at_once in choices(&situation.acts, count) {
                let before = situation.before.clone();
                let scene = Scene { before, at_once, is_spread: false };
                let engines =
                    scene.at_once.iter().filter(|act| matches!(act, Settle | Ring | TakeOver)).count();
                let interruptions = match (count, engines) {
                    // Two engines go on and on, each with what the other one lets go of.
                    (_, 2..) => Some(if is_full() { 3 } else { 2 }),
                    (2, 0) => None,
                    _ if is_full() => None,
                    // An engine goes on and on.
                    (2, _) => Some(2),
                    _ => Some(situation.interruptions),
                };
                let how = Narrowed { interruptions, is_serial: situation.is_serial, bug: None };
                if count == 2 {
                    // The same at two nodes, which share no memory.
                    let spread = Narrowed { interruptions: Some(interruptions.unwrap_or(2)), ..how };
                    all.push((situation.name, Scene { is_spread: true, ..scene.clone() }, spread));
                }
                all.push((situation.name, scene, how));
            }
        }
    }
    all
}
