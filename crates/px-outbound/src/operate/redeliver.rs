//! Deliveries by hand: try a hook, deliver one again, recover all since a time.

use std::collections::BTreeSet;
use std::iter::once;
use std::time::Duration;

use px_core::lifecycle::Kind;
use px_core::{CallbackId, HookId, Timestamp};
use px_store::outbox::{
    Callback, CallbackFilter, CallbackState, CallbackWrite, Endpoint, OutboxBatch, address,
};
use px_store::{Admission, Batch, Round};
use serde_json::{Map, Value};

use super::{Error, Operator, ROUNDS};
use crate::send::probe_allowed;

/// Number of deliveries one commit sets going again.
const PAGE: usize = 100;
/// Number a second are set going again unless somebody says otherwise.
const DEFAULT_RATE: u32 = 50;

/// Callbacks to be sent again.
#[derive(Debug, Clone, Default)]
pub struct Recovery {
    /// Start of the period, inclusive.
    pub since: Timestamp,
    /// Types of events; empty means all.
    pub types: Vec<Kind>,
    /// Only say what would be.
    pub dry_run: bool,
    /// Maximum number that are set going each second; none lets all go at once.
    pub rate_per_second: Option<u32>,
}

/// Callbacks that were set going again, or would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovered {
    /// Number of deliveries.
    pub deliveries: u64,
    /// Time at which the last of them is due.
    pub until: Timestamp,
}

impl Operator {
    /// Sends a hook an event to try it with, whatever its filters say. An endpoint that is left alone is probed.
    ///
    /// # Errors
    /// There is no such hook, or it is disabled.
    pub async fn test(&self, id: HookId) -> Result<CallbackId, Error> {
        let parts = &self.parts;
        let hook = self.hook(id).await?;
        if hook.disabled.is_some() {
            return Err(Error::Conflict("the hook is disabled; enable it first".into()));
        }
        let now = parts.clock.now();
        let hook_set = parts.store.outbox().hook_set(parts.scope)?;
        let data = Map::from_iter([("message".to_owned(), Value::from("a test of this hook"))]);
        let callback = address(&hook_set, &hook, &parts.ids, now, Kind::HookTest, data);
        let delivery = callback.id;
        let endpoints = self.probes(once(callback.lane)).await?;
        let callback = vec![CallbackWrite::new(callback)];
        let outbox = OutboxBatch { callback, endpoints, ..OutboxBatch::default() };
        let batch = Batch { scope: parts.scope, outbox, ..Batch::default() };
        parts.store.commit(batch, Admission::Wait).await?;
        Ok(delivery)
    }

    /// Sets one delivery going again, with the same event and the same bytes. An endpoint that is left alone is
    /// probed.
    ///
    /// # Errors
    /// There is no such delivery, or its hook takes none.
    pub async fn redeliver(&self, id: CallbackId) -> Result<Callback, Error> {
        let parts = &self.parts;
        let set_going = parts.store.transact(ROUNDS, |_| async move {
            let read = parts.store.outbox().callback(parts.scope, id).await?;
            let read = read.ok_or(Error::NoDelivery(id))?;
            if self.hook(read.hook).await?.disabled.is_some() {
                return Err(Error::Conflict("its hook is disabled; enable it first".into()));
            }
            let endpoints = self.probes(once(read.lane)).await?;
            let now = parts.clock.now();
            let write = CallbackWrite::change(&read, |callback| go(callback, now));
            let callback = write.callback.clone();
            let outbox = OutboxBatch { callback: vec![write], endpoints, ..OutboxBatch::default() };
            let batch = Batch { scope: parts.scope, outbox, ..Batch::default() };
            Ok(Round::Commit(Box::new(batch), callback))
        });
        set_going.await
    }

    /// Sets everything going again that a hook did not get since a time: what
    /// is dead or was discarded. The oldest go first, at a rate. An endpoint that is left alone is probed.
    ///
    /// # Errors
    /// There is no such hook, or it is disabled.
    pub async fn recover(&self, id: HookId, recovery: &Recovery) -> Result<Recovered, Error> {
        let parts = &self.parts;
        if self.hook(id).await?.disabled.is_some() && !recovery.dry_run {
            return Err(Error::Conflict("the hook is disabled; enable it first".into()));
        }
        let now = parts.clock.now();
        let filter =
            CallbackFilter { hook: Some(id), since: Some(recovery.since), ..CallbackFilter::default() };
        let fits = |callback: &Callback| {
            matches!(callback.state, CallbackState::Dead | CallbackState::Discarded)
                && (recovery.types.is_empty() || recovery.types.contains(&callback.kind))
        };
        // Lists are newest first, and the oldest go first: ids are read before
        // anything is written, 16 bytes each.
        let (mut ids, mut before) = (Vec::new(), None);
        loop {
            let page = parts.store.outbox().callbacks(parts.scope, &filter, before, PAGE).await?;
            ids.extend(page.items.iter().filter(|callback| fits(callback)).map(|callback| callback.id));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        let rate = u64::from(recovery.rate_per_second.unwrap_or(DEFAULT_RATE).max(1));
        let at = |place: u64| now.after(Duration::from_millis(place * 1_000 / rate));
        let mut deliveries = 0;
        ids.reverse();
        for page in ids.chunks(PAGE) {
            deliveries += match recovery.dry_run {
                true => page.len() as u64,
                false => self.set_going(page, |place| at(deliveries + place), &fits).await?,
            };
        }
        Ok(Recovered { deliveries, until: if deliveries == 0 { now } else { at(deliveries - 1) } })
    }

    /// Those that fit still, in one commit; says how many.
    async fn set_going(
        &self,
        ids: &[CallbackId],
        at: impl Fn(u64) -> Timestamp + Send + Sync,
        fits: &(impl Fn(&Callback) -> bool + Sync),
    ) -> Result<u64, Error> {
        let (parts, at) = (&self.parts, &at);
        let set_going = parts.store.transact(ROUNDS, |_| async move {
            let mut callback = Vec::with_capacity(ids.len());
            for id in ids {
                let read = parts.store.outbox().callback(parts.scope, *id).await?;
                let Some(read) = read.filter(fits) else { continue };
                let due = at(callback.len() as u64);
                callback.push(CallbackWrite::change(&read, |callback| go(callback, due)));
            }
            let many = callback.len() as u64;
            if many == 0 {
                return Ok(Round::Done(0));
            }
            let lanes: BTreeSet<u64> = callback.iter().map(|write| write.callback.lane).collect();
            let endpoints = self.probes(lanes.into_iter()).await?;
            let outbox = OutboxBatch { callback, endpoints, ..OutboxBatch::default() };
            let batch = Batch { scope: parts.scope, outbox, ..Batch::default() };
            Ok(Round::Commit(Box::new(batch), many))
        });
        set_going.await
    }

    /// What lets one request out now to each of these endpoints that is left alone.
    async fn probes(&self, lanes: impl Iterator<Item = u64>) -> Result<Vec<Endpoint>, Error> {
        let (now, mut endpoints) = (self.parts.clock.now(), Vec::new());
        for lane in lanes {
            endpoints.extend(probe_allowed(&self.parts, lane, now).await?);
        }
        Ok(endpoints)
    }
}

/// Due again, with a whole schedule before it, and waiting for no other.
fn go(callback: &mut Callback, due: Timestamp) {
    callback.state = CallbackState::Pending;
    callback.since = due;
    callback.due = Some(due);
    callback.tries = 0;
    callback.ordered = false;
    callback.reason = Some("asked for again by hand".into());
}
