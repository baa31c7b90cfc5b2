//! A lane: what goes to one endpoint, in memory. It holds a window of the due
//! rows, says which may be sent next, and keeps those of one (hook, run) in
//! order. It reads no store and no clock; what it forgets is in the rows.

use std::collections::{HashMap, HashSet, VecDeque};

use px_core::{CallbackId, HookId, RunId, Timestamp};
use px_store::outbox::Due;

use crate::breaker::{Gate, Health};

/// Maximum number of due rows that a lane holds.
pub(crate) const WINDOW: usize = 1_024;
/// With fewer that wait it looks for more.
pub(crate) const LOW_WATER: usize = 128;
/// Number of callbacks of one (hook, run) that it holds: one long run leaves room for others.
const BEHIND: usize = 64;

type Pair = (HookId, RunId);

/// Terms of a callback's hook about sending.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// Maximum number of requests under way to the endpoint.
    pub(crate) max_in_flight: u32,
    /// Time before which the hook's rate allows no request.
    pub(crate) not_before: Timestamp,
}

/// Next act of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Send this one.
    Send(Due),
    /// Nothing before this time, or before something else happens.
    Wait(Option<Timestamp>),
}

#[derive(Debug, Default)]
pub(crate) struct Lane {
    pub(crate) url: String,
    pub(crate) health: Health,
    /// Rows may have come that it has not seen.
    pub(crate) dirty: bool,
    /// Time at which the first row is due that was not due when it last looked.
    pub(crate) next_due: Option<Timestamp>,
    /// It sends nothing until then, for px itself failed.
    pub(crate) rests_until: Option<Timestamp>,
    /// Number of attempts in a row that px could not make or record.
    pub(crate) unrecorded: u32,
    ready: VecDeque<Due>,
    pairs: HashMap<Pair, VecDeque<Due>>,
    known: HashSet<CallbackId>,
    in_flight: HashMap<CallbackId, Due>,
}

impl Lane {
    /// Returns how many wait in memory.
    pub(crate) fn waiting(&self) -> usize {
        self.known.len() - self.in_flight.len()
    }

    /// Returns whether it has nothing to send.
    pub(crate) fn is_idle(&self) -> bool {
        self.known.is_empty() && !self.dirty
    }

    /// Returns whether it knows something about its endpoint.
    pub(crate) fn is_ailing(&self) -> bool {
        self.health != Health::default()
    }

    pub(crate) fn has_room(&self) -> bool {
        self.known.len() < WINDOW
    }

    /// Takes a due row in; false if it has no place now. Rows are offered in
    /// the order of their due times.
    pub(crate) fn offer(&mut self, due: Due) -> bool {
        if self.known.contains(&due.id) {
            return true;
        }
        let Some(pair) = pair(&due) else {
            self.known.insert(due.id);
            self.ready.push_back(due);
            return true;
        };
        match self.pairs.get_mut(&pair) {
            Some(behind) if behind.len() >= BEHIND => return false,
            Some(behind) => behind.push_back(due),
            None => {
                self.pairs.insert(pair, VecDeque::new());
                self.ready.push_back(due);
            }
        }
        self.known.insert(due.id);
        true
    }

    /// The next one to send; it counts as under way then.
    pub(crate) fn next(&mut self, now: Timestamp, terms: impl Fn(&Due) -> Terms) -> Next {
        if let Some(until) = self.rests_until.filter(|until| *until > now) {
            return Next::Wait(Some(until));
        }
        let width = match self.health.gate(now) {
            Gate::Parked(until) => return Next::Wait((!self.ready.is_empty()).then_some(until)),
            Gate::Width(width) => width,
        };
        let mut soonest: Option<Timestamp> = None;
        for at in 0..self.ready.len() {
            let Some(due) = self.ready.get(at) else { break };
            let terms = terms(due);
            if self.in_flight.len() >= width.min(terms.max_in_flight.max(1)) as usize {
                return Next::Wait(None);
            }
            if terms.not_before > now {
                soonest = Some(soonest.map_or(terms.not_before, |soonest| soonest.min(terms.not_before)));
                continue;
            }
            let Some(due) = self.ready.remove(at) else { break };
            self.in_flight.insert(due.id, due);
            return Next::Send(due);
        }
        Next::Wait(soonest)
    }

    /// One is not under way any more. If it went well the next of its run may
    /// go; else those behind it are forgotten, to be read again with their new
    /// times.
    pub(crate) fn done(&mut self, id: CallbackId, goes_on: bool) {
        self.known.remove(&id);
        let Some(due) = self.in_flight.remove(&id) else { return };
        let Some(pair) = pair(&due) else { return };
        let Some(behind) = self.pairs.get_mut(&pair) else { return };
        match behind.pop_front() {
            Some(next) if goes_on => self.ready.push_front(next),
            first => {
                for forgotten in first.into_iter().chain(behind.drain(..)) {
                    self.known.remove(&forgotten.id);
                    self.dirty = true;
                }
                self.pairs.remove(&pair);
            }
        }
    }
}

fn pair(due: &Due) -> Option<Pair> {
    due.run.filter(|_| due.ordered).map(|run| (due.hook, run))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(id: u8, run: u8, ordered: bool) -> Due {
        Due {
            lane: 1,
            due: Timestamp::from_millis(0),
            id: CallbackId::from_bytes([id; 16]),
            hook: HookId::from_bytes([1; 16]),
            run: Some(RunId::from_bytes([run; 16])),
            prev: None,
            ordered,
        }
    }

    fn next(lane: &mut Lane, max_in_flight: u32) -> Option<u8> {
        let terms = |_: &Due| Terms { max_in_flight, not_before: Timestamp::EPOCH };
        match lane.next(Timestamp::from_millis(5), terms) {
            Next::Send(due) => Some(due.id.to_bytes()[0]),
            Next::Wait(_) => None,
        }
    }

    #[test]
    fn hooks_4_ordered_is_one_in_flight_per_run_while_other_runs_go_on() {
        let mut lane = Lane::default();
        for (id, run) in [(1, 1), (2, 1), (3, 2), (4, 1), (5, 2)] {
            assert!(lane.offer(due(id, run, true)));
        }
        assert_eq!([next(&mut lane, 9), next(&mut lane, 9), next(&mut lane, 9)], [Some(1), Some(3), None]);
        lane.done(due(3, 2, true).id, true);
        assert_eq!([next(&mut lane, 9), next(&mut lane, 9)], [Some(5), None], "run 1 waits, run 2 goes on");
        lane.done(due(1, 1, true).id, true);
        assert_eq!([next(&mut lane, 9), next(&mut lane, 9)], [Some(2), None]);
        lane.done(due(2, 1, true).id, false);
        assert_eq!(next(&mut lane, 9), None, "it failed: what comes after it waits with it");
        assert!(lane.dirty, "and is read again with its new time");
    }

    #[test]
    fn hooks_4_an_endpoint_has_as_many_in_flight_as_its_hook_says() {
        let mut lane = Lane::default();
        for id in 1..=5 {
            lane.offer(due(id, id, false));
        }
        assert_eq!([next(&mut lane, 2), next(&mut lane, 2), next(&mut lane, 2)], [Some(1), Some(2), None]);
        lane.done(due(2, 2, false).id, false);
        assert_eq!([next(&mut lane, 2), next(&mut lane, 2)], [Some(3), None]);
    }

    #[test]
    fn a_long_run_leaves_room_for_others() {
        let mut lane = Lane::default();
        let mut taken = 0;
        for n in 0..=u8::MAX {
            taken += usize::from(lane.offer(due(n, 1, true)));
        }
        assert_eq!(taken, BEHIND + 1);
        let mut other = due(0, 2, true);
        other.id = CallbackId::from_bytes([0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert!(lane.offer(other));
    }

    #[test]
    fn a_rate_lets_others_pass_and_says_when_to_come_back() {
        let mut lane = Lane::default();
        let mut limited = due(1, 1, false);
        limited.hook = HookId::from_bytes([9; 16]);
        lane.offer(limited);
        lane.offer(due(2, 2, false));
        let later = Timestamp::from_millis(700);
        let terms = |due: &Due| Terms {
            max_in_flight: 9,
            not_before: if due.hook == limited.hook { later } else { Timestamp::EPOCH },
        };
        assert_eq!(lane.next(Timestamp::from_millis(5), terms), Next::Send(due(2, 2, false)));
        assert_eq!(lane.next(Timestamp::from_millis(5), terms), Next::Wait(Some(later)));
        assert_eq!(lane.next(later, terms), Next::Send(limited));
    }
}
