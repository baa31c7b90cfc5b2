//! Operators' requests about a delivery: have it handled again, or give its
//! event to a run by hand. Both end in the same commit as everything else, and
//! one at a time, so that two operators do not do the same thing twice.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use px_core::run::{Command, Place, Response};
use px_core::{DeliveryId, EventId, KeyId, RunId, RunStatus};
use px_sdk::Received as Request;
use px_store::{BornClaimed, Contended, Delivery, DraftError, InboxEvent, InboxState, RoundError};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::accept::Acceptor;
use crate::answer::Answer;
use crate::by_hand;
use crate::context::InboundContext;
use crate::endpoint::Endpoint;
use crate::endpoints::Endpoints;
use crate::phases::{Parsed, Replayed};
use crate::quarantine::Quarantine;
use crate::redact::REDACTED;
use crate::rejections;
use crate::upload;
use crate::validate::Violation;
use crate::verify::{BodyError, Content};

/// Maximum number of times that a binding is tried while the run changes.
const ROUNDS: u32 = 100;

/// The cause for which an operator's request is not carried out. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperatorError {
    /// There is no such delivery.
    #[error("Delivery '{0}' not found")]
    NoDelivery(DeliveryId),
    /// There is no such run.
    #[error("Brain run '{0}' not found")]
    NoRun(RunId),
    /// The response is none that the run waits for.
    #[error("The response fits nothing that the run waits for")]
    Unfit(Vec<Violation>),
    /// The delivery, or the run, is not in a state for it.
    #[error("{0}")]
    Refused(String),
    /// The question that was to be answered is over, or has its answer.
    #[error("Brain run '{0}' does not wait any more for what this would have answered, so nothing was done")]
    Answered(RunId),
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

impl From<Contended> for OperatorError {
    fn from(_: Contended) -> Self {
        Self::TooManyRounds
    }
}

impl RoundError for OperatorError {
    fn may_be_stale(&self) -> bool {
        matches!(self, Self::Draft(error) if error.may_be_stale())
    }
}

/// A kept delivery, its request, and what the body says.
type ReadAgain = (Delivery, Arc<Request>, Content);

/// An event that was given to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// The event.
    pub event: EventId,
    /// The run that took it.
    pub run: RunId,
}

/// The part of the stage that serves operators.
pub(crate) struct Operator {
    context: Arc<InboundContext>,
    endpoints: Arc<Endpoints>,
    acceptor: Arc<Acceptor>,
    quarantine: Arc<Quarantine>,
    one_at_a_time: Mutex<()>,
}

impl Operator {
    pub(crate) fn new(
        context: Arc<InboundContext>,
        endpoints: Arc<Endpoints>,
        acceptor: Arc<Acceptor>,
        quarantine: Arc<Quarantine>,
    ) -> Self {
        Self { context, endpoints, acceptor, quarantine, one_at_a_time: Mutex::default() }
    }

    /// See [`Stage::replay`](crate::Stage::replay).
    pub(crate) async fn replay(&self, id: DeliveryId) -> Result<Answer, OperatorError> {
        let _one_at_a_time = self.one_at_a_time.lock().await;
        let parsed = self.parse_again(id).await?;
        Ok(match parsed.handle(&self.context).await {
            Ok(handled) => self.acceptor.accept(handled).await,
            Err(unhandled) => self.quarantine.keep(*unhandled).await,
        })
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Delivery, OperatorError> {
        let found = self.context.store.delivery(self.context.scope, id).await?;
        found.ok_or(OperatorError::NoDelivery(id))
    }

    /// Reads a kept delivery as if it had just been verified. One that has done nothing
    /// yet keeps its row, and its ids are asked for; any other one gets a new record.
    async fn parse_again(&self, id: DeliveryId) -> Result<Parsed<'_>, OperatorError> {
        let InboundContext { clock, ids, .. } = &*self.context;
        let old = self.delivery(id).await?;
        let has_done_nothing = check_replayable(&old)?;
        let refused = |why: String| Err(OperatorError::Refused(why));
        let Some(endpoint) = self.endpoints.get(&old.slug) else {
            return refused(format!("Webhook '{}' is not in this binary", old.slug));
        };
        let now = clock.now();
        let id = if has_done_nothing { old.id } else { ids.delivery(now) };
        let (old, request, content) = match self.read_again(endpoint, old, id).await? {
            Ok(read) => read,
            Err(error) => return refused(format!("The stored body cannot be read: {error}")),
        };
        // The query's token was not kept; the events' were.
        let tokens = old.events.iter().map(|event| event.token.clone()).collect();
        let replayed = Replayed { delivery: old.id, tokens, at: now };
        let mut delivery = Delivery { events: Vec::new(), ..old };
        if !has_done_nothing {
            delivery.verdict = format!("replay of {}: {}", delivery.id, delivery.verdict);
            (delivery.id, delivery.revision) = (id, 0);
            delivery.received_at = now;
            // They hold the files of the old one.
            delivery.holders = Vec::new();
        }
        Ok(Parsed::replayed(endpoint, request, content, delivery, replayed))
    }

    /// Reads the body of a kept delivery, whose files are those of the delivery `id` from
    /// here on: of another one they are written once more, so that each has its own.
    async fn read_again(
        &self,
        endpoint: &Endpoint,
        mut old: Delivery,
        id: DeliveryId,
    ) -> Result<Result<ReadAgain, BodyError>, OperatorError> {
        let mut request = as_received(&old);
        let read = match upload::limits(endpoint, &request, &self.context) {
            None => endpoint.verifier.parse(&request),
            // Its body could not be read, so it is there with all its files.
            Some(limits) if old.files.is_empty() => {
                match upload::read(endpoint, &request, &limits, id).await {
                    Ok((upload, read)) => {
                        (old.files, old.contents) = (upload.files, upload.contents);
                        (old.body, request.body) = (upload.rest.clone(), upload.rest);
                        read
                    }
                    Err(error) => Err(error),
                }
            }
            Some(limits) => {
                if id != old.id {
                    old.contents = upload::contents(&self.context, &old).await?;
                }
                upload::read_again(endpoint, &request, &limits, (id, &old.files))
            }
        };
        Ok(read.map(|content| (old, Arc::new(request), content)))
    }

    /// See [`Stage::answer`](crate::Stage::answer).
    pub(crate) async fn answer(
        &self,
        run: RunId,
        response: Value,
        (slug, asked): (Option<&str>, Option<Place>),
    ) -> Result<(), OperatorError> {
        let response = &response;
        let answered = self.context.transact(ROUNDS, |_| async move {
            let mut draft = self.context.draft(self.context.clock.now());
            let found = draft.run(run).await?.ok_or(OperatorError::NoRun(run))?;
            let place = by_hand::place(&self.endpoints, found, (slug, asked), response)
                .map_err(OperatorError::Unfit)?;
            // Without a place it would be kept, and taken for an answer to what the run asks next.
            if let Some(asked) = asked
                && place.is_none()
                && (found.status == RunStatus::Waiting
                    || found.waits.iter().all(|wait| wait.id != asked.wait))
            {
                return Err(OperatorError::Answered(run));
            }
            draft.command(run, Command::Answer { response: response.clone(), place }).await.map_err(
                |error| match error {
                    DraftError::Store(error) => OperatorError::Store(error),
                    other => OperatorError::Draft(other),
                },
            )?;
            Ok(draft.into_claiming_round(self.context.claimer.as_ref(), ()))
        });
        answered.await.map(BornClaimed::committed)
    }

    /// See [`Stage::bind`](crate::Stage::bind).
    pub(crate) async fn bind(&self, id: DeliveryId, run: RunId) -> Result<Binding, OperatorError> {
        let _one_at_a_time = self.one_at_a_time.lock().await;
        let bound = self.context.transact(ROUNDS, |_| async move {
            let delivery = self.delivery(id).await?;
            let event = bindable(&delivery)?.clone();
            let mut draft = self.context.draft(self.context.clock.now());
            let waits = draft.run(run).await?.ok_or(OperatorError::NoRun(run))?.waits.clone();
            let identifier = event.identifier.as_deref();
            let place = waits
                .iter()
                .flat_map(|wait| wait.registrations.iter().enumerate().map(move |place| (wait, place)))
                .filter(|(_, (_, registration))| *registration.key.slug == *delivery.slug)
                // The answer to one question is none to another.
                .filter(|(_, (_, registration))| {
                    registration.ask.is_none() || Some(&*registration.key.identifier) == identifier
                })
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
            let given = event.response.clone().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
            by_hand::check(&self.endpoints, registration, &given).map_err(OperatorError::Unfit)?;
            let response = Response {
                wait: wait.id,
                index: u32::try_from(index).unwrap_or(u32::MAX),
                key: Some(registration.key.clone()),
                event: Some(event.id),
                delivery: Some(id),
                response: given,
                test: event.test.clone(),
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
            Ok(draft.into_claiming_round(self.context.claimer.as_ref(), Binding { event: event.id, run }))
        });
        bound.await.map(BornClaimed::committed)
    }
}

/// Refuses a delivery that cannot be handled again. Returns whether none of its events
/// was handled before: all are in quarantine, or its body could not be read.
fn check_replayable(old: &Delivery) -> Result<bool, OperatorError> {
    let refused = |why: String| Err(OperatorError::Refused(why));
    let all = |state| !old.events.is_empty() && old.events.iter().all(|event| event.state == state);
    // One that could not be read is there with all its bytes, and may be read by now.
    if rejections::is_of_stranger(old) {
        return refused("The sender was not believed, so nothing was kept to replay".into());
    }
    if all(InboxState::Duplicate) {
        let original = old.events.iter().find_map(|event| event.original);
        let original = original.map(|id| format!(": replay the original, {id}")).unwrap_or_default();
        return refused(format!("The delivery is a duplicate{original}"));
    }
    if !old.events.is_empty() && old.events.iter().all(InboxEvent::is_superseded) {
        let reason = old.events.iter().find_map(|event| event.reason.as_deref()).unwrap_or_default();
        return refused(format!(
            "Another delivery did what this one was to do; it is {reason}: replay that one"
        ));
    }
    if old.emptied && all(InboxState::Rejected) {
        return refused(
            "Its body could not be read, and was too large to be kept: its sender has to send it again"
                .into(),
        );
    }
    if old.emptied {
        return refused("Its payload was dropped: there were more deliveries than are kept".into());
    }
    Ok(all(InboxState::Quarantined) || all(InboxState::Rejected))
}

/// Returns the event that can still be given to a run.
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

/// Returns the request as it came in, without the secrets that the inbox does not keep.
fn as_received(delivery: &Delivery) -> Request {
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
    Request {
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
