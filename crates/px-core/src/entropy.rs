//! The one file that reads randomness: ids are made here, from a time that
//! the caller gives and random bits, so that they sort by creation.

use std::sync::Mutex;

use uuid::{ContextV7, Timestamp as UuidTime, Uuid};

use crate::id::{BulkId, CallbackId, DeliveryId, EventId, HookId, LinkId, RunId, TokenId, WaitId};
use crate::time::Timestamp;

/// Makes ids. Ids made by one process sort in the order in which they were
/// made, also within a millisecond and after the clock was set back (RFC 9562,
/// section 6.2, a counter seeded at random for each millisecond).
#[derive(Debug)]
pub struct Ids {
    source: Source,
}

#[derive(Debug)]
enum Source {
    Random(Mutex<ContextV7>),
    Counted(Mutex<u64>),
}

impl Default for Ids {
    fn default() -> Self {
        Self { source: Source::Random(Mutex::new(ContextV7::new())) }
    }
}

impl Ids {
    /// Random ids.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ids that count from `seed`: the same run of a simulation gives the same ids.
    #[must_use]
    pub fn counted(seed: u64) -> Self {
        Self { source: Source::Counted(Mutex::new(seed)) }
    }

    fn next(&self, now: Timestamp) -> [u8; 16] {
        match &self.source {
            Source::Random(context) => {
                let millis = now.as_millis();
                let nanos = u32::try_from(millis % 1000 * 1_000_000).unwrap_or(0);
                let context = context.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                Uuid::new_v7(UuidTime::from_unix(&*context, millis / 1000, nanos)).into_bytes()
            }
            Source::Counted(counter) => {
                let mut counter = counter.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                *counter += 1;
                let mut bytes = [0; 16];
                let time = now.as_millis().to_be_bytes();
                for (to, from) in bytes.iter_mut().zip(time.iter().skip(2).chain(&counter.to_be_bytes())) {
                    *to = *from;
                }
                bytes
            }
        }
    }

    /// A new run's id.
    #[must_use]
    pub fn run(&self, now: Timestamp) -> RunId {
        RunId::from_bytes(self.next(now))
    }

    /// A new delivery's id.
    #[must_use]
    pub fn delivery(&self, now: Timestamp) -> DeliveryId {
        DeliveryId::from_bytes(self.next(now))
    }

    /// A new event's id.
    #[must_use]
    pub fn event(&self, now: Timestamp) -> EventId {
        EventId::from_bytes(self.next(now))
    }

    /// A new wait's id.
    #[must_use]
    pub fn wait(&self, now: Timestamp) -> WaitId {
        WaitId::from_bytes(self.next(now))
    }

    /// A new link's id.
    #[must_use]
    pub fn link(&self, now: Timestamp) -> LinkId {
        LinkId::from_bytes(self.next(now))
    }

    /// A new bulk job's id.
    #[must_use]
    pub fn bulk(&self, now: Timestamp) -> BulkId {
        BulkId::from_bytes(self.next(now))
    }

    /// A new hook's id.
    #[must_use]
    pub fn hook(&self, now: Timestamp) -> HookId {
        HookId::from_bytes(self.next(now))
    }

    /// A new outbound delivery's id.
    #[must_use]
    pub fn callback(&self, now: Timestamp) -> CallbackId {
        CallbackId::from_bytes(self.next(now))
    }

    /// A new API token's id.
    #[must_use]
    pub fn token(&self, now: Timestamp) -> TokenId {
        TokenId::from_bytes(self.next(now))
    }

    /// A new version of a guarded row, or a fencing token: never one that was
    /// used before, so that a row that was removed and made again is another.
    #[must_use]
    pub fn version(&self, now: Timestamp) -> u64 {
        let [.., a, b, c, d, e, f, g, h] = self.next(now);
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

/// A number that nobody outside can guess: for what must not be forged from
/// outside, such as the frames of a journal that holds senders' bytes.
#[must_use]
pub fn salt() -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = Uuid::new_v4().into_bytes();
    let [.., i, j, k, l, m, n, o, p] = Uuid::new_v4().into_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h]) ^ u64::from_be_bytes([i, j, k, l, m, n, o, p])
}

/// Bytes that nobody can guess: a key, a nonce, a secret. Of each 16 bytes of a
/// random uuid the fixed ones are left out.
pub fn random_bytes(bytes: &mut [u8]) {
    for piece in bytes.chunks_mut(14) {
        let [a, b, c, d, e, f, _, g, _, h, i, j, k, l, m, n] = Uuid::new_v4().into_bytes();
        for (to, from) in piece.iter_mut().zip([a, b, c, d, e, f, g, h, i, j, k, l, m, n]) {
            *to = from;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_filled_to_the_last_byte_and_differ() {
        let (mut one, mut two) = ([0; 61], [0; 61]);
        random_bytes(&mut one);
        random_bytes(&mut two);
        assert_ne!(one, two);
        assert!(one.iter().filter(|byte| **byte == 0).count() < 16);
    }

    #[test]
    fn ids_sort_by_creation_even_when_the_clock_goes_back() {
        let ids = Ids::new();
        let mut last = ids.run(Timestamp::from_millis(5_000));
        for millis in [5_000, 5_000, 5_001, 4_000, 4_000, 9_000] {
            let next = ids.run(Timestamp::from_millis(millis));
            assert!(next > last, "{next} after {last}");
            last = next;
        }
    }
}
