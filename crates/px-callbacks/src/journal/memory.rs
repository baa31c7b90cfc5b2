//! Memory of the file: which ids it holds, and the
//! newest events.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::Event;

/// So many of the newest ids are remembered, 16 bytes each. A copy that comes
/// after a million other events is taken for new.
pub const MAX_IDS: usize = 1_000_000;
/// So many of the newest events are kept in memory,
const MAX_RECENT: usize = 1_000;
/// as long as their bodies are not longer together.
const MAX_RECENT_BYTES: usize = 16 * 1024 * 1024;

/// An event in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its place, from 1, without gaps.
    pub position: u64,
    /// The event.
    pub event: Arc<Event>,
}

/// The half of a hash: two ids that share it do not occur.
type Mark = [u8; 16];

#[derive(Debug, Default)]
pub(super) struct Memory {
    count: u64,
    marks: HashSet<Mark>,
    order: VecDeque<Mark>,
    recent: VecDeque<Stored>,
    recent_bytes: usize,
}

impl Memory {
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn holds(&self, id: &str) -> bool {
        self.marks.contains(&mark(id))
    }

    /// Adds an event that is durable, and gives its position.
    pub(super) fn add(&mut self, event: Event) -> u64 {
        self.count += 1;
        let mark = mark(&event.id);
        if self.marks.insert(mark) {
            self.order.push_back(mark);
        }
        if self.order.len() > MAX_IDS
            && let Some(oldest) = self.order.pop_front()
        {
            self.marks.remove(&oldest);
        }
        self.recent_bytes += event.body.len();
        self.recent.push_back(Stored { position: self.count, event: Arc::new(event) });
        while self.recent.len() > MAX_RECENT || self.recent_bytes > MAX_RECENT_BYTES {
            let Some(oldest) = self.recent.pop_front() else { break };
            self.recent_bytes -= oldest.event.body.len();
        }
        self.count
    }

    pub(super) fn recent(&self, after: u64) -> Vec<Stored> {
        self.recent.iter().filter(|stored| stored.position > after).cloned().collect()
    }
}

fn mark(id: &str) -> Mark {
    let hash = Sha256::digest(id);
    let mut mark = Mark::default();
    mark.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    mark
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use px_core::Timestamp;

    use super::*;

    #[test]
    fn memory_is_bounded_in_events_and_bytes() {
        let event = |n: usize, bytes: usize| Event {
            id: n.to_string(),
            kind: None,
            at: Timestamp::EPOCH,
            body: Bytes::from(vec![0; bytes]),
        };
        let mut memory = Memory::default();
        for n in 0..MAX_RECENT + 5 {
            memory.add(event(n, 1));
        }
        assert_eq!(memory.recent(0).len(), MAX_RECENT);
        assert_eq!(memory.recent(1_003).len(), 2);
        assert!(memory.holds("0"), "ids are remembered longer than events");
        memory.add(event(5_000, MAX_RECENT_BYTES));
        assert_eq!(memory.recent(0).len(), 1);
        memory.add(event(5_001, MAX_RECENT_BYTES + 1));
        assert_eq!(memory.recent(0).len(), 0);
        assert_eq!(memory.count(), 1_007);
    }
}
