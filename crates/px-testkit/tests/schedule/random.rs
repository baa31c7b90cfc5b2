//! Random schedules: a seed is a whole story.

use px_store::conformance::Dice;

use super::Act::{self, *};
use super::{Asks, Brain};

/// The brains that are started, some oftener than others.
const BRAINS: [Brain; 17] = [
    Brain::Survey,
    Brain::Survey,
    Brain::Question,
    Brain::Approval,
    Brain::Both,
    Brain::Flaky,
    Brain::Sleeper,
    Brain::Half,
    Brain::Listener,
    Brain::Outside,
    Brain::Worker,
    Brain::Taker,
    Brain::Caller,
    Brain::Counter,
    Brain::Counter,
    Brain::Reminded,
    Brain::Reminded,
];

/// How many nodes act in a schedule, where there are several.
pub const NODES: u64 = 3;

/// The schedule of a seed, of this many acts or one more.
pub fn schedule_of(seed: u64, length: usize) -> Vec<Act> {
    let mut dice = Dice::new(seed);
    let mut acts: Vec<Act> = Vec::with_capacity(length);
    while acts.len() < length {
        let act = any_act(&mut dice, &acts);
        acts.push(act);
        // A time that comes is noticed at once, or after something else.
        if matches!(act, Later(_)) && dice.below(2) == 0 {
            acts.push(Ring);
        }
    }
    acts
}

fn any_act(dice: &mut Dice, before: &[Act]) -> Act {
    let key = u8::try_from(dice.below(3)).unwrap();
    let id = u32::try_from(before.len()).unwrap();
    let runs = before.iter().filter(|act| matches!(act, Start(..) | Mail(..))).count();
    let run = usize::try_from(dice.below(runs.min(6) as u64)).unwrap();
    match dice.below(21) {
        0..=2 => Start(BRAINS[usize::try_from(dice.below(BRAINS.len() as u64)).unwrap()], key),
        3..=6 => {
            use Asks::{Fail, Ignore, OrStart, Resume, Start};
            let asks = [Resume, Resume, OrStart, OrStart, Start, Ignore, Fail];
            let text = ["bye", "text", "other", "text"][usize::try_from(dice.below(4)).unwrap()];
            Mail(id, key, asks[usize::try_from(dice.below(7)).unwrap()], text)
        }
        7 => Phone(id, key),
        8 => Both(id, key, u8::try_from(dice.below(3)).unwrap()),
        9 | 10 => {
            let sent: Vec<Act> =
                before.iter().copied().filter(|act| matches!(act, Mail(..) | Phone(..) | Both(..))).collect();
            sent.get(usize::try_from(dice.below(sent.len() as u64)).unwrap()).copied().unwrap_or(Settle)
        }
        11 => Later([1, 20, 3 * 3600, 25 * 3600][usize::try_from(dice.below(4)).unwrap()]),
        12 => [Cancel(run), Pause(run), Resume(run), Answer(run)][usize::try_from(dice.below(4)).unwrap()],
        13 => {
            let within = dice.below(6);
            if dice.below(2) == 0 { DiesBefore(within) } else { DiesAfter(within) }
        }
        14 => {
            let step = u32::try_from(1 + dice.below(4)).unwrap();
            if dice.below(2) == 0 { Rerun(run, step) } else { Fork(run, step) }
        }
        15 => Node(u8::try_from(dice.below(NODES)).unwrap()),
        16 => Stalls(u8::try_from(dice.below(NODES)).unwrap()),
        _ => Settle,
    }
}
