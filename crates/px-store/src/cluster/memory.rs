//! A cluster in memory: several members over one memory store, with leases on
//! a clock that the test turns.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use px_core::{Clock, Timestamp};

use super::{Cluster, Member, Slot, SlotRight};
use crate::batch::Batch;
use crate::epoch::{Epoch, EpochWrite};
use crate::error::Error;
use crate::store::{Admission, Read, Store};

struct Beats {
    member: Member,
    /// The end of its lease.
    until: Timestamp,
    /// Time since which it has renewed its lease without a gap.
    since: Timestamp,
}

#[derive(Default)]
struct State {
    members: BTreeMap<u64, Beats>,
    /// The owner and the epoch of each slot.
    slots: BTreeMap<Slot, (Option<u64>, u64)>,
}

/// The members of one memory store. Clones are the same cluster.
#[derive(Clone)]
pub struct MemoryCluster {
    state: Arc<Mutex<State>>,
    clock: Arc<dyn Clock>,
    lease: Duration,
    /// Store that holds the epochs of slots, so that commits can demand them.
    store: Option<Arc<dyn Store>>,
}

impl std::fmt::Debug for MemoryCluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryCluster").field("members", &self.state().members.len()).finish_non_exhaustive()
    }
}

impl MemoryCluster {
    /// A cluster without members, with leases of this length.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, lease: Duration) -> Self {
        Self { state: Arc::default(), clock, lease, store: None }
    }

    /// The same, with the epochs of slots in this store.
    #[must_use]
    pub fn with_slots_in(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Joins under an id that nobody has had, with the brains and webhooks of
    /// this process.
    #[must_use]
    pub fn join(&self, member: Member) -> MemoryMember {
        let (me, now) = (member.id, self.clock.now());
        let beats = Beats { member, until: now.after(self.lease), since: now };
        self.state().members.insert(me, beats);
        MemoryMember { cluster: self.clone(), me }
    }

    /// Returns true if this member has joined and was not ended.
    #[must_use]
    pub fn has(&self, member: u64) -> bool {
        self.state().members.contains_key(&member)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One member's view of a [`MemoryCluster`].
#[derive(Debug, Clone)]
pub struct MemoryMember {
    cluster: MemoryCluster,
    me: u64,
}

impl MemoryMember {
    /// Renews the lease: who is over, and the epochs of the slots that were taken.
    fn renew(&self) -> Result<(Vec<u64>, Vec<EpochWrite>), Error> {
        let (now, lease) = (self.cluster.clock.now(), self.cluster.lease);
        let mut state = self.cluster.state();
        let mine = state.members.get_mut(&self.me).ok_or(Error::Fenced)?;
        if mine.until < now {
            mine.since = now;
        }
        mine.until = now.after(lease);
        let may_judge = now.since(mine.since) >= lease;
        let taken = state.share_out(self.me, now);
        let is_over = |beats: &Beats| may_judge && beats.until < now;
        let over = state.members.iter().filter(|(_, beats)| is_over(beats)).map(|(id, _)| *id).collect();
        Ok((over, taken))
    }
}

impl State {
    /// Lets go of the slots that should be another's, and takes those that
    /// should be this member's and are nobody's.
    fn share_out(&mut self, me: u64, now: Timestamp) -> Vec<EpochWrite> {
        let mut taken = Vec::new();
        let living: BTreeSet<u64> =
            self.members.iter().filter(|(_, beats)| beats.until >= now).map(|(id, _)| *id).collect();
        for slot in Slot::all() {
            let wanted = living.iter().copied().max_by_key(|member| weight(slot, *member));
            let (owner, epoch) = self.slots.entry(slot).or_insert((None, 0));
            if *owner == Some(me) && wanted != Some(me) {
                *owner = None;
            } else if owner.is_none() && wanted == Some(me) {
                (*owner, *epoch) = (Some(me), *epoch + 1);
                taken.push(EpochWrite { epoch: Epoch::Slot(slot), expected: None, next: Some(*epoch) });
            }
        }
        taken
    }

    fn end(&mut self, member: u64) {
        self.members.remove(&member);
        for (owner, _) in self.slots.values_mut() {
            if *owner == Some(member) {
                *owner = None;
            }
        }
    }
}

/// Weighs a member for a slot: the member of the greatest weight should have the slot, so one that joins or
/// leaves moves only its own share (rendezvous hashing).
fn weight(slot: Slot, member: u64) -> u64 {
    let [kind, number] = slot.to_bytes();
    // The finaliser of SplitMix64.
    let mut mixed = member ^ (u64::from(kind) << 40) ^ (u64::from(number) << 32);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Cluster for MemoryMember {
    fn me(&self) -> u64 {
        self.me
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn beat(&self) -> Read<'_, Vec<u64>> {
        let renewed = self.renew();
        Box::pin(async move {
            let (over, epochs) = renewed?;
            if let Some(store) = self.cluster.store.as_ref().filter(|_| !epochs.is_empty()) {
                store.commit(Batch { epochs, ..Batch::default() }, Admission::Wait).await?;
            }
            Ok(over)
        })
    }

    fn members(&self) -> Read<'_, Vec<Member>> {
        let members = self.cluster.state().members.values().map(|beats| beats.member.clone()).collect();
        super::ready(members)
    }

    fn end(&self, member: u64) -> Read<'_, bool> {
        let now = self.cluster.clock.now();
        let mut state = self.cluster.state();
        let is_back = state.members.get(&member).is_some_and(|beats| beats.until >= now);
        if !is_back {
            state.end(member);
        }
        super::ready(!is_back)
    }

    fn leave(&self) -> Read<'_, ()> {
        self.cluster.state().end(self.me);
        super::ready(())
    }

    fn slot(&self, slot: Slot) -> Option<SlotRight> {
        let state = self.cluster.state();
        let (owner, epoch) = state.slots.get(&slot).copied()?;
        (owner == Some(self.me)).then_some(SlotRight::Epoch(epoch))
    }
}

#[cfg(test)]
mod tests {
    use px_core::ManualClock;

    use super::*;

    const LEASE: Duration = Duration::from_secs(3);

    fn now<T>(mut future: Read<'_, T>) -> Result<T, Error> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(value) => value,
            std::task::Poll::Pending => panic!("a cluster in memory waits for nothing"),
        }
    }

    fn of(id: u64) -> Member {
        Member { id, ..Member::default() }
    }

    fn cluster() -> (ManualClock, MemoryCluster) {
        let clock = ManualClock::at(Timestamp::from_millis(1_000_000));
        (clock.clone(), MemoryCluster::new(Arc::new(clock), LEASE))
    }

    #[test]
    fn nobody_is_ended_before_its_lease_is_over() {
        let (clock, cluster) = cluster();
        let (one, other) = (cluster.join(of(1)), cluster.join(of(2)));
        for _ in 0..3 {
            clock.advance(Duration::from_secs(1));
            assert_eq!(now(one.beat()).unwrap(), [0; 0]);
            assert!(!now(one.end(2)).unwrap());
        }
        clock.advance(Duration::from_secs(1));
        assert_eq!(now(one.beat()).unwrap(), [2]);
        assert!(now(one.end(2)).unwrap());
        assert!(matches!(now(other.beat()), Err(Error::Fenced)), "it is told that it was ended");
        assert_eq!(now(one.members()).unwrap(), [of(1)]);
    }

    #[test]
    fn who_was_away_itself_ends_nobody_until_all_could_come_back() {
        let (clock, cluster) = cluster();
        let (one, other) = (cluster.join(of(1)), cluster.join(of(2)));
        clock.advance(Duration::from_secs(60));
        assert_eq!(now(one.beat()).unwrap(), [0; 0], "nobody could renew a lease");
        clock.advance(Duration::from_secs(2));
        assert_eq!(now(other.beat()).unwrap(), [0; 0]);
        now(one.beat()).unwrap();
        clock.advance(Duration::from_secs(2));
        assert_eq!(now(one.beat()).unwrap(), [0; 0], "both are there");
    }

    #[test]
    fn each_slot_has_one_owner_and_a_new_epoch_with_each_new_one() {
        let (clock, cluster) = cluster();
        let one = cluster.join(of(11));
        now(one.beat()).unwrap();
        assert!(Slot::all().all(|slot| one.slot(slot) == Some(SlotRight::Epoch(1))), "it is alone");
        let other = cluster.join(of(22));
        for _ in 0..2 {
            now(one.beat()).unwrap();
            now(other.beat()).unwrap();
        }
        let (of_one, of_other): (Vec<_>, Vec<_>) = Slot::all().partition(|slot| one.slot(*slot).is_some());
        assert!(of_one.iter().all(|slot| other.slot(*slot).is_none()));
        assert!(of_other.iter().all(|slot| other.slot(*slot) == Some(SlotRight::Epoch(2))));
        assert!(of_one.len() > 20 && of_other.len() > 20, "{} and {}", of_one.len(), of_other.len());
        for _ in 0..5 {
            clock.advance(Duration::from_secs(1));
            now(other.beat()).unwrap();
        }
        assert!(now(other.end(11)).unwrap());
        now(other.beat()).unwrap();
        assert!(of_one.iter().all(|slot| other.slot(*slot) == Some(SlotRight::Epoch(2))));
        assert!(Slot::all().all(|slot| one.slot(slot).is_none()));
    }
}
