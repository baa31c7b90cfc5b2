//! Webhook weather: a scenario, lived through again and again, each time with
//! other troubles: deliveries that come twice, late, early or in another order,
//! times that pass unnoticed until after the next event, and a process that
//! dies before or after each of its commits. After each the ledger must add up
//! and the scenario's own assertions hold. A failure is shrunk to the fewest
//! troubles that bring it about.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use px_sdk::Registry;

use super::windy::{Deed, Windy};
use super::world::World;
use crate::fault::Fault;
use crate::project::Project;
use crate::shrink::shrink;

/// Number of random mixtures of troubles that are tried, beside each trouble alone.
const SEEDS: u64 = 200;

/// Maximum number of troubles in one mixture.
const MOST_TROUBLES: u64 = 5;

/// Maximum number of deaths of the process in one mixture. At the third death in one execution of a step px
/// pauses the run (docs/rules.md#36), which is no fault of it.
const MOST_DEATHS: usize = 2;

/// Something that goes wrong. Numbers count what the scenario does (starts,
/// posts, skips) from 1, and commits of the store from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// This delivery is sent twice.
    Twice(usize),
    /// This delivery is sent again when all is over.
    AgainAtTheEnd(usize),
    /// This delivery arrives after what comes next.
    Overtaken(usize),
    /// This delivery arrives when all else has happened.
    Late(usize),
    /// This happens before anything that came before it has run.
    Early(usize),
    /// This time passes, and what falls due rings only after what comes next.
    Unnoticed(usize),
    /// The process dies before this commit, …
    DiesBefore(u64),
    /// … or after it.
    DiesAfter(u64),
}

/// Lives through a scenario in all weathers: once fair, once with each trouble
/// alone (so with a death before and after each commit), and with 200 random
/// mixtures; see [`Weather`] for more of them.
///
/// # Panics
/// The scenario fails in some weather. The message has the smallest one.
#[track_caller]
pub fn weather(scenario: impl Fn(&Windy)) {
    Weather::default().check(scenario);
}

/// The weathers that a scenario is lived through.
///
/// `Weather::default().seeds(10_000).check(scenario)` tries more mixtures; `PX_SEEDS=10000` in the
/// environment does so for all scenarios at once.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    seeds: u64,
    first: u64,
}

impl Default for Weather {
    fn default() -> Self {
        let seeds = std::env::var("PX_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
        Self { seeds: seeds.unwrap_or(SEEDS), first: 0 }
    }
}

/// A scenario that fails.
struct Failure {
    troubles: Vec<Trouble>,
    seed: Option<u64>,
}

/// One life of a scenario.
struct Lived {
    result: Result<(), String>,
    story: Vec<String>,
    commits: u64,
    deeds: Vec<Deed>,
}

impl Weather {
    /// So many random mixtures of troubles, beside each trouble alone.
    #[must_use]
    pub fn seeds(mut self, seeds: u64) -> Self {
        self.seeds = seeds;
        self
    }

    /// Begins with the mixture of this seed.
    #[must_use]
    pub fn from_seed(mut self, seed: u64) -> Self {
        self.first = seed;
        self
    }

    /// Lives through a scenario. The scenario is called many times, each time
    /// with another world, and must do the same each time.
    ///
    /// # Panics
    /// It fails in some weather. The message has the smallest one.
    #[track_caller]
    pub fn check(self, scenario: impl Fn(&Windy)) {
        let project = project();
        let fair = live(&project, &[], &scenario);
        if let Err(why) = &fair.result {
            panic!("the scenario fails in fair weather already\n{}\n=> {why}", fair.story.join("\n"));
        }
        let Some(failure) = self.search(&project, &fair, &scenario) else { return };
        let small = shrink(&failure.troubles, |troubles| live(&project, troubles, &scenario).result.is_err());
        let lived = live(&project, &small, &scenario);
        let why = lived.result.err().unwrap_or_default();
        let seed = failure.seed.map(|seed| format!(" (seed {seed})")).unwrap_or_default();
        panic!(
            "the scenario fails in this weather{seed}:\n{}\n=> {why}\nto see it again: \
             `px::test::Weather::default().under(&{small:?}, scenario)`",
            lived.story.join("\n")
        );
    }

    /// Lives through a scenario once, with these troubles: what a failure
    /// prints can be pasted here.
    ///
    /// # Panics
    /// It fails.
    #[track_caller]
    pub fn under(self, troubles: &[Trouble], scenario: impl Fn(&Windy)) {
        let lived = live(&project(), troubles, &scenario);
        if let Err(why) = lived.result {
            panic!("the scenario fails\n{}\n=> {why}", lived.story.join("\n"));
        }
    }

    fn search(self, project: &Project, fair: &Lived, scenario: &impl Fn(&Windy)) -> Option<Failure> {
        let alone = alone(fair);
        for trouble in &alone {
            let troubles = vec![*trouble];
            if live(project, &troubles, scenario).result.is_err() {
                return Some(Failure { troubles, seed: None });
            }
        }
        for seed in self.first..self.first.saturating_add(self.seeds) {
            let troubles = mixture(seed, &alone);
            if live(project, &troubles, scenario).result.is_err() {
                return Some(Failure { troubles, seed: Some(seed) });
            }
        }
        None
    }
}

#[track_caller]
fn project() -> Project {
    let registry = Registry::collect().unwrap_or_else(|error| panic!("the project cannot run: {error}"));
    Project::new(registry).unwrap_or_else(|error| panic!("the project cannot run: {error}"))
}

/// Each trouble that a scenario can have, deaths last: they are the most.
fn alone(fair: &Lived) -> Vec<Trouble> {
    let mut all = Vec::new();
    for (deed, at) in fair.deeds.iter().zip(1..) {
        all.push(Trouble::Early(at));
        match deed {
            Deed::Start => {}
            Deed::Post => {
                all.extend([Trouble::Twice(at), Trouble::AgainAtTheEnd(at)]);
                all.extend([Trouble::Overtaken(at), Trouble::Late(at)]);
            }
            Deed::Skip => all.push(Trouble::Unnoticed(at)),
        }
    }
    for commit in 0..fair.commits {
        all.extend([Trouble::DiesBefore(commit), Trouble::DiesAfter(commit)]);
    }
    all
}

/// The troubles of a seed: some of those that there are.
fn mixture(seed: u64, alone: &[Trouble]) -> Vec<Trouble> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = |n: u64| {
        // xorshift64*, so that a seed is a whole story.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % n.max(1)
    };
    let count = 2 + below(MOST_TROUBLES - 1);
    let mut deaths = 0;
    (0..count)
        .filter_map(|_| alone.get(usize::try_from(below(alone.len() as u64)).unwrap_or(0)).copied())
        .filter(|trouble| {
            let is_death = matches!(trouble, Trouble::DiesBefore(_) | Trouble::DiesAfter(_));
            deaths += usize::from(is_death);
            !is_death || deaths <= MOST_DEATHS
        })
        .collect()
}

thread_local! {
    /// True while a panic of this thread is a finding of the search and not printed.
    static LISTENING: Cell<bool> = const { Cell::new(false) };
    static HEARD: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps the panics of scenarios out of the output: only the last is shown.
fn listen() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if LISTENING.get() {
                let place = panic.location().map(|at| format!(" ({}:{})", at.file(), at.line()));
                let words = panic.payload_as_str().unwrap_or("a panic without words");
                HEARD.set(format!("{words}{}", place.unwrap_or_default()));
            } else {
                others(panic);
            }
        }));
    });
}

fn live(project: &Project, troubles: &[Trouble], scenario: &impl Fn(&Windy)) -> Lived {
    listen();
    let deaths = troubles.iter().filter_map(|trouble| match trouble {
        Trouble::DiesBefore(commit) => Some((*commit, Fault::DiesBefore)),
        Trouble::DiesAfter(commit) => Some((*commit, Fault::DiesAfter)),
        _ => None,
    });
    let world = World::ready(project, deaths.collect());
    let windy = Windy::of(world, troubles.to_vec());
    let was_listening = LISTENING.replace(true);
    let result = catch_unwind(AssertUnwindSafe(|| {
        scenario(&windy);
        windy.calm();
    }));
    LISTENING.set(was_listening);
    Lived {
        result: result.map_err(|_| HEARD.take()),
        story: windy.world().inner.story.borrow().clone(),
        commits: windy.world().inner.commits(),
        deeds: windy.deeds(),
    }
}
