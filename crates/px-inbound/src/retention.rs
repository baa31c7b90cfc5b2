//! Retention: a sweep forgets deliveries that are too old, and empties those
//! that are too many. It does a bounded piece of work, in one commit, and says
//! whether there is more; its caller sets the pace.
//!
//! Some deliveries stay, however old: those with an event that is queued (its
//! owner may live for months), those in quarantine until they are replayed or
//! their provider's retry was taken, and, as long as its provider's id is
//! remembered, a late or an expired event; and those with files, while a run that they
//! started or resumed, or a fork that holds them, has not ended. A delivery outlives the record under
//! its ids, so that no duplicate points nowhere; both go in one commit. A
//! response that a run took lives with the run's log.
//!
//! Tested in `px-testkit/tests/retention.rs`, in virtual time.

mod files;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use px_core::{DeliveryId, Timestamp};
use px_store::{Cursor, Delivery, DeliveryList, InboxState, Row, Table};
use tokio::sync::Mutex;

use crate::context::InboundContext;
use crate::endpoints::Endpoints;
use crate::forgetting::{Plan, is_remembered};
use crate::rejections::is_of_stranger;

/// Maximum number of deliveries that one sweep looks at.
const LOOKED_AT: usize = 64;

/// Number of old deliveries that are read at once, each with its body.
const OLD_PAGE: usize = 16;

/// Time for which ids of a webhook that this binary does not have are remembered.
const REMEMBERED: Duration = Duration::from_hours(7 * 24);

/// Time after which deliveries that were only emptied are looked at again.
const LOOK_AGAIN: Duration = Duration::from_hours(24);

/// Bounds of the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Time for which a delivery is kept; never shorter than its ids are
    /// remembered.
    pub deliveries: Duration,
    /// Number of deliveries of one webhook that keep their payload. An older
    /// one keeps its record for as long as its ids are remembered.
    pub payloads: usize,
    /// Time for which a quarantined delivery is kept; absent keeps it until
    /// somebody replays it.
    pub quarantined: Option<Duration>,
    /// Time for which the record of a rejected request is kept.
    pub rejected: Duration,
    /// Maximum number of these records.
    pub rejections: usize,
    /// Maximum bytes of all files of deliveries together, of the webhooks that take files.
    /// Beyond, the oldest go that no run may read; absent keeps them as long as their deliveries.
    pub file_bytes: Option<u64>,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            deliveries: Duration::from_hours(30 * 24),
            payloads: 100_000,
            quarantined: None,
            rejected: Duration::from_hours(7 * 24),
            rejections: 10_000,
            file_bytes: None,
        }
    }
}

/// The work of one sweep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Deliveries that are gone.
    pub forgotten: u64,
    /// Deliveries whose payload is gone.
    pub emptied: u64,
    /// True if there is more to look at now.
    pub more: bool,
}

/// The place that the sweeps of this process have reached.
#[derive(Debug, Clone, Default)]
struct Progress {
    /// Behind the old deliveries that have to stay.
    old: Option<Cursor>,
    /// Among the rejected requests that are too many, the last that was looked at.
    rejected: Option<DeliveryId>,
    /// The walk through the deliveries with files.
    files: Option<files::Walk>,
    /// The walk through each webhook's deliveries.
    walks: BTreeMap<String, Walk>,
}

/// A way through the deliveries of a webhook that are too many, newest first.
#[derive(Debug, Clone, Copy)]
struct Walk {
    began: Timestamp,
    /// The newest that it is about.
    from: DeliveryId,
    /// The last one that it has looked at; `None` at its end.
    at: Option<DeliveryId>,
    /// The newest of the walk before, which ended there.
    until: Option<DeliveryId>,
}

/// The part of the stage that forgets.
pub(crate) struct Sweeper {
    context: Arc<InboundContext>,
    endpoints: Arc<Endpoints>,
    progress: Mutex<Progress>,
}

impl Sweeper {
    pub(crate) fn new(context: Arc<InboundContext>, endpoints: Arc<Endpoints>) -> Self {
        Self { context, endpoints, progress: Mutex::default() }
    }

    /// See [`Stage::sweep`](crate::Stage::sweep).
    pub(crate) async fn sweep(&self, retention: &Retention) -> Result<Swept, px_store::Error> {
        let mut reached = self.progress.lock().await;
        // What a plan was about is passed over only once its commit is durable.
        let mut progress = reached.clone();
        let now = self.context.clock.now();
        let mut plan = Plan::default();
        self.too_old_rejections(retention, now, &mut progress, &mut plan).await?;
        if plan.is_empty() {
            self.too_old(retention, now, &mut progress, &mut plan).await?;
        }
        if plan.is_empty() {
            self.too_much_in_files(retention, now, &mut progress, &mut plan).await?;
        }
        if plan.is_empty() {
            for endpoint in self.endpoints.iter() {
                let slug = endpoint.def.slug.as_str();
                let ended = self.too_many(retention, now, slug, &mut progress, &mut plan).await?;
                plan.swept.more |= !ended;
                if !plan.is_empty() || !ended {
                    break;
                }
            }
        }
        if plan.is_empty() {
            *reached = progress;
            return Ok(plan.swept);
        }
        let swept = plan.commit(&self.context).await?;
        if swept.more {
            *reached = progress;
        }
        Ok(swept)
    }

    /// Rejected requests: nothing names them, so they may go before others. Those of
    /// believed senders, whose bodies could not be read, go by their age alone: strangers
    /// who send a lot push none of them out.
    async fn too_old_rejections(
        &self,
        retention: &Retention,
        now: Timestamp,
        progress: &mut Progress,
        plan: &mut Plan,
    ) -> Result<(), px_store::Error> {
        let list = DeliveryList::State(InboxState::Rejected);
        let (store, scope) = (&self.context.store, self.context.scope);
        let bound = DeliveryId::bound(before(now, retention.rejected));
        let mut ids = store.delivery_ids(scope, list, Some(bound), LOOKED_AT).await?;
        let are_old = !ids.is_empty();
        if !are_old {
            let newest = if progress.rejected.is_none() { retention.rejections } else { 0 };
            let most = newest.saturating_add(LOOKED_AT);
            ids = store.delivery_ids(scope, list, progress.rejected, most).await?;
            ids.drain(..newest.min(ids.len()));
            progress.rejected = ids.last().copied().filter(|_| ids.len() == LOOKED_AT);
        }
        plan.swept.more = ids.len() >= LOOKED_AT;
        for id in ids {
            match self.unless_damaged(id).await? {
                Some(Some(delivery)) if are_old || is_of_stranger(&delivery) => plan.forget(delivery),
                Some(None) => plan.unlist(id),
                _ => {}
            }
        }
        Ok(())
    }

    /// Deliveries before a moment, the oldest first.
    async fn too_old(
        &self,
        retention: &Retention,
        now: Timestamp,
        progress: &mut Progress,
        plan: &mut Plan,
    ) -> Result<(), px_store::Error> {
        let cutoff = before(now, retention.deliveries);
        let page = self
            .context
            .store
            .scan(self.context.scope, Table::Delivery, progress.old.as_ref(), OLD_PAGE)
            .await?;
        let mut reached = page.next.is_none();
        for row in page.rows {
            let Row::Delivery(delivery) = row else { continue };
            if delivery.id.made_at() >= cutoff {
                reached = true;
                break;
            }
            if self.may_go(retention, &delivery, now) && !self.has_reader(&delivery).await? {
                plan.forget(*delivery);
            }
        }
        // Deliveries that had to stay are passed over until the end; then all over again.
        progress.old = if reached { None } else { page.next };
        plan.swept.more |= !reached;
        Ok(())
    }

    /// Deliveries of a webhook beyond the number that keeps its payload. Returns
    /// true if there are no more of them.
    async fn too_many(
        &self,
        retention: &Retention,
        now: Timestamp,
        slug: &str,
        progress: &mut Progress,
        plan: &mut Plan,
    ) -> Result<bool, px_store::Error> {
        let list = DeliveryList::Webhook(slug);
        let known = progress.walks.get(slug).copied();
        let walk = match known {
            Some(walk) if walk.at.is_some() => walk,
            known => {
                let kept = self
                    .context
                    .store
                    .delivery_ids(self.context.scope, list, None, retention.payloads)
                    .await?;
                let from = match kept.last() {
                    Some(from) if kept.len() >= retention.payloads => *from,
                    // With none that may stay, all of them are too many.
                    None if retention.payloads == 0 => DeliveryId::bound(now.after(LOOK_AGAIN)),
                    _ => return Ok(true),
                };
                let fresh = known.filter(|walk| now.since(walk.began) < LOOK_AGAIN);
                Walk {
                    began: fresh.map_or(now, |walk| walk.began),
                    from,
                    at: Some(from),
                    until: fresh.map(|walk| walk.from),
                }
            }
        };
        let ids = self.context.store.delivery_ids(self.context.scope, list, walk.at, LOOKED_AT).await?;
        let mut ended = ids.len() < LOOKED_AT;
        let mut at = walk.at;
        for id in ids {
            if walk.until.is_some_and(|until| id < until) {
                ended = true;
                break;
            }
            at = Some(id);
            let Some(read) = self.unless_damaged(id).await? else { continue };
            match read {
                None => plan.unlist_of(id, slug),
                Some(delivery) if self.has_reader(&delivery).await? => {}
                Some(delivery) if self.may_go(retention, &delivery, now) => plan.forget(delivery),
                Some(delivery) if self.may_be_emptied(retention, &delivery, now) => {
                    plan.empty(delivery, || self.context.ids.version(now));
                }
                Some(_) => {}
            }
        }
        progress.walks.insert(slug.to_owned(), Walk { at: if ended { None } else { at }, ..walk });
        Ok(ended)
    }

    /// Reads a delivery; `None` if its row is damaged. Such a row stays where it is, as the audit names it, and
    /// keeps no other one from being swept.
    async fn unless_damaged(&self, id: DeliveryId) -> Result<Option<Option<Delivery>>, px_store::Error> {
        match self.context.store.delivery(self.context.scope, id).await {
            Err(error) if error.is_about_bytes() => Ok(None),
            read => read.map(Some),
        }
    }

    /// Returns the time for which ids of a webhook are remembered.
    fn remembered(&self, slug: &str) -> Duration {
        self.endpoints.get(slug).map_or(REMEMBERED, |endpoint| {
            let own = Duration::from_secs(endpoint.def.verification.remember_secs);
            own.max(endpoint.def.same_body_within.unwrap_or_default())
        })
    }

    /// Returns true if its ids may be forgotten.
    fn is_outlived(&self, delivery: &Delivery, now: Timestamp) -> bool {
        now.since(delivery.id.made_at()) > self.remembered(&delivery.slug)
    }

    /// Returns true if a run that has not ended may still read the delivery's files.
    async fn has_reader(&self, delivery: &Delivery) -> Result<bool, px_store::Error> {
        if delivery.files.is_empty() {
            return Ok(false);
        }
        let runs = delivery.events.iter().filter_map(|event| event.run);
        for run in runs.chain(delivery.holders.iter().copied()) {
            match self.context.store.run(self.context.scope, run).await {
                Ok(Some(record)) if !record.run.status.is_terminal() => return Ok(true),
                // Nobody can say that it has ended.
                Err(error) if error.is_about_bytes() => return Ok(true),
                Err(error) => return Err(error),
                Ok(_) => {}
            }
        }
        Ok(false)
    }

    fn may_go(&self, retention: &Retention, delivery: &Delivery, now: Timestamp) -> bool {
        !is_needed(retention, delivery, now)
            && (!delivery.events.iter().any(is_remembered) || self.is_outlived(delivery, now))
    }

    fn may_be_emptied(&self, retention: &Retention, delivery: &Delivery, now: Timestamp) -> bool {
        let is_bindable = has(delivery, InboxState::Late) || has(delivery, InboxState::Expired);
        !delivery.emptied
            && !is_needed(retention, delivery, now)
            && (!is_bindable || self.is_outlived(delivery, now))
    }
}

/// Returns true if something is still to be done with a delivery.
fn is_needed(retention: &Retention, delivery: &Delivery, now: Timestamp) -> bool {
    let is_old = |most| now.since(delivery.id.made_at()) > most;
    has(delivery, InboxState::Queued)
        || has(delivery, InboxState::Quarantined) && !retention.quarantined.is_some_and(is_old)
}

fn has(delivery: &Delivery, state: InboxState) -> bool {
    delivery.events.iter().any(|event| event.state == state)
}

fn before(now: Timestamp, time: Duration) -> Timestamp {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_sub(millis))
}
