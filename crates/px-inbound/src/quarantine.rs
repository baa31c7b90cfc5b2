//! Quarantine: deliveries that did not get as far as a route are kept, to be
//! looked at and replayed. A provider's retry takes the place of the delivery
//! before it, so that no replay does once more what a retry has done. The one
//! before is found in the store, by its provider's id, in the draft that takes
//! its place: so it makes no difference which process has set it aside.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use px_core::DeliveryId;
use px_sdk::Received as Request;
use px_store::{Conflict, Delivery, DeliveryFilter, Draft, Error, InboxEvent, InboxState, Round, SetAside};
use tokio::sync::OnceCell;

use crate::answer::Answer;
use crate::context::InboundContext;
use crate::metrics;
use crate::phases::Unhandled;
use crate::record;
use crate::users::Stuck;
use crate::validate::Violation;

/// Maximum number of times that a delivery is written anew since the one that
/// it supersedes has changed meanwhile.
const ROUNDS: u32 = 10;

/// Maximum number of quarantined deliveries that are looked at for the index.
const INDEXED: usize = 1_000;

/// Number of these that are read at once: each comes with its body.
const INDEX_PAGE: usize = 16;

/// Maximum length of the violations in the log, bytes; the inbox has them all.
const MAX_LOGGED: usize = 400;

/// The content type of a urlencoded form.
const FORM_TYPE: &str = "application/x-www-form-urlencoded";

/// The cause for which a delivery is not routed.
pub(crate) enum Trouble {
    /// The payload does not fit the schema, or the handler says that it cannot be.
    Violations(Vec<Violation>),
    /// The handler failed, in words.
    Failed(String),
    /// The handler gave no result in time; nothing is kept.
    Stuck(Stuck),
}

impl From<Stuck> for Trouble {
    fn from(stuck: Stuck) -> Self {
        Self::Stuck(stuck)
    }
}

impl Trouble {
    /// Adds to the violations of JSON that was sent as a form that it was read
    /// as one: curl's `-d` declares a form where it is told nothing else, and
    /// the fields that are there are then missing.
    pub(crate) fn of_a_form(self, request: &Request) -> Self {
        let Self::Violations(mut violations) = self else { return self };
        let declared =
            request.headers.get(CONTENT_TYPE).and_then(|line| line.to_str().ok()).unwrap_or_default();
        let is_form = declared.trim_start().to_ascii_lowercase().starts_with(FORM_TYPE);
        if is_form && matches!(request.body.trim_ascii_start().first(), Some(b'{' | b'[')) {
            let message = format!(
                "the body was read as a form, as its Content-Type says ({FORM_TYPE}); JSON is sent as \
                 application/json"
            );
            violations.insert(0, Violation { path: String::new(), message });
        }
        Self::Violations(violations)
    }
}

/// The part of the stage that keeps quarantined deliveries.
pub(crate) struct Quarantine {
    context: Arc<InboundContext>,
    is_indexed: OnceCell<()>,
}

/// Leaves to the delivery `by` the event in quarantine under a provider's id,
/// if there is one.
pub(crate) async fn supersede(
    draft: &mut Draft<'_>,
    slug: &str,
    provider_id: &str,
    by: DeliveryId,
) -> Result<(), px_store::Error> {
    if let Some(earlier) = draft.set_aside(slug, provider_id).await? {
        draft.put_set_aside(slug, provider_id, None).await?;
        if earlier.delivery != by {
            let leave = |entry: &mut InboxEvent| {
                // Taken in by a px without the index, it has left quarantine since.
                if entry.state == InboxState::Quarantined {
                    entry.leave_to(by);
                }
            };
            draft.mark(earlier.delivery, earlier.event, leave).await?;
        }
    }
    Ok(())
}

/// Takes a delivery, which is handled again, out of the index of quarantine:
/// its events may bring other ids now.
pub(crate) async fn leave(draft: &mut Draft<'_>, old: &Delivery) -> Result<(), px_store::Error> {
    for id in old.events.iter().filter_map(quarantined_id) {
        let found = draft.set_aside(&old.slug, id).await?;
        if found.is_some_and(|found| found.delivery == old.id) {
            draft.put_set_aside(&old.slug, id, None).await?;
        }
    }
    Ok(())
}

/// Returns the provider's id of an event in quarantine.
pub(crate) fn quarantined_id(event: &InboxEvent) -> Option<&str> {
    event.provider_id.as_deref().filter(|_| event.state == InboxState::Quarantined)
}

impl Quarantine {
    pub(crate) fn new(context: Arc<InboundContext>) -> Self {
        Self { context, is_indexed: OnceCell::new() }
    }

    /// Brings the deliveries into the index that a px without it has
    /// quarantined, once a process: the newest of them, so that their retries
    /// supersede them.
    pub(crate) async fn ready(&self) -> Result<(), px_store::Error> {
        self.is_indexed.get_or_try_init(|| Box::pin(self.index())).await.copied()
    }

    async fn index(&self) -> Result<(), px_store::Error> {
        let InboundContext { store, scope, .. } = &*self.context;
        let filter = DeliveryFilter { state: Some(InboxState::Quarantined), ..DeliveryFilter::default() };
        let (mut looked_at, mut before) = (0, None);
        while looked_at < INDEXED {
            let page = store.deliveries(*scope, &filter, before, INDEX_PAGE).await?;
            looked_at += page.items.len();
            self.index_page(&page.items).await?;
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Indexes deliveries, the newest first: an older one of the same id finds
    /// that one there.
    async fn index_page(&self, deliveries: &[Delivery]) -> Result<(), px_store::Error> {
        // If other processes change them in each round, this request is answered
        // 503, and the next one builds the index anew.
        let indexed = self.context.transact(ROUNDS, |_| async move {
            let mut draft = self.context.draft(self.context.clock.now());
            let mut is_new = false;
            for delivery in deliveries {
                for event in &delivery.events {
                    let Some(id) = quarantined_id(event) else { continue };
                    let indexed = draft.set_aside(&delivery.slug, id).await?;
                    if let Some(found) = indexed
                        && self.is_quarantined(delivery, found).await?
                    {
                        continue;
                    }
                    // Written as it is: the commit fails if it leaves quarantine meanwhile.
                    let state = draft.mark(delivery.id, event.id, |entry| entry.state).await?;
                    if state == Some(InboxState::Quarantined) {
                        let record = SetAside { delivery: delivery.id, event: event.id };
                        draft.put_set_aside(&delivery.slug, id, Some(record)).await?;
                        is_new = true;
                    }
                }
            }
            Ok::<_, Error>(if is_new { draft.into_round(()) } else { Round::Done(()) })
        });
        indexed.await
    }

    /// Returns true if an entry of the index still holds. A px without the index
    /// leaves the entries of deliveries that it takes in or forgets. `known` is a
    /// delivery that need not be read.
    async fn is_quarantined(&self, known: &Delivery, entry: SetAside) -> Result<bool, Error> {
        let is_it = |delivery: &Delivery| {
            let mut events = delivery.events.iter();
            events.any(|event| event.id == entry.event && event.state == InboxState::Quarantined)
        };
        if entry.delivery == known.id {
            return Ok(is_it(known));
        }
        let found = self.context.store.delivery(self.context.scope, entry.delivery).await?;
        Ok(found.as_ref().is_some_and(is_it))
    }

    /// Keeps a delivery, and answers it.
    pub(crate) async fn keep(&self, unhandled: Unhandled<'_>) -> Answer {
        let Unhandled { endpoint, mut delivery, provider_id, trouble } = unhandled;
        let id = delivery.id;
        let slug = endpoint.def.slug.as_str();
        let (answer, reason) = match trouble {
            Trouble::Stuck(stuck) => return stuck.answer(endpoint),
            Trouble::Violations(violations) => {
                let reason = violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                let logged = reason.get(..reason.floor_char_boundary(MAX_LOGGED)).unwrap_or_default();
                tracing::warn!(slug, delivery = %id, reason = logged, "the payload does not fit the schema");
                let text = format!("The payload does not fit the schema of webhook '{slug}'");
                (Answer::violations(id, &text, &violations, endpoint.def.accepts_invalid), reason)
            }
            Trouble::Failed(reason) => {
                tracing::error!(slug, delivery = %id, reason, "the handler failed");
                (Answer::handler_failed(id), reason)
            }
        };
        delivery.status = answer.status;
        let ids = &self.context.ids;
        let event = record::unrouted(ids, InboxState::Quarantined, delivery.received_at, reason);
        delivery.events.push(InboxEvent { provider_id, ..event });
        match self.store(delivery).await {
            Ok(()) => answer,
            Err(error) => {
                tracing::error!(slug, %error, "a delivery could not be quarantined");
                Answer::unavailable("The delivery could not be stored, try again")
            }
        }
    }

    async fn store(&self, delivery: Delivery) -> Result<(), px_store::Error> {
        let (id, delivery) = (delivery.id, &delivery);
        let stored = self.context.transact(ROUNDS, |lost| async move {
            // A retry has taken its place while it was replayed. Any other conflict
            // is with the one before it, which has changed or is another one by now.
            if lost == Some(Conflict::Delivery(id)) {
                return Err(Error::Busy);
            }
            let mut draft = self.context.draft(delivery.received_at);
            if delivery.revision != 0
                && let Some(old) = self.context.store.delivery(self.context.scope, id).await?
            {
                leave(&mut draft, &old).await?;
            }
            for event in &delivery.events {
                let Some(provider_id) = quarantined_id(event) else { continue };
                // A retry that fails again takes the place of the one before it.
                supersede(&mut draft, &delivery.slug, provider_id, id).await?;
                let record = SetAside { delivery: id, event: event.id };
                draft.put_set_aside(&delivery.slug, provider_id, Some(record)).await?;
            }
            draft.put_delivery(delivery.clone());
            Ok(draft.into_round(()))
        });
        stored.await?;
        delivery.events.iter().for_each(|event| metrics::entered(event.state));
        Ok(())
    }
}
