//! Retention: a sweep forgets deliveries that are too old, and empties those
//! that are too many. It does a bounded piece of work, in one commit, and says
//! whether there is more; its caller sets the pace.
//!
//! Some deliveries stay, however old: those with an event that is queued (its
//! owner may live for months), those in quarantine until they are replayed or
//! their provider's retry was taken, and, as long as its provider's id is
//! remembered, a late or an expired event. A delivery outlives the record under
//! its ids, so that no duplicate points nowhere; both go in one commit. A
//! response that a run took lives with the run's log.
//!
//! Tested in px-testkit's `tests/retention.rs`, in virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use px_core::{DeliveryId, KeyId, Timestamp};
use px_store::{
    Batch, Cursor, Delivery, DeliveryList, DeliveryWrite, ForgetWrite, Forgotten, InboxEvent, InboxState,
    Outcome, Row, Table,
};
use tokio::sync::Mutex;

use crate::context::InboundContext;
use crate::endpoints::Endpoints;
use crate::turns::Turns;

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
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            deliveries: Duration::from_hours(30 * 24),
            payloads: 100_000,
            quarantined: None,
            rejected: Duration::from_hours(7 * 24),
            rejections: 10_000,
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
#[derive(Debug, Default)]
struct Progress {
    /// Behind the old deliveries that have to stay.
    old: Option<Cursor>,
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

/// The changes that one sweep is going to commit.
#[derive(Default)]
struct Plan {
    batch: Batch,
    slugs: BTreeSet<String>,
    swept: Swept,
    through: Option<DeliveryId>,
}

/// The part of the stage that forgets.
pub(crate) struct Sweeper {
    context: Arc<InboundContext>,
    endpoints: Arc<Endpoints>,
    bodies: Arc<Turns>,
    operator: Arc<Mutex<()>>,
    progress: Mutex<Progress>,
}

impl Sweeper {
    pub(crate) fn new(
        context: Arc<InboundContext>,
        endpoints: Arc<Endpoints>,
        bodies: Arc<Turns>,
        operator: Arc<Mutex<()>>,
    ) -> Self {
        Self { context, endpoints, bodies, operator, progress: Mutex::default() }
    }

    /// See [`Stage::sweep`](crate::Stage::sweep).
    pub(crate) async fn sweep(&self, retention: &Retention) -> Result<Swept, px_store::Error> {
        let mut progress = self.progress.lock().await;
        let now = self.context.clock.now();
        let mut plan = Plan::default();
        self.too_old_rejections(retention, now, &mut plan).await?;
        if plan.is_empty() {
            self.too_old(retention, now, &mut progress, &mut plan).await?;
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
            return Ok(plan.swept);
        }
        self.commit_sweep(plan).await
    }

    async fn commit_sweep(&self, mut plan: Plan) -> Result<Swept, px_store::Error> {
        // An operator's replay, and a body that comes again after its window,
        // write over what is remembered under an id.
        let _no_operator = self.operator.lock().await;
        let mut alone = Vec::new();
        for slug in &plan.slugs {
            if self.endpoints.get(slug).is_some_and(|endpoint| endpoint.def.same_body_within.is_some()) {
                alone.push(self.bodies.take(&KeyId::new(slug.as_str(), "")).await);
            }
        }
        for write in &mut plan.batch.forget {
            let mut own = Vec::new();
            for id in std::mem::take(&mut write.provider_ids) {
                let known = self.context.store.dedup(self.context.scope, &write.slug, &id).await?;
                if known.is_some_and(|record| record.delivery == write.delivery) {
                    own.push(id);
                }
            }
            write.provider_ids = own;
        }
        let known = self.context.store.forgotten(self.context.scope).await?;
        if plan.swept.forgotten > 0 {
            // Nothing names a rejected request, so it moves no bound.
            let through = plan.through.unwrap_or_else(|| DeliveryId::bound(Timestamp::from_millis(0)));
            plan.batch.forgotten = Some(Forgotten {
                through: known.map_or(through, |known| known.through.max(through)),
                count: known.map_or(0, |known| known.count) + plan.swept.forgotten,
            });
        }
        plan.batch.scope = self.context.scope;
        match self.context.commit_batch(plan.batch).await? {
            // What comes after this kind of piece was not looked at yet.
            Outcome::Committed { .. } => Ok(Swept { more: true, ..plan.swept }),
            // Somebody changed one of them; the next sweep reads it anew.
            Outcome::Conflict(_) => Ok(Swept { more: true, ..Swept::default() }),
        }
    }

    /// Rejected requests: nothing names them, so they may go before others.
    async fn too_old_rejections(
        &self,
        retention: &Retention,
        now: Timestamp,
        plan: &mut Plan,
    ) -> Result<(), px_store::Error> {
        let list = DeliveryList::State(InboxState::Rejected);
        let bound = DeliveryId::bound(before(now, retention.rejected));
        let mut ids =
            self.context.store.delivery_ids(self.context.scope, list, Some(bound), LOOKED_AT).await?;
        if ids.is_empty() {
            let most = retention.rejections;
            ids = self
                .context
                .store
                .delivery_ids(self.context.scope, list, None, most.saturating_add(LOOKED_AT))
                .await?;
            ids.drain(..most.min(ids.len()));
        }
        plan.swept.more = ids.len() >= LOOKED_AT;
        for id in ids {
            match self.context.store.delivery(self.context.scope, id).await? {
                Some(delivery) => plan.forget(delivery),
                None => plan.unlist(id),
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
            if self.may_go(retention, &delivery, now) {
                plan.forget(*delivery);
            }
        }
        // What had to stay is passed over until the end; then all over again.
        progress.old = if reached { None } else { page.next };
        plan.swept.more = !reached;
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
            match self.context.store.delivery(self.context.scope, id).await? {
                None => plan.unlist_of(id, slug),
                Some(delivery) if self.may_go(retention, &delivery, now) => plan.forget(delivery),
                Some(delivery) if self.may_be_emptied(retention, &delivery, now) => plan.empty(delivery),
                Some(_) => {}
            }
        }
        progress.walks.insert(slug.to_owned(), Walk { at: if ended { None } else { at }, ..walk });
        Ok(ended)
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

impl Plan {
    fn is_empty(&self) -> bool {
        self.batch.forget.is_empty() && self.batch.deliveries.is_empty()
    }

    fn forget(&mut self, delivery: Delivery) {
        let is_rejected = delivery.events.iter().all(|event| event.state == InboxState::Rejected);
        if !is_rejected {
            self.through = self.through.max(Some(delivery.id));
        }
        self.slugs.insert(delivery.slug.clone());
        self.swept.forgotten += 1;
        let identifiers: BTreeSet<String> =
            delivery.events.iter().filter_map(|event| event.identifier.clone()).collect();
        let ids = delivery.events.iter().filter(|event| is_remembered(event));
        let provider_ids: BTreeSet<String> = ids.filter_map(|event| event.provider_id.clone()).collect();
        self.batch.forget.push(ForgetWrite {
            delivery: delivery.id,
            revision: Some(delivery.revision),
            slug: delivery.slug,
            identifiers: identifiers.into_iter().collect(),
            provider_ids: provider_ids.into_iter().collect(),
        });
    }

    fn unlist(&mut self, id: DeliveryId) {
        self.unlist_of(id, "");
    }

    /// Takes an id out of the lists that still have it.
    fn unlist_of(&mut self, id: DeliveryId, slug: &str) {
        self.batch.forget.push(ForgetWrite {
            delivery: id,
            revision: None,
            slug: slug.to_owned(),
            identifiers: Vec::new(),
            provider_ids: Vec::new(),
        });
    }

    fn empty(&mut self, mut delivery: Delivery) {
        self.swept.emptied += 1;
        delivery.emptied = true;
        delivery.body = bytes::Bytes::new();
        delivery.headers.clear();
        for event in &mut delivery.events {
            (event.response, event.start) = (None, None);
        }
        self.batch.deliveries.push(DeliveryWrite { delivery, new: false });
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

/// Returns true if there is a record under the event's id, or the event is kept
/// for as long as one would be.
fn is_remembered(event: &InboxEvent) -> bool {
    use InboxState as S;
    match event.state {
        S::Late | S::Expired => true,
        S::Duplicate | S::Quarantined | S::Rejected => false,
        _ => event.provider_id.is_some(),
    }
}

fn before(now: Timestamp, time: Duration) -> Timestamp {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_sub(millis))
}
