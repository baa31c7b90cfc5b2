//! What an operator does with a delivery: have it handled again, or give its
//! event to a run by hand. Both end in the same commit as everything else, and
//! one at a time, so that two operators do not do the same thing twice.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use px_core::run::{Command, Response};
use px_core::{DeliveryId, EventId, KeyId, RunId};
use px_sdk::Received;
use px_store::{Delivery, Draft, DraftError, InboxEvent, InboxState, Outcome};
use serde_json::Value;

use crate::accept::Occasion;
use crate::answer::Answer;
use crate::redact::REDACTED;
use crate::stage::Stage;

/// How often a binding is tried anew when the run changes meanwhile.
const MAX_ROUNDS: usize = 100;

/// Why an operator's request is not carried out. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperatorError {
    /// There is no such delivery.
    #[error("Delivery '{0}' not found")]
    NoDelivery(DeliveryId),
    /// There is no such run.
    #[error("Brain run '{0}' not found")]
    NoRun(RunId),
    /// The delivery, or the run, is not in a state for it.
    #[error("{0}")]
    Refused(String),
    /// The run changed too often meanwhile; try again.
    #[error("the run changed too often, try again")]
    TooManyRounds,
    /// The commit could not be made.
    #[error(transparent)]
    Draft(DraftError),
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] px_store::Error),
}

/// An event that was given to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// The event.
    pub event: EventId,
    /// The run that took it.
    pub run: RunId,
}

impl Stage {
    /// Runs the handler again on what was received, bytes and headers, without
    /// looking for duplicates (RULES 20). A quarantined delivery is done over
    /// in its own row; of any other one the replay is a delivery of its own,
    /// and what is still queued of the old one leaves the queue.
    ///
    /// The sender is not verified again: the verdict of the receipt counts.
    ///
    /// # Errors
    /// See [`OperatorError`]. A payload that still does not fit is an answer.
    pub async fn replay(&self, id: DeliveryId) -> Result<Answer, OperatorError> {
        let _one_at_a_time = self.operator.lock().await;
        let old = self.store.delivery(self.scope, id).await?.ok_or(OperatorError::NoDelivery(id))?;
        let refused = |why: String| Err(OperatorError::Refused(why));
        let all = |state| !old.events.is_empty() && old.events.iter().all(|event| event.state == state);
        if all(InboxState::Rejected) {
            return refused("The sender was not believed, so nothing was kept to replay".into());
        }
        if all(InboxState::Duplicate) {
            let original = old.events.iter().find_map(|event| event.original);
            let original = original.map(|id| format!(": replay the original, {id}")).unwrap_or_default();
            return refused(format!("The delivery is a duplicate{original}"));
        }
        if old.emptied {
            return refused("Its payload was dropped: there were more deliveries than are kept".into());
        }
        let Some(endpoint) = self.endpoint(&old.slug) else {
            return refused(format!("Webhook '{}' is not in this binary", old.slug));
        };
        let received = std::sync::Arc::new(as_received(&old));
        let payload = match endpoint.verifier.parse(&received) {
            Ok(payload) => payload,
            Err(error) => return refused(format!("The stored body cannot be read: {error}")),
        };
        let now = self.clock.now();
        let mut delivery = Delivery { events: Vec::new(), ..old.clone() };
        if !all(InboxState::Quarantined) {
            (delivery.id, delivery.revision) = (self.ids.delivery(now), 0);
            delivery.received_at = now;
            delivery.verdict = format!("replay of {id}: {}", old.verdict);
        }
        let provider_id = self.provider_id(endpoint, &received, &payload);
        match self.handle(endpoint, &received, payload, now).await {
            Ok(mut events) => {
                // The query's token was not kept; the event's was.
                for (event, before) in events.iter_mut().zip(&old.events) {
                    event.raw.token = event.raw.token.take().or_else(|| before.token.clone());
                }
                let (new, spare) = (delivery.id, self.spare(&delivery, &events));
                match self.accept(endpoint, delivery, events, Occasion::Replay(id)).await {
                    Ok(answer) => Ok(answer),
                    Err(error) => Ok(self.not_accepted(endpoint, new, error, spare, provider_id).await),
                }
            }
            Err(trouble) => Ok(self.quarantine(endpoint, delivery, trouble, provider_id).await),
        }
    }

    /// Gives a kept event of a delivery (queued, late or expired) to a run
    /// that waits on this webhook, whatever identifier and token it waits for.
    ///
    /// # Errors
    /// See [`OperatorError`].
    pub async fn bind(&self, id: DeliveryId, run: RunId) -> Result<Bound, OperatorError> {
        let _one_at_a_time = self.operator.lock().await;
        for _ in 0..MAX_ROUNDS {
            let delivery = self.store.delivery(self.scope, id).await?.ok_or(OperatorError::NoDelivery(id))?;
            let event = bindable(&delivery)?.clone();
            let mut draft = Draft::new(&*self.store, &*self.catalog, &self.ids, self.scope, self.clock.now());
            let waits = draft.run(run).await?.ok_or(OperatorError::NoRun(run))?.waits.clone();
            let identifier = event.identifier.as_deref();
            let place = waits
                .iter()
                .flat_map(|wait| wait.registrations.iter().enumerate().map(move |place| (wait, place)))
                .filter(|(_, (_, registration))| *registration.key.slug == *delivery.slug)
                .min_by_key(|(_, (_, registration))| Some(&*registration.key.identifier) != identifier);
            let Some((wait, (index, registration))) = place else {
                let slug = &delivery.slug;
                return Err(OperatorError::Refused(format!(
                    "Brain run '{run}' does not wait on webhook '{slug}'"
                )));
            };
            if event.state == InboxState::Queued
                && let Some(identifier) = identifier
            {
                draft.unqueue(&KeyId::new(delivery.slug.as_str(), identifier), event.id).await?;
            }
            let response = Response {
                wait: wait.id,
                index: u32::try_from(index).unwrap_or(u32::MAX),
                key: Some(registration.key.clone()),
                event: Some(event.id),
                delivery: Some(id),
                response: event.response.clone().unwrap_or_else(|| Value::Object(serde_json::Map::new())),
            };
            draft
                .mark(id, event.id, |entry| {
                    entry.state = InboxState::Resumed;
                    entry.run = Some(run);
                    entry.wait = Some(wait.id);
                    entry.reason = Some("bound by hand".into());
                })
                .await?;
            draft.command(run, Command::Respond(Box::new(response))).await.map_err(|error| match error {
                DraftError::Refused(refusal) => OperatorError::Refused(refusal.to_string()),
                DraftError::Store(error) => OperatorError::Store(error),
                other => OperatorError::Draft(other),
            })?;
            if let Outcome::Committed { .. } = self.commit(draft).await? {
                return Ok(Bound { event: event.id, run });
            }
        }
        Err(OperatorError::TooManyRounds)
    }
}

/// The event that can still be given to a run.
fn bindable(delivery: &Delivery) -> Result<&InboxEvent, OperatorError> {
    let kept = |event: &&InboxEvent| {
        matches!(event.state, InboxState::Queued | InboxState::Late | InboxState::Expired)
    };
    delivery.events.iter().find(kept).ok_or_else(|| {
        let states: Vec<&str> = delivery.events.iter().map(|event| event.state.as_str()).collect();
        OperatorError::Refused(format!(
            "Only a queued, late or expired event can be bound, and this delivery's is {}",
            states.join(", ")
        ))
    })
}

/// The request as it came in, without what the inbox does not keep.
fn as_received(delivery: &Delivery) -> Received {
    let mut headers = HeaderMap::new();
    for (name, value) in delivery.headers.iter().filter(|(_, value)| value != REDACTED) {
        let name = name.parse::<HeaderName>();
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            headers.append(name, value);
        }
    }
    let (path, query) = match delivery.target.split_once('?') {
        Some((path, query)) => {
            let kept: Vec<&str> = query.split('&').filter(|pair| !pair.ends_with(REDACTED)).collect();
            (path, Some(kept.join("&")))
        }
        None => (delivery.target.as_str(), None),
    };
    Received {
        method: delivery.method.parse().unwrap_or(Method::POST),
        path: path.to_owned(),
        query: query.filter(|query| !query.is_empty()),
        base: None,
        headers,
        body: delivery.body.clone(),
        remote: delivery
            .remote
            .parse()
            .unwrap_or_else(|_| SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0)),
        at: delivery.received_at,
    }
}
