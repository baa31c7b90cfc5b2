//! Quarantine: deliveries that did not get as far as a route are kept, to be
//! looked at and replayed. A provider's retry takes the place of the delivery
//! before it, so that no replay does once more what a retry has done. The one
//! before is found in the store, by its provider's id, in the draft that takes
//! its place: so it makes no difference which process has set it aside.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use px_core::DeliveryId;
use px_sdk::Received as Request;
use px_store::{
    Conflict, DedupRecord, Delivery, DeliveryFilter, Draft, Error, InboxEvent, InboxState, Round, SetAside,
};
use tokio::sync::OnceCell;

use crate::answer::{Action, Answer, Taken};
use crate::context::InboundContext;
use crate::dedup;
use crate::endpoint::Endpoint;
use crate::metrics;
use crate::phases::{ProviderIds, Unhandled, id_of_several};
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
/// if there is one. The commit fails if another one is there by then.
pub(crate) async fn supersede(
    draft: &mut Draft<'_>,
    slug: &str,
    provider_id: &str,
    by: DeliveryId,
) -> Result<(), px_store::Error> {
    // Demanded, or a failure that comes there meanwhile would stay replayable.
    if let Some(earlier) = draft.demand_set_aside(slug, provider_id).await? {
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
        let Unhandled { endpoint, mut delivery, ids, trouble } = unhandled;
        let id = delivery.id;
        let slug = endpoint.def.slug.as_str();
        let (answer, reason, is_understood) = match trouble {
            Trouble::Stuck(stuck) => return stuck.answer(endpoint),
            Trouble::Violations(violations) => {
                let reason = violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                let logged = reason.get(..reason.floor_char_boundary(MAX_LOGGED)).unwrap_or_default();
                tracing::warn!(slug, delivery = %id, reason = logged, "the payload does not fit the schema");
                let text = format!("The payload does not fit the schema of webhook '{slug}'");
                (Answer::violations(id, &text, &violations, endpoint.def.accepts_invalid), reason, false)
            }
            Trouble::Failed(reason) => {
                tracing::error!(slug, delivery = %id, reason, "the handler failed");
                (Answer::handler_failed(id), reason, true)
            }
        };
        delivery.status = answer.status;
        let received_at = delivery.received_at;
        let event = record::unrouted(&self.context.ids, InboxState::Quarantined, received_at, reason);
        let event = InboxEvent { provider_id: ids.delivery.clone(), ..event };
        match self.store(Failure { endpoint, delivery, event, ids, answer, is_understood }).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::error!(slug, %error, "a delivery could not be quarantined");
                Answer::not_stored(&error)
            }
        }
    }

    /// Stores a failure, and returns its answer.
    async fn store(&self, failure: Failure<'_>) -> Result<Answer, Error> {
        let failure = &failure;
        let id = failure.delivery.id;
        let stored = self.context.transact(ROUNDS, |lost| async move {
            // A retry has taken its place while it was replayed. Any other conflict
            // is with the one before it, which has changed or is another one by now,
            // or with one that has done the same meanwhile.
            if lost == Some(Conflict::Delivery(id)) {
                return Err(Error::Busy);
            }
            let mut draft = self.context.draft(failure.delivery.received_at);
            if failure.delivery.revision != 0
                && let Some(old) = self.context.store.delivery(self.context.scope, id).await?
            {
                leave(&mut draft, &old).await?;
            }
            let (delivery, answer) = match failure.done(&mut draft).await? {
                Some((provider_id, record)) => failure.as_duplicate(provider_id, record),
                None => failure.as_it_is(),
            };
            if let Some(provider_id) = &failure.ids.delivery {
                // A retry that fails again takes the place of the one before it.
                let quarantined = delivery.events.iter().find(|event| quarantined_id(event).is_some());
                let original = delivery.events.iter().find_map(|event| event.original);
                supersede(&mut draft, &delivery.slug, provider_id, original.unwrap_or(id)).await?;
                let record = quarantined.map(|event| SetAside { delivery: id, event: event.id });
                draft.put_set_aside(&delivery.slug, provider_id, record).await?;
            }
            let states: Vec<_> = delivery.events.iter().map(|event| event.state).collect();
            draft.put_delivery(delivery);
            Ok(draft.into_round((answer, states)))
        });
        let (answer, states) = stored.await?;
        states.into_iter().for_each(metrics::entered);
        Ok(answer)
    }
}

/// A delivery that did not get as far as a route, on its way to the inbox.
struct Failure<'a> {
    endpoint: &'a Endpoint,
    /// Without its event.
    delivery: Delivery,
    event: InboxEvent,
    ids: ProviderIds,
    answer: Answer,
    /// False if the payload does not fit: its sender is told so, whatever is done.
    is_understood: bool,
}

impl Failure<'_> {
    /// Returns the record of the first event, with its id, if all events of the
    /// delivery are done already: by a retry that was faster, or before a deploy
    /// that broke the handler. The draft demands what this has read.
    async fn done(&self, draft: &mut Draft<'_>) -> Result<Option<(String, DedupRecord)>, Error> {
        let mut first = None;
        for id in &self.ids.events {
            let Some(id) = id else { return Ok(None) };
            let Some(found) = self.known(draft, id).await? else { return Ok(None) };
            first.get_or_insert(found);
        }
        Ok(first)
    }

    /// Returns the record of one event. The handler may have made several of it,
    /// which one commit has remembered together.
    async fn known(&self, draft: &mut Draft<'_>, id: &str) -> Result<Option<(String, DedupRecord)>, Error> {
        for id in [id.to_owned(), id_of_several(id, 0)] {
            let known = draft.demand_dedup(&self.delivery.slug, &id).await?;
            let counts =
                |record: &DedupRecord| dedup::counts(&self.endpoint.def, record, self.delivery.received_at);
            if let Some(record) = known.filter(counts) {
                return Ok(Some((id, record)));
            }
        }
        Ok(None)
    }

    /// Returns the delivery and its answer where its events are not done.
    fn as_it_is(&self) -> (Delivery, Answer) {
        let delivery = Delivery { events: vec![self.event.clone()], ..self.delivery.clone() };
        (delivery, self.answer.clone())
    }

    /// Returns the delivery and its answer where its events are done: no replay
    /// may do them once more.
    fn as_duplicate(&self, provider_id: String, record: DedupRecord) -> (Delivery, Answer) {
        let (mut delivery, mut answer) = self.as_it_is();
        if delivery.revision == 0 {
            // The original has them.
            (delivery.files, delivery.contents) = (Vec::new(), Vec::new());
        }
        for event in &mut delivery.events {
            event.state = InboxState::Duplicate;
            (event.original, event.run) = (Some(record.delivery), record.run);
            event.provider_id = Some(provider_id.clone());
        }
        if self.is_understood {
            let taken = [Taken { action: Action::Duplicate(record), identifier: None }];
            answer = Answer::to_delivery(delivery.id, &taken, None, &self.endpoint.def.verification.ack);
            delivery.status = answer.status;
        }
        (delivery, answer)
    }
}
