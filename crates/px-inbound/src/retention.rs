//! How long the inbox keeps what: a sweep forgets deliveries that are too old,
//! and empties those that are too many. It does a bounded piece of work, in one
//! commit, and says whether there is more; whoever calls it sets the pace.
//!
//! What must stay stays, however old: an event that is queued (its owner may
//! live for months), what is quarantined until it is replayed or its provider's
//! retry was taken, and, as long as its provider's id is remembered, a late or
//! an expired event (RULES 6). A delivery outlives what is remembered under its
//! ids, so that no duplicate points nowhere; both go in one commit. A response
//! that a run took lives with the run's log (RULES 21).
//!
//! Tested in px-testkit's `tests/retention.rs`, in virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use px_core::{DeliveryId, KeyId, Timestamp};
use px_store::{
    Admission, Batch, Cursor, Delivery, DeliveryList, DeliveryWrite, ForgetWrite, Forgotten, InboxEvent,
    InboxState, Outcome, Row, Table,
};

use crate::stage::Stage;

/// How many deliveries one sweep looks at, at most.
const LOOKED_AT: usize = 64;

/// How many old deliveries are read at once, each with its body.
const OLD_PAGE: usize = 16;

/// What is remembered under ids of a webhook that this binary does not have.
const REMEMBERED: Duration = Duration::from_hours(7 * 24);

/// After this time, deliveries that were only emptied are looked at again.
const LOOK_AGAIN: Duration = Duration::from_hours(24);

/// How long, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// For how long a delivery is kept, and at least as long as its ids are
    /// remembered.
    pub deliveries: Duration,
    /// How many of one webhook keep their payload. An older one keeps its
    /// record for as long as something is remembered under its ids.
    pub payloads: usize,
    /// For how long a quarantined delivery is kept, if not until somebody
    /// replays it.
    pub quarantined: Option<Duration>,
    /// For how long the record of a rejected request is kept.
    pub rejected: Duration,
    /// How many of these there are.
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

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Deliveries that are gone.
    pub forgotten: u64,
    /// Deliveries whose payload is gone.
    pub emptied: u64,
    /// Whether there is more to look at now.
    pub more: bool,
}

/// Where the sweeps of this process are.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Behind the old deliveries that have to stay.
    old: Option<Cursor>,
    /// Of each webhook, how far too many were looked at.
    walks: BTreeMap<String, Walk>,
}

/// A way through the deliveries of a webhook that are too many, newest first.
#[derive(Debug, Clone, Copy)]
struct Walk {
    began: Timestamp,
    /// The newest that it is about.
    from: DeliveryId,
    /// How far it is; `None` at its end.
    at: Option<DeliveryId>,
    /// The newest of the walk before, which ended there.
    until: Option<DeliveryId>,
}

/// What one sweep is going to commit.
#[derive(Default)]
struct Plan {
    batch: Batch,
    slugs: BTreeSet<String>,
    swept: Swept,
    through: Option<DeliveryId>,
}

impl Stage {
    /// Forgets a bounded number of deliveries.
    ///
    /// # Errors
    /// The store could not be read or written; the next sweep does it.
    pub async fn sweep(&self, retention: &Retention) -> Result<Swept, px_store::Error> {
        let mut progress = self.sweeping.lock().await;
        let now = self.clock.now();
        let mut plan = Plan::default();
        self.too_old_rejections(retention, now, &mut plan).await?;
        if plan.is_empty() {
            self.too_old(retention, now, &mut progress, &mut plan).await?;
        }
        if plan.is_empty() {
            for slug in self.endpoints().map(|endpoint| endpoint.def.slug.clone()) {
                let ended = self.too_many(retention, now, &slug, &mut progress, &mut plan).await?;
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
            if self.endpoint(slug).is_some_and(|endpoint| endpoint.def.same_body_within.is_some()) {
                alone.push(self.bodies.take(&KeyId::new(slug.as_str(), "")).await);
            }
        }
        for write in &mut plan.batch.forget {
            let mut own = Vec::new();
            for id in std::mem::take(&mut write.provider_ids) {
                let known = self.store.dedup(self.scope, &write.slug, &id).await?;
                if known.is_some_and(|record| record.delivery == write.delivery) {
                    own.push(id);
                }
            }
            write.provider_ids = own;
        }
        let known = self.store.forgotten(self.scope).await?;
        if plan.swept.forgotten > 0 {
            // Nothing names a rejected request, so it moves no bound.
            let through = plan.through.unwrap_or_else(|| DeliveryId::bound(Timestamp::from_millis(0)));
            plan.batch.forgotten = Some(Forgotten {
                through: known.map_or(through, |known| known.through.max(through)),
                count: known.map_or(0, |known| known.count) + plan.swept.forgotten,
            });
        }
        plan.batch.scope = self.scope;
        match self.store.commit(plan.batch, Admission::Refuse).await? {
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
        let mut ids = self.store.delivery_ids(self.scope, list, Some(bound), LOOKED_AT).await?;
        if ids.is_empty() {
            let most = retention.rejections;
            ids = self.store.delivery_ids(self.scope, list, None, most.saturating_add(LOOKED_AT)).await?;
            ids.drain(..most.min(ids.len()));
        }
        plan.swept.more = ids.len() >= LOOKED_AT;
        for id in ids {
            match self.store.delivery(self.scope, id).await? {
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
        let page = self.store.scan(self.scope, Table::Delivery, progress.old.as_ref(), OLD_PAGE).await?;
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

    /// Deliveries of a webhook beyond the number that keeps its payload; whether
    /// there are no more of them.
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
                let kept = self.store.delivery_ids(self.scope, list, None, retention.payloads).await?;
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
        let ids = self.store.delivery_ids(self.scope, list, walk.at, LOOKED_AT).await?;
        let mut ended = ids.len() < LOOKED_AT;
        let mut at = walk.at;
        for id in ids {
            if walk.until.is_some_and(|until| id < until) {
                ended = true;
                break;
            }
            at = Some(id);
            match self.store.delivery(self.scope, id).await? {
                None => plan.unlist_of(id, slug),
                Some(delivery) if self.may_go(retention, &delivery, now) => plan.forget(delivery),
                Some(delivery) if self.may_be_emptied(retention, &delivery, now) => plan.empty(delivery),
                Some(_) => {}
            }
        }
        progress.walks.insert(slug.to_owned(), Walk { at: if ended { None } else { at }, ..walk });
        Ok(ended)
    }

    /// For how long what is remembered under ids of a webhook counts.
    fn remembered(&self, slug: &str) -> Duration {
        self.endpoint(slug).map_or(REMEMBERED, |endpoint| {
            let own = Duration::from_secs(endpoint.def.verification.remember_secs);
            own.max(endpoint.def.same_body_within.unwrap_or_default())
        })
    }

    /// Whether its ids may be forgotten.
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

/// Whether something is still to be done with it.
fn is_needed(retention: &Retention, delivery: &Delivery, now: Timestamp) -> bool {
    let is_old = |most| now.since(delivery.id.made_at()) > most;
    has(delivery, InboxState::Queued)
        || has(delivery, InboxState::Quarantined) && !retention.quarantined.is_some_and(is_old)
}

fn has(delivery: &Delivery, state: InboxState) -> bool {
    delivery.events.iter().any(|event| event.state == state)
}

/// Whether something is remembered under the event's id, or it is kept for as
/// long as that would be (RULES 6).
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
