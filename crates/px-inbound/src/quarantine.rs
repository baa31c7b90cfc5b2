//! Quarantine: deliveries that did not get as far as a route are kept, to be
//! looked at and replayed. A provider's retry takes the place of the delivery
//! before it, so that no replay does once more what a retry has done.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use px_sdk::Received as Request;
use px_store::{Delivery, DeliveryFilter, InboxEvent, InboxState, Outcome};
use tokio::sync::OnceCell;

use crate::answer::Answer;
use crate::context::InboundContext;
use crate::metrics;
use crate::phases::Unhandled;
use crate::record;
use crate::set_aside::{SetAside, SetAsides};
use crate::users::Stuck;
use crate::validate::Violation;

/// Maximum number of times that a delivery is written anew since the one that
/// it supersedes has changed meanwhile.
const MAX_ROUNDS: usize = 10;

/// Maximum number of quarantined deliveries of earlier processes that are known
/// to be superseded by their retries.
const SET_ASIDE_READ: usize = 1_000;

/// Number of these that are read at once: each comes with its body.
const SET_ASIDE_PAGE: usize = 16;

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
    known: SetAsides,
    is_read: OnceCell<()>,
}

impl Quarantine {
    pub(crate) fn new(context: Arc<InboundContext>) -> Self {
        Self { context, known: SetAsides::default(), is_read: OnceCell::new() }
    }

    /// Reads the deliveries that earlier processes have quarantined, once, so
    /// that their retries supersede them.
    pub(crate) async fn ready(&self) -> Result<(), px_store::Error> {
        self.is_read.get_or_try_init(|| Box::pin(self.read())).await.copied()
    }

    async fn read(&self) -> Result<(), px_store::Error> {
        let filter = DeliveryFilter { state: Some(InboxState::Quarantined), ..DeliveryFilter::default() };
        let (mut found, mut before) = (Vec::new(), None);
        while found.len() < SET_ASIDE_READ {
            let page =
                self.context.store.deliveries(self.context.scope, &filter, before, SET_ASIDE_PAGE).await?;
            found.extend(page.items.into_iter().map(|delivery| Delivery { body: Bytes::new(), ..delivery }));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        found.iter().rev().for_each(|delivery| self.known.remember(delivery));
        Ok(())
    }

    /// Returns the quarantined event under a provider's id.
    pub(crate) fn find(&self, slug: &str, provider_id: &str) -> Option<SetAside> {
        self.known.find(slug, provider_id)
    }

    /// Forgets events that are superseded.
    pub(crate) fn forget(&self, superseded: &[SetAside]) {
        self.known.forget(superseded);
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
        // A retry that fails again takes the place of the one before it.
        let earlier = provider_id.as_deref().and_then(|id| self.known.find(slug, id));
        delivery.events.push(InboxEvent { provider_id, ..event });
        let stored = delivery.clone();
        match self.store(delivery, earlier).await {
            Ok(()) => {
                self.known.remember(&stored);
                answer
            }
            Err(error) => {
                tracing::error!(slug, %error, "a delivery could not be quarantined");
                Answer::unavailable("The delivery could not be stored, try again")
            }
        }
    }

    async fn store(&self, delivery: Delivery, earlier: Option<SetAside>) -> Result<(), px_store::Error> {
        let id = delivery.id;
        let earlier = earlier.filter(|earlier| earlier.delivery != id);
        for _ in 0..MAX_ROUNDS {
            let mut draft = self.context.draft(delivery.received_at);
            if let Some(earlier) = &earlier {
                draft.mark(earlier.delivery, earlier.event, |entry| entry.leave_to(id)).await?;
            }
            draft.put_delivery(delivery.clone());
            // Only the earlier one can have changed meanwhile.
            if let Outcome::Committed { .. } = self.context.commit(draft).await? {
                delivery.events.iter().for_each(|event| metrics::entered(event.state));
                return Ok(());
            }
        }
        Err(px_store::Error::Busy)
    }
}
