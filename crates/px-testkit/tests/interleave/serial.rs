//! What acts come to one after the other: what they may come to at once.

use std::collections::BTreeSet;

use px_testkit::Project;

use super::moment::{Judge, Moment, Outcome, finish};
use crate::schedule::Act;

/// What the acts come to one after the other, in each order, with what was answered.
pub(super) fn orders(
    project: &Project,
    judge: &mut Judge<'_>,
    past: &Moment,
    acts: &[Act],
) -> BTreeSet<(String, Outcome)> {
    let mut all = BTreeSet::new();
    for order in permutations(acts.len()) {
        let (rows, mut life) = past.life(project);
        for at in order {
            finish(life.act(acts[at]));
        }
        let moment = Moment::after(&life, rows);
        if let Ok(outcome) = judge.of(&moment) {
            all.insert((told(&moment), outcome));
        }
    }
    all
}

fn told(moment: &Moment) -> String {
    let mut told = moment.answers.clone();
    told.values_mut().for_each(|actions| actions.sort_unstable());
    format!("{told:?}")
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for shorter in permutations(count - 1) {
        for at in 0..count {
            let mut order = shorter.clone();
            order.insert(at, count - 1);
            all.push(order);
        }
    }
    all
}

/// What a schedule may come to.
pub(super) struct Serial {
    pub(super) orders: BTreeSet<(String, Outcome)>,
    pub(super) deaths_too: bool,
}

impl Serial {
    /// # Errors
    /// No order comes to this.
    pub(super) fn check(&self, moment: &Moment, outcome: &Outcome) -> Result<(), String> {
        let told = told(moment);
        if self.orders.contains(&(told.clone(), outcome.clone())) {
            return Ok(());
        }
        Err(format!("no order of the acts comes to this: told {told}, then {}", outcome.0))
    }
}
