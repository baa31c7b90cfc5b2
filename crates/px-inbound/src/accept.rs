//! Accept: from the handler's events to one durable commit. Each round reads
//! the keys, routes by the rules of px-core, and commits delivery, dedup keys,
//! consumed waits, events and ready runs together. A lost precondition reads
//! and routes anew; it never fails the sender.

use std::collections::BTreeSet;
use std::sync::Arc;

use px_core::{KeyId, Timestamp};
use px_store::{Conflict, DedupRecord, Delivery, Draft, DraftError, InboxEvent, InboxState, StartIntent};
use tokio::sync::MutexGuard;

use crate::answer::{Action, Answer, Taken};
use crate::context::InboundContext;
use crate::dedup;
use crate::phases::{Answered, Committed, Handled, Incoming, Occasion, Routed};
use crate::quarantine::{Quarantine, Trouble};
use crate::route::route;
use crate::set_aside::SetAside;
use crate::turns::Turns;

/// Maximum number of rounds of one delivery before its sender is told to come
/// back. After the first conflict deliveries for one key take turns, so that
/// only runs that change at the same time can use these up.
const MAX_ROUNDS: usize = 100;

/// The cause for which a delivery is not taken in. Nothing is stored then.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AcceptError {
    #[error("the queue of {0} is full")]
    QueueFull(KeyId),
    #[error("the run changed too often")]
    TooManyRounds,
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
    /// Deliveries whose body is their id, one at a time.
    bodies: Arc<Turns>,
}

/// The knowledge of earlier rounds about duplicates.
#[derive(Default)]
struct Known {
    records: Vec<(String, DedupRecord)>,
    /// The commit itself refuses what is known already. Only where that may not
    /// be reached, or would come to another end, is it asked for beforehand.
    asks: bool,
}

impl Acceptor {
    pub(crate) fn new(context: Arc<InboundContext>, quarantine: Arc<Quarantine>, bodies: Arc<Turns>) -> Self {
        Self { context, quarantine, turns: Turns::default(), bodies }
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
        let endpoint = handled.endpoint;
        // Where a record may run out, two equal bodies must not both find it so.
        let _alone = match endpoint.def.same_body_within {
            Some(_) => self.bodies.take(&KeyId::new(endpoint.def.slug.as_str(), "")).await,
            None => None,
        };
        let mut known = Known { records: Vec::new(), asks: endpoint.def.same_body_within.is_some() };
        let mut turn: Option<MutexGuard<'_, ()>> = None;
        for _ in 0..MAX_ROUNDS {
            let routed = match self.round(handled, &known).await {
                Ok(routed) => routed,
                // The key was read before another commit ended the wait, and the
                // run after it. The key says so by now.
                Err(AcceptError::Draft(DraftError::Refused(_) | DraftError::NoRun(_))) => {
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
                Committed::Answered(answered, superseded) => {
                    self.quarantine.forget(&superseded);
                    return Ok(answered);
                }
                Committed::Conflict(Conflict::Duplicate { provider_id, record, .. }) => {
                    known.records.push((provider_id, record));
                    // Where one is known there may be more, of a batch that is sent again:
                    // a conflict for each of them would use up the rounds.
                    known.asks = true;
                }
                Committed::Conflict(Conflict::Key(key)) => {
                    // Drop the old turn first: holding one while waiting for
                    // another could deadlock two deliveries with several events.
                    drop(turn.take());
                    turn = self.turns.take(&key).await;
                }
                Committed::Conflict(_) => {}
            }
        }
        Err(AcceptError::TooManyRounds)
    }

    /// Routes each event of a delivery in a draft of its own.
    async fn round(&self, handled: &Handled<'_>, known: &Known) -> Result<Routed<'_>, AcceptError> {
        let Handled { endpoint, delivery, events, occasion, .. } = handled;
        let now = self.context.clock.now();
        let mut draft = self.context.draft(now);
        let trace = traceparent(delivery);
        let mut taken = Vec::with_capacity(events.len());
        let mut entries = Vec::with_capacity(events.len());
        let mut seen = BTreeSet::new();
        for event in events {
            let duplicate = match &event.provider_id {
                Some(id) if !seen.insert(id.as_str()) => Some(dedup::repeated(delivery, now)),
                Some(id) if *occasion == Occasion::Arrival => self.known(handled, id, known, now).await?,
                _ => None,
            };
            let entry = entry(event, trace.as_deref(), now);
            let (action, entry) = match duplicate {
                Some(record) => as_duplicate(record, entry),
                None => {
                    let decision = route(endpoint, &mut draft, event).await?;
                    decision.carry_out(&self.context, &mut draft, delivery.id, entry).await?
                }
            };
            taken.push(Taken { action, identifier: entry.identifier.clone() });
            entries.push(entry);
        }
        let reply = events.iter().find_map(|event| event.raw.reply.as_ref());
        let answer = Answer::to_delivery(delivery.id, &taken, reply, &endpoint.def.verification.ack);
        dedup::remember(handled, &mut draft, &taken, &answer);
        let superseded = self.supersede(handled, &mut draft).await?;
        let states = entries.iter().map(|entry| entry.state).collect();
        let mut record = Delivery { status: answer.status, events: entries, ..delivery.clone() };
        if taken.iter().all(|event| matches!(event.action, Action::Duplicate(_))) {
            // The original has the same bytes.
            record.body = bytes::Bytes::new();
        }
        draft.put_delivery(record);
        Ok(Routed { draft, answer, states, superseded })
    }

    /// Returns the record under a provider's id: of an earlier round or, if that asks, of the store.
    async fn known(
        &self,
        handled: &Handled<'_>,
        id: &str,
        known: &Known,
        now: Timestamp,
    ) -> Result<Option<DedupRecord>, px_store::Error> {
        if let Some((_, record)) = known.records.iter().find(|(other, _)| other == id) {
            return Ok(Some(record.clone()));
        }
        if !known.asks {
            return Ok(None);
        }
        let def = &handled.endpoint.def;
        let record = self.context.store.dedup(self.context.scope, &def.slug, id).await?;
        let counts =
            |record: &DedupRecord| def.same_body_within.is_none_or(|window| now.since(record.at) < window);
        Ok(record.filter(counts))
    }

    /// Leaves to this delivery what was set aside under its ids, and what is
    /// still queued of a replayed one, so that no later replay or wait does it
    /// once more.
    async fn supersede(
        &self,
        handled: &Handled<'_>,
        draft: &mut Draft<'_>,
    ) -> Result<Vec<SetAside>, px_store::Error> {
        let slug = handled.endpoint.def.slug.as_str();
        let id = handled.delivery.id;
        let ids = handled.events.iter().filter_map(|event| event.provider_id.as_deref());
        let superseded: Vec<SetAside> = ids
            .filter_map(|provider_id| self.quarantine.find(slug, provider_id))
            .filter(|earlier| earlier.delivery != id)
            .collect();
        for earlier in &superseded {
            draft.mark(earlier.delivery, earlier.event, |entry| entry.leave_to(id)).await?;
        }
        if let Occasion::Replay(old) = handled.occasion
            && old != id
            && let Some(old) = self.context.store.delivery(self.context.scope, old).await?
        {
            for event in old.events.iter().filter(|event| event.state == InboxState::Queued) {
                let Some(identifier) = &event.identifier else { continue };
                if draft.unqueue(&KeyId::new(slug, identifier.as_str()), event.id).await? {
                    draft.mark(old.id, event.id, |entry| entry.leave_to(id)).await?;
                }
            }
        }
        Ok(superseded)
    }

    /// Answers a delivery that could not be accepted. One that starts a brain
    /// which this binary does not have is quarantined, as for any other handler
    /// that fails; where a run waits none is started, so it may not come to that.
    async fn not_accepted(&self, handled: Handled<'_>, error: AcceptError) -> Answer {
        let slug = handled.endpoint.def.slug.as_str();
        let delivery = handled.delivery.id;
        match error {
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
            error => {
                tracing::error!(slug, %delivery, %error, "delivery refused");
                Answer::unavailable("The delivery could not be stored, try again")
            }
        }
    }
}

/// Returns an event's entry in the inbox before anything is decided about it.
fn entry(event: &Incoming, trace: Option<&str>, now: Timestamp) -> InboxEvent {
    InboxEvent {
        id: event.id,
        state: InboxState::Ignored,
        since: now,
        provider_id: event.provider_id.clone(),
        identifier: event.raw.identifier.clone(),
        token: event.raw.token.clone(),
        response: event.raw.response.clone(),
        start: event.raw.start.as_ref().map(|(brain, input)| StartIntent {
            brain: brain.clone(),
            input: input.clone(),
            traceparent: trace.map(str::to_owned),
        }),
        run: None,
        wait: None,
        passed: Vec::new(),
        original: None,
        reason: event.raw.ignored.clone(),
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
