//! Ready runs that wait for a place, in the order in which they were found.
//! Runs that were born claimed have one already and never wait here: their places
//! would else be held by what waits behind those that wait for them.

use std::collections::{HashSet, VecDeque};

use px_core::RunId;

/// Runs that wait at once. More are found by the next look at the ready runs.
const MAX_WAITING: usize = 4_096;

/// The runs that wait for a place of one engine.
#[derive(Default)]
pub(crate) struct Backlog {
    waiting: VecDeque<RunId>,
    known: HashSet<RunId>,
    /// True if a ready run may have found no room here, so that the store has to be read for it.
    is_partial: bool,
}

impl Backlog {
    /// Adds a run behind the others. False if there is no room.
    pub(crate) fn push(&mut self, run: RunId) -> bool {
        if self.known.contains(&run) {
            return true;
        }
        if self.waiting.len() >= MAX_WAITING {
            self.is_partial = true;
            return false;
        }
        self.known.insert(run);
        self.waiting.push_back(run);
        true
    }

    /// The one that waits longest.
    pub(crate) fn pop(&mut self) -> Option<RunId> {
        let run = self.waiting.pop_front()?;
        self.known.remove(&run);
        Some(run)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Returns true if runs found no room since the last call, in which case the ready runs have to be read
    /// from the store once more.
    pub(crate) fn take_partial(&mut self) -> bool {
        std::mem::take(&mut self.is_partial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(number: u16) -> RunId {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        RunId::from_bytes(bytes)
    }

    #[test]
    fn runs_leave_in_the_order_in_which_they_came_each_once() {
        let mut backlog = Backlog::default();
        for number in [3, 1, 3, 2, 1] {
            assert!(backlog.push(run(number)));
        }
        let left: Vec<_> = std::iter::from_fn(|| backlog.pop()).collect();
        assert_eq!(left, [run(3), run(1), run(2)]);
        assert!(backlog.push(run(3)), "it may come again");
    }

    #[test]
    fn it_is_bounded_and_says_that_there_are_more() {
        let mut backlog = Backlog::default();
        let mut took = 0;
        for number in 0..=u16::try_from(MAX_WAITING).unwrap() {
            took += usize::from(backlog.push(run(number)));
        }
        assert_eq!(took, MAX_WAITING);
        assert!(backlog.take_partial() && !backlog.take_partial());
    }
}
