//! Accept: from the handler's events to one durable commit. Each round reads
//! the keys, routes by the rules of px-core, and commits delivery, dedup keys,
//! consumed waits, events and ready runs together. A lost precondition reads
//! and routes anew; it never fails the sender.

use std::collections::BTreeSet;
use std::sync::Arc;

use px_core::run::Catalog;
use px_core::{KeyId, Timestamp};
use px_store::{
    APART_FROM, Conflict, DedupRecord, Delivery, Draft, DraftError, InboxEvent, InboxState, StartIntent,
};
use tokio::sync::MutexGuard;

use crate::answer::{Action, Answer, Taken};
use crate::context::InboundContext;
use crate::dedup::{self, Known, Lookup};
use crate::phases::{Answered, Committed, Handled, Incoming, Occasion, Routed};
use crate::quarantine::{self, Quarantine, Trouble};
use crate::route::route;
use crate::turns::Turns;

/// Maximum number of rounds of one delivery before its sender is told to come
/// back. After the first conflict deliveries for one key take turns, so that
/// only runs that change at the same time can use these up.
const MAX_ROUNDS: usize = 100;

/// Number of events that are routed before others have their turn on the thread.
const EVENTS_AT_ONCE: usize = 64;

/// The cause for which a delivery is not taken in. Nothing is stored then.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AcceptError {
    #[error("the queue of {0} is full")]
    QueueFull(KeyId),
    #[error("the run changed too often")]
    TooManyRounds,
    #[error("another delivery has taken its place meanwhile")]
    Superseded,
    #[error("brain '{0}' is not registered")]
    UnknownBrain(String),
    #[error(transparent)]
    Draft(#[from] DraftError),
    #[error(transparent)]
    Store(#[from] px_store::Error),
}

/// The part of the stage that accepts.
pub(crate) struct Acceptor {
    context: Arc<InboundContext>,
    quarantine: Arc<Quarantine>,
    /// Keys that met a conflict, one delivery at a time.
    turns: Turns,
}

impl Acceptor {
    pub(crate) fn new(context: Arc<InboundContext>, quarantine: Arc<Quarantine>) -> Self {
        Self { context, quarantine, turns: Turns::default() }
    }

    /// Accepts a delivery, or quarantines one that starts a brain which this
    /// binary does not have, or refuses it for now.
    pub(crate) async fn accept(&self, handled: Handled<'_>) -> Answer {
        match self.commit(&handled).await {
            Ok(answered) => answered.into_answer(),
            // Rare, so that its room is not held by every request.
            Err(error) => Box::pin(self.not_accepted(handled, error)).await,
        }
    }

    async fn commit(&self, handled: &Handled<'_>) -> Result<Answered, AcceptError> {
        let mut known = Known::new(handled);
        let mut turn: Option<MutexGuard<'_, ()>> = None;
        for _ in 0..MAX_ROUNDS {
            let routed = match self.round(handled, &known).await {
                Ok(routed) => routed,
                // The key was read before another commit ended the wait, and the
                // run after it. The key says so by now.
                Err(AcceptError::Draft(
                    DraftError::Refused(_) | DraftError::NoRun(_) | DraftError::Unsettled(_),
                )) => {
                    known.asks = true;
                    tokio::task::yield_now().await;
                    continue;
                }
                Err(_) if !known.asks => {
                    known.asks = true;
                    continue;
                }
                Err(error) => return Err(error),
            };
            match routed.commit(&self.context).await? {
                Committed::Answered(answered) => return Ok(answered),
                Committed::Conflict(Conflict::Duplicate { provider_id, record, .. }) => {
                    known.learn(handled, provider_id, record);
                }
                Committed::Conflict(Conflict::Key(key)) => {
                    // Drop the old turn first: holding one while waiting for
                    // another could deadlock two deliveries with several events.
                    drop(turn.take());
                    turn = self.turns.take(&key).await;
                }
                // A replay of a delivery in quarantine, which a retry has meanwhile
                // taken the place of, or another replay.
                Committed::Conflict(Conflict::Delivery(id)) if id == handled.delivery.id => {
                    return Err(AcceptError::Superseded);
                }
                Committed::Conflict(_) => {}
            }
        }
        Err(AcceptError::TooManyRounds)
    }

    /// Routes each event of a delivery in a draft of its own.
    async fn round(&self, handled: &Handled<'_>, known: &Known) -> Result<Routed<'_>, AcceptError> {
        let Handled { endpoint, delivery, events, .. } = handled;
        let now = self.context.clock.now();
        let mut draft = self.context.draft(now);
        let trace = traceparent(delivery);
        let mut taken = Vec::with_capacity(events.len());
        let mut entries = Vec::with_capacity(events.len());
        let mut read = Vec::with_capacity(events.len());
        let mut seen = BTreeSet::new();
        for (place, event) in events.iter().enumerate() {
            // A large batch leaves others their turn.
            if place % EVENTS_AT_ONCE == EVENTS_AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
            let lookup = match &event.provider_id {
                Some(id) if !seen.insert(id.as_str()) => Lookup::Duplicate(dedup::repeated(delivery, now)),
                Some(id) => known.look_up(&self.context, handled, id, now).await?,
                None => Lookup::New(None),
            };
            let mut entry = entry(&*self.context.catalog, event, trace.as_deref(), now);
            entry.test.clone_from(&delivery.test);
            let (action, entry) = match lookup {
                Lookup::Duplicate(record) => {
                    read.push(None);
                    as_duplicate(record, entry)
                }
                Lookup::New(record) => {
                    read.push(record);
                    let decision = route(endpoint, &mut draft, event).await?;
                    let place = u32::try_from(place).ok().filter(|_| events.len() >= APART_FROM);
                    let from = (delivery.id, place);
                    decision.carry_out(&self.context, &mut draft, from, entry).await?
                }
            };
            taken.push(Taken { action, identifier: entry.identifier.clone() });
            entries.push(entry);
        }
        let reply = events.iter().find_map(|event| event.raw.reply.as_ref());
        let answer = Answer::to_delivery(delivery.id, &taken, reply, &endpoint.def.verification.ack);
        dedup::remember(handled, &mut draft, &taken, read, &answer);
        self.supersede(handled, &mut draft).await?;
        let states = entries.iter().map(|entry| entry.state).collect();
        let mut record = Delivery { status: answer.status, events: entries, ..delivery.clone() };
        let repeats = |event: &Taken| matches!(event.action, Action::Duplicate(_));
        if !taken.is_empty() && taken.iter().all(repeats) {
            leave_to_original(&mut record);
        }
        draft.put_delivery(record);
        Ok(Routed { draft, answer, states })
    }

    /// Leaves to this delivery what was set aside under its ids, and what is
    /// still queued of a replayed one, so that no later replay or wait does it
    /// once more.
    async fn supersede(&self, handled: &Handled<'_>, draft: &mut Draft<'_>) -> Result<(), px_store::Error> {
        let slug = handled.endpoint.def.slug.as_str();
        let id = handled.delivery.id;
        // A failure lies there under the id of its delivery, since no handler has
        // said by then which events it brings.
        let of_events = handled.events.iter().filter_map(|event| event.provider_id.as_deref());
        for provider_id in of_events.chain(handled.provider_id.as_deref()) {
            quarantine::supersede(draft, slug, provider_id, id).await?;
        }
        let Occasion::Replay(old) = handled.occasion else { return Ok(()) };
        let Some(old) = self.context.store.delivery(self.context.scope, old).await? else { return Ok(()) };
        quarantine::leave(draft, &old).await?;
        for event in old.events.iter().filter(|event| old.id != id && event.state == InboxState::Queued) {
            let Some(identifier) = &event.identifier else { continue };
            if draft.unqueue(&KeyId::new(slug, identifier.as_str()), event.id).await? {
                draft.mark(old.id, event.id, |entry| entry.leave_to(id)).await?;
            }
        }
        Ok(())
    }

    /// Answers a delivery that could not be accepted. One that starts a brain
    /// which this binary does not have is quarantined, as for any other handler
    /// that fails; where a run waits none is started, so it may not come to that.
    async fn not_accepted(&self, handled: Handled<'_>, error: AcceptError) -> Answer {
        let slug = handled.endpoint.def.slug.as_str();
        let delivery = handled.delivery.id;
        match error {
            AcceptError::UnknownBrain(brain)
                if !matches!(
                    self.context.is_elsewhere(|member| member.brains.contains(&brain)).await,
                    Ok(false)
                ) =>
            {
                tracing::warn!(slug, %delivery, brain, "delivery refused: another build has the brain");
                Answer::unavailable("The delivery is for another build of this server, try again")
            }
            AcceptError::UnknownBrain(brain) => {
                let reason = format!(
                    "the handler starts a brain that is not registered: '{brain}' needs its `pub mod` and its \
                     `px::brain!(..)`"
                );
                self.quarantine.keep(handled.into_unhandled(Trouble::Failed(reason))).await
            }
            AcceptError::QueueFull(_) => {
                tracing::warn!(slug, %delivery, %error, "delivery refused");
                Answer::unavailable("Too many events are queued for this identifier")
            }
            AcceptError::Store(error) | AcceptError::Draft(DraftError::Store(error)) => {
                tracing::error!(slug, %delivery, %error, "delivery refused");
                Answer::not_stored(&error)
            }
            error => {
                tracing::error!(slug, %delivery, %error, "delivery refused");
                Answer::unavailable("The delivery could not be stored, try again")
            }
        }
    }
}

/// Returns an event's entry in the inbox before anything is decided about it.
fn entry(catalog: &dyn Catalog, event: &Incoming, trace: Option<&str>, now: Timestamp) -> InboxEvent {
    InboxEvent {
        provider_id: event.provider_id.clone(),
        identifier: event.raw.identifier.clone(),
        token: event.raw.token.clone(),
        response: event.raw.response.clone(),
        start: event.raw.start.as_ref().map(|(brain, input)| StartIntent {
            brain: brain.clone(),
            input: input.clone(),
            traceparent: trace.map(str::to_owned),
            version: catalog.version(brain),
        }),
        reason: event.raw.ignored.clone(),
        ..InboxEvent::new(event.id, InboxState::Ignored, now)
    }
}

/// Drops the bytes of a delivery that repeats another one, which has the same. One whose files lie in the store
/// already keeps all that it has: what names them is what lets them go with it.
fn leave_to_original(record: &mut Delivery) {
    if record.revision == 0 || record.files.is_empty() {
        record.body = bytes::Bytes::new();
        (record.files, record.contents) = (Vec::new(), Vec::new());
    }
}

fn as_duplicate(record: DedupRecord, mut entry: InboxEvent) -> (Action, InboxEvent) {
    entry.state = InboxState::Duplicate;
    entry.original = Some(record.delivery);
    entry.run = record.run;
    (entry.response, entry.start) = (None, None);
    (Action::Duplicate(record), entry)
}

/// Returns the trace that a delivery belongs to (W3C Trace Context).
fn traceparent(delivery: &Delivery) -> Option<String> {
    let (_, header) = delivery.headers.iter().find(|(name, _)| name == "traceparent")?;
    px_core::trace::parent(header).map(str::to_owned)
}
