//! Stores that are wrong on purpose, each by leaving out one of the things that
//! px's promise rests on. They live in tests only: a world's commits take the
//! detour through them. That the suites catch each of them shows that the
//! suites would notice.

#![allow(dead_code, unreachable_pub, reason = "shared by several tests, none of which uses all of it")]

use std::sync::{Arc, Mutex, PoisonError};

use px_core::event::EventBody;
use px_core::reminder::ReminderProgress;
use px_store::cluster::{Cluster, Member, Slot, SlotRight};
use px_store::{Admission, Batch, BoxFuture, Conflict, Error, Outcome, Read, Store};
use px_testkit::{Access, FaultyStore, World};

/// What is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// The version of a key is no precondition.
    NoKeyVersion,
    /// What a step commits does not demand its claim's fence.
    NoFence,
    /// A provider's id is looked up before the commit and written after it.
    DedupOutsideTheBatch,
    /// A timeout writes what it has read, whatever came meanwhile.
    TimeoutWithoutCompareAndSet,
    /// The sender is answered, and then it is committed.
    AnswerBeforeTheCommit,
    /// A delivery is written whole, whatever became of its other events meanwhile.
    DeliveryWithoutItsRevision,
    /// A resume that takes nothing leaves the versions of its wait's keys as they are, …
    ResumeTellsNoKeys,
    /// … and so does the end of a stream's turn.
    TurnTellsNoKeys,
    /// The end of a reminder is written whatever has become of its wait meanwhile.
    ReminderEndsUnchecked,
    /// A timer that rings for nothing is removed, whatever its run has become meanwhile.
    TimerWithoutItsRun,
    /// A member takes every other one for dead.
    TakesFromTheLiving,
    /// A step begins before its claim is known to be durable, though others claim too.
    BeginsBeforeItsClaim,
    /// A provider's id is written over, whoever has it meanwhile.
    DedupForced,
    /// The index of quarantine is never written, so that only the process that
    /// has set an event aside could know of it.
    NothingSetAside,
    /// A delivery that fails enters quarantine whatever was done meanwhile, …
    FailsUnawareOfTheDone,
    /// … and one that is done leaves there what has failed meanwhile.
    DoneUnawareOfTheFailed,
    /// A sweep forgets a provider's id whoever has it meanwhile, …
    SweepForgetsAnyId,
    /// … and counts on from what it has read, whatever was counted meanwhile.
    SweepCountsUnchecked,
}

impl Bug {
    /// Whether this is the entry whose commit leaves the keys as they are.
    fn keeps_quiet_about(self, event: &EventBody) -> bool {
        match self {
            Self::ResumeTellsNoKeys => matches!(event, EventBody::BrainResumed),
            Self::TurnTellsNoKeys => matches!(event, EventBody::WaitAgain { .. }),
            _ => false,
        }
    }
}

/// Where a store that is wrong waits like any other access.
pub type Gate = Arc<dyn Fn(Access) -> BoxFuture<'static, ()> + Send + Sync>;

/// What was answered and is not committed yet.
pub type Owed = Arc<Mutex<Vec<Batch>>>;

/// Makes a store wrong. What it owes is in the answer; the death of the process
/// loses it.
pub fn break_store(store: &FaultyStore, bug: Bug, gate: &Gate, owed: &Owed) {
    let (gate, owed) = (Arc::clone(gate), Arc::clone(owed));
    store.detour(move |inner, batch, admission| {
        let (inner, gate, owed) = (Arc::clone(inner), Arc::clone(&gate), Arc::clone(&owed));
        Box::pin(async move {
            match bug {
                Bug::NoKeyVersion => {
                    let batch = as_is(&inner, batch, Some(false)).await?;
                    inner.commit(batch, admission).await
                }
                Bug::TimeoutWithoutCompareAndSet => {
                    let is_timeout = batch.runs.iter().any(|write| {
                        write.events.iter().any(|event| matches!(event.event, EventBody::WaitTimedOut { .. }))
                    });
                    let batch = as_is(&inner, batch, is_timeout.then_some(true)).await?;
                    inner.commit(batch, admission).await
                }
                Bug::ReminderEndsUnchecked => {
                    let ends = |event: &EventBody| {
                        matches!(event, EventBody::Reminder(turn) if turn.progress != ReminderProgress::Running)
                    };
                    let mut entries = batch.runs.iter().flat_map(|write| &write.events);
                    let is_end = entries.any(|entry| ends(&entry.event));
                    let mut batch = as_is(&inner, batch, is_end.then_some(true)).await?;
                    if is_end {
                        batch.work.iter_mut().for_each(|work| work.expected = None);
                    }
                    inner.commit(batch, admission).await
                }
                Bug::NoFence => {
                    let mut batch = batch;
                    // A claim changes no run.
                    if !batch.runs.is_empty() {
                        batch.work.iter_mut().for_each(|work| work.expected = None);
                    }
                    inner.commit(batch, admission).await
                }
                Bug::DedupOutsideTheBatch => dedup_outside(&inner, &gate, batch, admission).await,
                Bug::AnswerBeforeTheCommit => {
                    pay(&inner, &owed).await?;
                    if admission == Admission::Refuse && !batch.deliveries.is_empty() {
                        owed.lock().unwrap_or_else(PoisonError::into_inner).push(batch);
                        return Ok(Outcome::Committed { sequence: 0 });
                    }
                    inner.commit(batch, admission).await
                }
                Bug::DeliveryWithoutItsRevision => {
                    let mut batch = batch;
                    for write in batch.deliveries.iter_mut().filter(|write| write.delivery.revision != 0) {
                        let found = inner.delivery(batch.scope, write.delivery.id).await?;
                        write.delivery.revision = found.map_or(0, |delivery| delivery.revision);
                    }
                    inner.commit(batch, admission).await
                }
                Bug::TakesFromTheLiving | Bug::BeginsBeforeItsClaim => inner.commit(batch, admission).await,
                Bug::DedupForced => {
                    let mut batch = batch;
                    force(&inner, &mut batch).await?;
                    inner.commit(batch, admission).await
                }
                Bug::NothingSetAside => {
                    inner.commit(Batch { set_asides: Vec::new(), ..batch }, admission).await
                }
                Bug::FailsUnawareOfTheDone => {
                    inner.commit(Batch { dedup_demands: Vec::new(), ..batch }, admission).await
                }
                Bug::DoneUnawareOfTheFailed => {
                    let mut batch = batch;
                    batch.set_asides.retain(|write| write.expected.is_some() || write.record.is_some());
                    inner.commit(batch, admission).await
                }
                Bug::SweepForgetsAnyId => {
                    let mut batch = batch;
                    for write in &mut batch.forget {
                        for (id, record) in &mut write.provider_ids {
                            if let Some(found) = inner.dedup(batch.scope, &write.slug, id).await? {
                                *record = found;
                            }
                        }
                    }
                    inner.commit(batch, admission).await
                }
                Bug::SweepCountsUnchecked => {
                    let mut batch = batch;
                    if let Some(write) = &mut batch.forgotten {
                        write.expected = inner.forgotten(batch.scope).await?;
                    }
                    inner.commit(batch, admission).await
                }
                Bug::TimerWithoutItsRun => {
                    inner.commit(Batch { unchanged: Vec::new(), ..batch }, admission).await
                }
                Bug::ResumeTellsNoKeys | Bug::TurnTellsNoKeys => {
                    let entries = batch.runs.iter().flat_map(|write| &write.events);
                    let is_quiet = entries.into_iter().any(|entry| bug.keeps_quiet_about(&entry.event));
                    let batch = if is_quiet { quiet(&inner, batch).await? } else { batch };
                    inner.commit(batch, admission).await
                }
            }
        })
    });
}

/// Keys whose record stays what it is keep their version; it is still demanded.
async fn quiet(inner: &Arc<dyn Store>, mut batch: Batch) -> Result<Batch, Error> {
    for write in &mut batch.keys {
        let found = inner.key(batch.scope, &write.key).await?;
        if write.record.as_ref() == Some(&found.record) {
            (write.version, write.changed) = (write.expected, false);
        }
    }
    Ok(batch)
}

/// Commits what was answered before.
///
/// # Errors
/// The store fails.
pub async fn pay(inner: &Arc<dyn Store>, owed: &Owed) -> Result<(), Error> {
    let batches = std::mem::take(&mut *owed.lock().unwrap_or_else(PoisonError::into_inner));
    for batch in batches {
        inner.commit(batch, Admission::Wait).await?;
    }
    Ok(())
}

/// Makes a batch expect what is there: its keys, and if `Some(true)` its runs too.
async fn as_is(inner: &Arc<dyn Store>, mut batch: Batch, what: Option<bool>) -> Result<Batch, Error> {
    let Some(runs) = what else { return Ok(batch) };
    for key in &mut batch.keys {
        key.expected = inner.key(batch.scope, &key.key).await?.version;
    }
    for write in batch.runs.iter_mut().filter(|_| runs) {
        write.expected = inner.run(batch.scope, write.run.id).await?.map_or(0, |record| record.run.seq);
    }
    Ok(batch)
}

/// Makes a batch expect the provider's ids that are there.
async fn force(inner: &Arc<dyn Store>, batch: &mut Batch) -> Result<(), Error> {
    for dedup in &mut batch.dedups {
        dedup.expected = inner.dedup(batch.scope, &dedup.slug, &dedup.provider_id).await?;
    }
    Ok(())
}

async fn dedup_outside(
    inner: &Arc<dyn Store>,
    gate: &Gate,
    mut batch: Batch,
    admission: Admission,
) -> Result<Outcome, Error> {
    let mut later = Batch { scope: batch.scope, ..Batch::default() };
    for dedup in std::mem::take(&mut batch.dedups) {
        let known = inner.dedup(batch.scope, &dedup.slug, &dedup.provider_id).await?;
        if let (Some(record), None) = (known, &dedup.expected) {
            let (slug, provider_id) = (dedup.slug, dedup.provider_id);
            return Ok(Outcome::Conflict(Conflict::Duplicate { slug, provider_id, record }));
        }
        later.dedups.push(dedup);
    }
    let outcome = inner.commit(batch, admission).await?;
    if !later.dedups.is_empty() && matches!(outcome, Outcome::Committed { .. }) {
        gate(Access::Commit).await;
        force(inner, &mut later).await?;
        inner.commit(later, admission).await?;
    }
    Ok(outcome)
}

/// Makes a member's view of its cluster wrong.
pub fn break_cluster(world: World, bug: Bug) -> World {
    match bug {
        Bug::TakesFromTheLiving | Bug::BeginsBeforeItsClaim => {
            world.with_cluster(|inner| Arc::new(BrokenCluster { inner, bug }))
        }
        _ => world,
    }
}

struct BrokenCluster {
    inner: Arc<dyn Cluster>,
    bug: Bug,
}

impl Cluster for BrokenCluster {
    fn me(&self) -> u64 {
        self.inner.me()
    }

    fn is_shared(&self) -> bool {
        self.bug != Bug::BeginsBeforeItsClaim
    }

    fn beat(&self) -> Read<'_, Vec<u64>> {
        self.inner.beat()
    }

    fn members(&self) -> Read<'_, Vec<Member>> {
        match self.bug {
            Bug::TakesFromTheLiving => Box::pin(std::future::ready(Ok(Vec::new()))),
            _ => self.inner.members(),
        }
    }

    fn end(&self, member: u64) -> Read<'_, bool> {
        self.inner.end(member)
    }

    fn leave(&self) -> Read<'_, ()> {
        self.inner.leave()
    }

    fn slot(&self, slot: Slot) -> Option<SlotRight> {
        self.inner.slot(slot)
    }
}
