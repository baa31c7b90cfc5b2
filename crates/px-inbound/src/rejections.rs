//! Requests whose sender was not believed: each is answered 401, and some leave
//! a record. These are so many a minute of one webhook, and few of them of one
//! sender, so that whoever forges a lot hides nobody else's trouble. And those of
//! believed senders whose body cannot be read: each leaves a record with all of
//! its bytes, since many providers never send again (docs/rules.md#53). The one
//! exception is a form with files that is larger than any other body may be: of
//! that the record says so, and the bytes are not kept.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use px_core::Timestamp;
use px_store::{Delivery, InboxState, Outcome};

use crate::answer::Answer;
use crate::context::InboundContext;
use crate::gate::neighbourhood;
use crate::metrics;
use crate::phases::{Received, Refused, Unreadable};
use crate::record::{self, micros};
use crate::redact;

/// Maximum numbers of rejected requests that leave a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RejectionLimits {
    /// Records of one webhook in a minute.
    pub per_webhook: u32,
    /// Of these, records of one address. The table of addresses is as small as
    /// the records are few.
    pub per_sender: u32,
}

impl Default for RejectionLimits {
    fn default() -> Self {
        Self { per_webhook: 60, per_sender: 10 }
    }
}

/// Beginning of the reason of a delivery whose body cannot be read; whoever tells
/// its story knows it by that.
const UNREADABLE: &str = "unreadable: ";

/// Beginning of the verdict on a request whose sender was not believed.
const REJECTED: &str = "rejected: ";

/// Returns true for the record of a request whose sender was not believed; the record
/// of a believed sender's delivery that cannot be read is none.
pub(crate) fn is_of_stranger(delivery: &Delivery) -> bool {
    delivery.verdict.starts_with(REJECTED)
}

/// The length of the window.
const WINDOW: Duration = Duration::from_secs(60);

/// The part of the stage that answers rejected requests.
pub(crate) struct Rejections {
    context: Arc<InboundContext>,
    budget: Budget,
}

impl Rejections {
    pub(crate) fn new(context: Arc<InboundContext>, limits: RejectionLimits) -> Self {
        Self { context, budget: Budget::new(limits) }
    }

    /// Answers 401, and keeps a record of it while there are not too many.
    pub(crate) async fn reject(&self, refused: Refused<'_>) -> Answer {
        let Refused { received: Received { endpoint, request, watch, test }, refusal } = refused;
        let slug = endpoint.def.slug.as_str();
        let answer = Answer::unauthorized(refusal.caller_text());
        let sender = self.context.urls.client(request.remote.ip(), &request.headers);
        if !self.budget.try_record(slug, sender, request.at) {
            return answer;
        }
        tracing::warn!(slug, remote = %request.remote, class = refusal.class(), "rejected: {refusal}");
        let ids = &self.context.ids;
        let verdict = format!("{REJECTED}{}", refusal.class());
        let mut delivery = record::delivery(ids.delivery(request.at), endpoint, &request, verdict);
        delivery.body = bytes::Bytes::new();
        redact::cut(&mut delivery.target, &mut delivery.headers);
        delivery.status = answer.status;
        (delivery.took_us, delivery.test) = (micros(watch), test);
        delivery.events.push(record::unrouted(ids, InboxState::Rejected, request.at, refusal.to_string()));
        self.record(slug, delivery).await;
        answer
    }

    /// Keeps a delivery whose body cannot be read, and answers it.
    pub(crate) async fn keep_unreadable(&self, unreadable: Unreadable<'_>) -> Answer {
        let Unreadable { endpoint, mut delivery, error } = unreadable;
        let slug = endpoint.def.slug.as_str();
        let answer = Answer::unreadable(error.kind(), &error.to_string());
        let answer = Answer { action: Some("rejected"), delivery: Some(delivery.id), ..answer };
        let id = delivery.id;
        tracing::warn!(slug, delivery = %id, status = answer.status, "a delivery cannot be read: {error}");
        delivery.status = answer.status;
        let (at, reason) = (delivery.received_at, format!("{UNREADABLE}{error}"));
        delivery.events.push(record::unrouted(&self.context.ids, InboxState::Rejected, at, reason));
        self.record(slug, delivery).await;
        answer
    }

    /// Writes the record of a rejected delivery. Its sender is answered the same
    /// if that fails.
    async fn record(&self, slug: &str, delivery: Delivery) {
        let mut draft = self.context.draft(delivery.received_at);
        draft.put_delivery(delivery);
        match self.context.commit(draft).await {
            Ok(Outcome::Committed { .. }) => metrics::entered(InboxState::Rejected),
            Ok(Outcome::Conflict(conflict)) => {
                tracing::warn!(slug, ?conflict, "a rejected request could not be recorded");
            }
            Err(error) => tracing::warn!(slug, %error, "a rejected request could not be recorded"),
        }
    }
}

#[derive(Debug, Default)]
struct Budget {
    limits: RejectionLimits,
    recorded: Mutex<BTreeMap<String, Recorded>>,
}

#[derive(Debug, Default)]
struct Recorded {
    since: Timestamp,
    total: u32,
    by_sender: HashMap<IpAddr, u32>,
}

impl Budget {
    fn new(limits: RejectionLimits) -> Self {
        Self { limits, recorded: Mutex::default() }
    }

    /// Counts a rejection against the budget. Returns false if it leaves no record any more.
    fn try_record(&self, slug: &str, sender: IpAddr, now: Timestamp) -> bool {
        let mut webhooks = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        let recorded = webhooks.entry(slug.to_owned()).or_default();
        if now.since(recorded.since) >= WINDOW || now < recorded.since {
            *recorded = Recorded { since: now, ..Recorded::default() };
        }
        let sender = neighbourhood(sender);
        let own = recorded.by_sender.get(&sender).copied().unwrap_or(0);
        if recorded.total >= self.limits.per_webhook || own >= self.limits.per_sender {
            return false;
        }
        recorded.total += 1;
        recorded.by_sender.insert(sender, own + 1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sender_leaves_room_for_others_and_all_together_leave_few() {
        let rejections = Budget::new(RejectionLimits::default());
        let now = Timestamp::from_millis(1_000_000);
        let count = |sender: u32, at| {
            let sender = IpAddr::V4(std::net::Ipv4Addr::from_bits(sender));
            (0..1_000).filter(|_| rejections.try_record("a", sender, at)).count()
        };
        assert_eq!(count(1, now), 10);
        // One customer's network of IPv6 is one sender.
        let v6 = (0..1_000u128).filter(|n| {
            let sender = IpAddr::V6(std::net::Ipv6Addr::from_bits((0x2001_0db8 << 96) + n));
            rejections.try_record("b", sender, now)
        });
        assert_eq!(v6.count(), 10);
        assert_eq!((2..100).map(|sender| count(sender, now)).sum::<usize>(), 50);
        assert_eq!(count(1, now.after(WINDOW)), 10);
        assert!(rejections.recorded.lock().unwrap()["a"].by_sender.len() <= 60);
    }
}
