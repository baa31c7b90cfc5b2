//! The scheduler: all lanes, and which delivery is taken up next. It is driven from
//! outside, by the sender's loop or by a test in virtual time, and keeps
//! nothing that could not be found again in the rows.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use px_core::hook::Hook;
use px_core::{CallbackId, HookId, Timestamp};
use px_store::cluster::{Slot, SlotRight};
use px_store::outbox::{Due, Endpoint, HookSet, OutboxBatch};
use px_store::{Admission, Batch};
use tokio::task::JoinHandle;

use super::attempt::Ended;
use super::job::{Job, Report};
use super::lane::{LOW_WATER, Lane, Next, Terms};
use super::rates::Rates;
use super::{Error, SenderContext, probe};
use crate::backoff::Jitter;

/// Number of due rows that are read at once.
const PAGE: usize = 256;
/// Maximum number of due rows of a lane that are looked at for some that may go.
const SCAN: usize = 4_096;
/// Once half of all slots are taken an endpoint gets so many at most, so that
/// no few that are slow hold all of them.
const SCARCE: u32 = 2;
/// Number of lanes with nothing to send that are remembered for the failures of
/// their endpoints. Of one that is forgotten they count anew.
const REMEMBERED: usize = 8_192;
/// Time that a lane rests when px itself could not make or record an attempt. It
/// doubles with each one in a row, for what was sent and not recorded is sent again.
const LANE_REST: Duration = Duration::from_secs(1);
/// Doublings of that time.
const MAX_DOUBLINGS: u32 = 6;

/// All lanes.
#[derive(Debug)]
pub struct Scheduler {
    parts: SenderContext,
    lanes: HashMap<u64, Lane>,
    /// Lanes that something may have changed for.
    dirty: BTreeSet<u64>,
    /// Times at which lanes want to be looked at again.
    wakes: BTreeSet<(Timestamp, u64)>,
    rates: Rates,
    in_flight: usize,
    max_in_flight: usize,
    /// Lane that the poll goes on from.
    cursor: Option<u64>,
    /// The lane whose turn it is when slots are scarce.
    turn: u64,
    /// The newest write of an endpoint; it waits for those before it.
    saving: Option<JoinHandle<()>>,
}

impl Scheduler {
    /// A scheduler with empty lanes.
    #[must_use]
    pub fn new(parts: SenderContext, max_in_flight: usize) -> Self {
        Self {
            parts,
            lanes: HashMap::new(),
            dirty: BTreeSet::new(),
            wakes: BTreeSet::new(),
            rates: Rates::default(),
            in_flight: 0,
            max_in_flight,
            cursor: None,
            turn: 0,
            saving: None,
        }
    }

    /// The right to send what is due in a lane: of all members of a cluster, one
    /// has it, and so the endpoint's breaker, its rate and its bounds.
    fn right(&self, lane: u64) -> Option<SlotRight> {
        self.parts.cluster.slot(Slot::of_lane(lane))
    }

    /// Something may be due in this lane.
    pub(crate) fn mark_dirty(&mut self, lane: u64) {
        if self.right(lane).is_none() {
            return;
        }
        let dirty = self.lanes.entry(lane).or_default();
        dirty.dirty = true;
        dirty.next_due = None;
        self.dirty.insert(lane);
    }

    /// Looks through the lanes for due rows that no hint told of, at most so
    /// many; true if it came to the end.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn poll(&mut self, lanes: usize) -> Result<bool, Error> {
        let now = self.parts.clock.now();
        for _ in 0..lanes {
            let first = self.parts.store.outbox().next_lane(self.parts.scope, self.cursor).await?;
            self.cursor = first.map(|first| first.lane);
            let Some(first) = first else { return Ok(true) };
            if first.due <= now {
                self.mark_dirty(first.lane);
            } else if self.right(first.lane).is_some() {
                self.wakes.insert((first.due, first.lane));
            }
        }
        Ok(false)
    }

    /// Returns the time at which there is something to do that no hint tells of.
    #[must_use]
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// Returns how many jobs are under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The deliveries that may be sent now.
    ///
    /// # Errors
    /// The store could not be read; what was taken up is taken up.
    pub async fn next_jobs(&mut self, jobs: &mut Vec<Job>) -> Result<(), Error> {
        let now = self.parts.clock.now();
        while let Some((at, lane)) = self.wakes.first().copied()
            && at <= now
        {
            self.wakes.remove(&(at, lane));
            self.mark_dirty(lane);
        }
        // What is sent while nothing can be written is sent once more later.
        if self.dirty.is_empty() || self.parts.store.unwritten().is_some() {
            return Ok(());
        }
        let hook_set = self.parts.store.outbox().hook_set(self.parts.scope)?;
        // In turn: when all slots are taken, lanes of low numbers would else
        // have each that is free again.
        let mut first = std::mem::take(&mut self.dirty);
        let behind = first.split_off(&self.turn);
        let mut order = behind.into_iter().chain(first);
        while let Some(id) = order.next() {
            let looked = match self.in_flight < self.max_in_flight {
                true => self.refill(id, &hook_set, now, jobs).await,
                false => {
                    self.turn = id;
                    self.dirty.insert(id);
                    self.dirty.extend(order);
                    return Ok(());
                }
            };
            if looked.is_err() {
                // The poll comes back to this one, if it has anything to send.
                self.dirty.extend(order);
                return looked;
            }
        }
        Ok(())
    }

    async fn refill(
        &mut self,
        id: u64,
        hook_set: &HookSet,
        now: Timestamp,
        jobs: &mut Vec<Job>,
    ) -> Result<(), Error> {
        let known = self.lanes.remove(&id);
        // Another member has it by now, and reads its endpoint's state anew.
        let Some(right) = self.right(id) else { return Ok(()) };
        let mut lane = match known {
            Some(lane) if !lane.url.is_empty() => lane,
            lane => open(&self.parts, id, lane.unwrap_or_default()).await?,
        };
        let heard = probe::heard(&self.parts, id, &mut lane, now).await.map_err(Error::from);
        let fed = if lane.dirty && lane.waiting() < LOW_WATER {
            feed(&self.parts, id, &mut lane, now).await
        } else {
            Ok(())
        };
        self.select((id, right), &mut lane, hook_set, now, jobs);
        if !lane.is_idle() || (lane.is_ailing() && self.lanes.len() < REMEMBERED) {
            self.lanes.insert(id, lane);
        } else if let Some(at) = lane.next_due {
            self.wakes.insert((at, id));
        }
        heard.and(fed)
    }

    fn select(
        &mut self,
        (id, right): (u64, SlotRight),
        lane: &mut Lane,
        hook_set: &HookSet,
        now: Timestamp,
        jobs: &mut Vec<Job>,
    ) {
        loop {
            if self.in_flight >= self.max_in_flight {
                self.dirty.insert(id);
                self.turn = id.wrapping_add(1);
                return;
            }
            let share = if self.in_flight * 2 < self.max_in_flight { u32::MAX } else { SCARCE };
            let terms = |due: &Due| terms(hook_set, &self.rates, due, share);
            match lane.next(now, terms) {
                Next::Send(due) => {
                    self.in_flight += 1;
                    self.count(hook_set, &due, now);
                    jobs.push(Job { due, right });
                }
                Next::Wait(until) => {
                    let wakes = [until, lane.next_due];
                    self.wakes.extend(wakes.into_iter().flatten().map(|at| (at, id)));
                    return;
                }
            }
        }
    }

    fn count(&mut self, hook_set: &HookSet, due: &Due, now: Timestamp) {
        let Some(rate) = hook_set.hook(due.hook).and_then(|hook| hook.record.rate_per_second) else { return };
        self.rates.count(due.hook, rate, now);
    }

    /// A job broke off without a report; its row is as it was.
    pub fn lost(&mut self, job: Job) {
        self.ended(job.due, None);
    }

    /// Takes note of a job's result.
    pub fn done(&mut self, report: Report) {
        match report.ended {
            Ok(ended) => self.ended(report.due, Some(ended)),
            Err(error) => {
                tracing::error!(delivery = %report.due.id, %error, "an attempt could not be recorded");
                self.ended(report.due, None);
            }
        }
    }

    /// Waits until the state of every endpoint is written.
    pub async fn saved(&mut self) {
        if let Some(saving) = self.saving.take() {
            // What failed there was logged there.
            let _ = saving.await;
        }
    }

    fn ended(&mut self, due: Due, ended: Option<Ended>) {
        let now = self.parts.clock.now();
        self.in_flight = self.in_flight.saturating_sub(1);
        let id = due.lane;
        // Room for all that waited for it.
        if self.in_flight + 1 >= self.max_in_flight {
            self.dirty.extend(self.lanes.keys());
        }
        let lane = self.lanes.entry(id).or_default();
        self.dirty.insert(id);
        let goes_on = matches!(ended, Some(Ended::Sent { goes_on: true, .. }));
        lane.done(due.id, goes_on);
        if ended.is_some() {
            lane.unrecorded = 0;
        }
        match ended {
            Some(Ended::Sent { healthy, began, ended, asked: true, .. }) => {
                let before = lane.health;
                lane.health = before.after(healthy, began, ended, Jitter::random());
                // Its next try, or what its breaker parks.
                lane.dirty |= !(healthy && goes_on);
                if before.breaker != lane.health.breaker {
                    let endpoint = Endpoint {
                        lane: id,
                        url: lane.url.clone(),
                        failures: lane.health.failures,
                        breaker: lane.health.breaker,
                    };
                    self.save(endpoint);
                }
            }
            // Its time has moved, or it is at rest.
            Some(_) => lane.dirty = true,
            // Its row is as it was: without a rest it would be taken up again
            // at once, and again.
            None => {
                lane.dirty = true;
                lane.rests_until = Some(now.after(LANE_REST * 2_u32.pow(lane.unrecorded.min(MAX_DOUBLINGS))));
                lane.unrecorded += 1;
            }
        }
    }

    /// Writes an endpoint's state, behind what was to be written before. The
    /// scheduler does not wait for it: a thousand endpoints that break would else
    /// keep the others waiting for a thousand commits.
    fn save(&mut self, endpoint: Endpoint) {
        let Some(right) = self.right(endpoint.lane) else { return };
        let (before, parts) = (self.saving.take(), self.parts.clone());
        self.saving = Some(tokio::spawn(async move {
            if let Some(before) = before {
                let _ = before.await;
            }
            if let Err(error) = keep(&parts, endpoint, right).await {
                tracing::error!(%error, "an endpoint's state could not be kept");
            }
        }));
    }
}

fn terms(hook_set: &HookSet, rates: &Rates, due: &Due, share: u32) -> Terms {
    let hook = hook_set.hook(due.hook).map(|hook| &hook.record);
    Terms {
        max_in_flight: hook.map_or(Hook::DEFAULT_IN_FLIGHT, |hook| hook.max_in_flight).min(share),
        not_before: rates.not_before(due.hook),
    }
}

/// A lane as its endpoint was left: a breaker that is open stays so over a restart.
async fn open(parts: &SenderContext, id: u64, mut lane: Lane) -> Result<Lane, Error> {
    if let Some(kept) = parts.store.outbox().endpoint(parts.scope, id).await? {
        lane.health = crate::breaker::Health { failures: kept.failures, breaker: kept.breaker };
        lane.url = kept.url;
    } else if let Some(first) =
        parts.store.outbox().next_lane(parts.scope, id.checked_sub(1)).await?.filter(|first| first.lane == id)
        && let Some(hook) = parts.store.outbox().hook(parts.scope, first.hook).await?
    {
        px_store::outbox::lane_of(&hook.record.url).1.clone_into(&mut lane.url);
    }
    Ok(lane)
}

/// Reads due rows into a lane until it has enough.
async fn feed(parts: &SenderContext, id: u64, lane: &mut Lane, now: Timestamp) -> Result<(), Error> {
    lane.dirty = false;
    let mut after = None;
    let mut seen = 0;
    loop {
        let rows = parts.store.outbox().due_in_lane(parts.scope, id, after, now, PAGE).await?;
        let full = rows.len() == PAGE;
        seen += rows.len();
        after = rows.last().copied().or(after);
        for row in rows {
            // One that has no place is found again when there is room.
            lane.dirty |= !(lane.has_room() && lane.offer(row));
        }
        if !full {
            break;
        }
        if seen >= SCAN || !lane.has_room() {
            lane.dirty = true;
            return Ok(());
        }
    }
    // The first row that is not due yet.
    let end = Due {
        lane: id,
        due: now,
        id: CallbackId::from_bytes([u8::MAX; 16]),
        hook: HookId::from_bytes([0; 16]),
        run: None,
        prev: None,
        ordered: false,
    };
    let never = Timestamp::from_millis(u64::MAX - 1);
    let next = parts.store.outbox().due_in_lane(parts.scope, id, Some(end), never, 1).await?;
    lane.next_due = next.first().map(|next| next.due);
    Ok(())
}

async fn keep(parts: &SenderContext, endpoint: Endpoint, right: SlotRight) -> Result<(), Error> {
    let epochs = right.demand(Slot::of_lane(endpoint.lane)).into_iter().collect();
    let outbox = OutboxBatch { endpoints: vec![endpoint], ..OutboxBatch::default() };
    let batch = Batch { scope: parts.scope, outbox, epochs, ..Batch::default() };
    // A conflict says that the endpoint is another member's by now, who knows better.
    parts.store.commit(batch, Admission::Wait).await?;
    Ok(())
}
