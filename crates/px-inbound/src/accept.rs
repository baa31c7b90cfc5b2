//! Accept: from what a handler said to one durable commit. Reads each key
//! once, routes by the rules of px-core, and commits delivery, dedup keys,
//! consumed waits, events and ready runs together. A lost precondition reads
//! and routes anew; it never fails the sender (RULES 1).

use std::collections::BTreeSet;

use px_core::event::Cause;
use px_core::key::{Arrival, Route};
use px_core::run::{Command, Refusal, Response, Start};
use px_core::wait::WaitMode;
use px_core::{DeliveryId, EventId, KeyId, RunId, Timestamp};
use px_sdk::RawInbound;
use px_sdk::verify::Duplicates;
use px_store::{
    Admission, Conflict, DedupRecord, DedupWrite, Delivery, Draft, DraftError, InboxEvent, InboxState,
    Outcome, PinnedReply, QueuedEvent, StartIntent,
};
use serde_json::Value;

use crate::answer::{Action, Answer, Taken};
use crate::endpoint::Endpoint;
use crate::metrics;
use crate::set_aside::SetAside;
use crate::stage::Stage;

/// How often one delivery is routed anew before its sender is told to come
/// back. After the first conflict deliveries for one key take turns, so that
/// only runs that change at the same time can use these up.
const MAX_ROUNDS: usize = 100;

/// How many of the runs that waited too are told of.
const MAX_PASSED: usize = 8;

/// An event as the handler left it, with its id and the provider's.
pub(crate) struct Incoming {
    pub(crate) id: EventId,
    pub(crate) provider_id: Option<String>,
    pub(crate) raw: RawInbound,
}

/// Why a delivery is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// A sender sent it.
    Arrival,
    /// An operator has this one replayed, which skips dedup (RULES 20).
    Replay(DeliveryId),
}

/// Why a delivery is not taken in. Nothing is stored then.
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

impl Stage {
    pub(crate) async fn accept(
        &self,
        endpoint: &Endpoint,
        delivery: Delivery,
        events: Vec<Incoming>,
        occasion: Occasion,
    ) -> Result<Answer, AcceptError> {
        // Where a record may run out, two equal bodies must not both find it so.
        let _alone = match endpoint.def.same_body_within {
            Some(_) => self.bodies.take(&KeyId::new(endpoint.def.slug.as_str(), "")).await,
            None => None,
        };
        let mut known: Vec<(String, DedupRecord)> = Vec::new();
        // The commit itself refuses what is known already. Only where that may not
        // be reached, or would come to another end, is it asked for beforehand.
        let mut asks = endpoint.def.same_body_within.is_some();
        let mut turn = None;
        let trace = traceparent(&delivery);
        'rounds: for _ in 0..MAX_ROUNDS {
            let now = self.clock.now();
            let mut draft = Draft::new(&*self.store, &*self.catalog, &self.ids, self.scope, now);
            let mut taken = Vec::with_capacity(events.len());
            let mut entries = Vec::with_capacity(events.len());
            let mut seen = BTreeSet::new();
            for event in &events {
                let duplicate = match &event.provider_id {
                    Some(id) if !seen.insert(id.clone()) => Some(repeated(&delivery, now)),
                    Some(id) if occasion == Occasion::Arrival => {
                        self.known(endpoint, id, &known, asks, now).await?
                    }
                    _ => None,
                };
                let mut entry = self.entry(event, trace.as_deref(), now);
                let action = match duplicate {
                    Some(record) => {
                        entry.state = InboxState::Duplicate;
                        entry.original = Some(record.delivery);
                        entry.run = record.run;
                        (entry.response, entry.start) = (None, None);
                        Action::Duplicate(record)
                    }
                    None => match self.route(endpoint, &mut draft, &delivery, event, &mut entry).await {
                        Ok(action) => action,
                        // The key was read before another commit ended the wait, and the
                        // run after it. The key says so by now.
                        Err(AcceptError::Draft(DraftError::Refused(_) | DraftError::NoRun(_))) => {
                            asks = true;
                            tokio::task::yield_now().await;
                            continue 'rounds;
                        }
                        Err(_) if !asks => {
                            asks = true;
                            continue 'rounds;
                        }
                        Err(error) => return Err(error),
                    },
                };
                taken.push(Taken { action, identifier: entry.identifier.clone() });
                entries.push(entry);
            }
            let answer = self.answer(endpoint, &delivery, &events, &taken);
            let force = occasion != Occasion::Arrival || endpoint.def.same_body_within.is_some();
            remember(endpoint, &mut draft, &delivery, &events, &taken, &answer, force);
            let superseded = self.supersede(endpoint, &mut draft, &delivery, &events, occasion).await?;
            let states: Vec<InboxState> = entries.iter().map(|entry| entry.state).collect();
            let mut record = Delivery { status: answer.status, events: entries, ..delivery.clone() };
            if taken.iter().all(|event| matches!(event.action, Action::Duplicate(_))) {
                // The original has the same bytes.
                record.body = bytes::Bytes::new();
            }
            draft.put_delivery(record);
            let born_claimed = draft.claim_ready(self.claimer.as_ref());
            match self.store.commit(draft.into_batch(), Admission::Refuse).await? {
                Outcome::Committed { .. } => {
                    born_claimed.committed();
                    states.into_iter().for_each(metrics::entered);
                    self.set_aside.forget(&superseded);
                    return Ok(answer);
                }
                Outcome::Conflict(Conflict::Duplicate { provider_id, record, .. }) => {
                    known.push((provider_id, record));
                    // Where one is known there may be more, of a batch that is sent again:
                    // a conflict for each of them would use up the rounds.
                    asks = true;
                }
                Outcome::Conflict(Conflict::Key(key)) => {
                    // Drop the old turn first: holding one while waiting for
                    // another could deadlock two deliveries with several events.
                    drop(turn.take());
                    turn = Some(self.turns.take(&key).await);
                }
                Outcome::Conflict(_) => {}
            }
        }
        Err(AcceptError::TooManyRounds)
    }

    /// The record under a provider's id: found by an earlier round or, if `asks`, in the store.
    async fn known(
        &self,
        endpoint: &Endpoint,
        id: &str,
        known: &[(String, DedupRecord)],
        asks: bool,
        now: Timestamp,
    ) -> Result<Option<DedupRecord>, px_store::Error> {
        if let Some((_, record)) = known.iter().find(|(other, _)| other == id) {
            return Ok(Some(record.clone()));
        }
        if !asks {
            return Ok(None);
        }
        let record = self.store.dedup(self.scope, &endpoint.def.slug, id).await?;
        let counts = |record: &DedupRecord| {
            endpoint.def.same_body_within.is_none_or(|window| now.since(record.at) < window)
        };
        Ok(record.filter(counts))
    }

    /// What was set aside or is replayed is done by this delivery, and not
    /// once more by a later replay or wait (RULES 17, 20).
    async fn supersede(
        &self,
        endpoint: &Endpoint,
        draft: &mut Draft<'_>,
        delivery: &Delivery,
        events: &[Incoming],
        occasion: Occasion,
    ) -> Result<Vec<SetAside>, px_store::Error> {
        let slug = endpoint.def.slug.as_str();
        let id = delivery.id;
        let mut superseded = Vec::new();
        for provider_id in events.iter().filter_map(|event| event.provider_id.as_deref()) {
            superseded
                .extend(self.set_aside.find(slug, provider_id).filter(|earlier| earlier.delivery != id));
        }
        for earlier in &superseded {
            draft.mark(earlier.delivery, earlier.event, |entry| entry.leave_to(id)).await?;
        }
        if let Occasion::Replay(old) = occasion
            && old != id
            && let Some(old) = self.store.delivery(self.scope, old).await?
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

    fn entry(&self, event: &Incoming, trace: Option<&str>, now: Timestamp) -> InboxEvent {
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

    async fn route(
        &self,
        endpoint: &Endpoint,
        draft: &mut Draft<'_>,
        delivery: &Delivery,
        event: &Incoming,
        entry: &mut InboxEvent,
    ) -> Result<Action, AcceptError> {
        if entry.reason.is_some() {
            return Ok(Action::Ignored { token: None });
        }
        let Some(identifier) = &event.raw.identifier else {
            return match &entry.start {
                Some(intent) => {
                    let run = Box::pin(self.start(draft, intent, event.id, None)).await?;
                    (entry.state, entry.run) = (InboxState::Started, Some(run));
                    Ok(Action::Triggered(run))
                }
                None => Ok(Action::Ignored { token: None }),
            };
        };
        let key = KeyId::new(endpoint.def.slug.as_str(), identifier.as_str());
        let arrival = Arrival {
            token: event.raw.token.as_deref(),
            starts: entry.start.is_some(),
            early: endpoint.def.early,
            queue_limit: endpoint.def.queue_limit,
            at: draft.now(),
        };
        let route = draft.key(&key).await?.route(&arrival);
        match route {
            Route::Resume(wait) => {
                let others = draft.key(&key).await?.waits.iter().map(|other| other.run);
                entry.passed = others.filter(|run| *run != wait.run).take(MAX_PASSED).collect();
                let response = Response {
                    wait: wait.wait,
                    index: wait.index,
                    key: Some(key.clone()),
                    event: Some(event.id),
                    delivery: Some(delivery.id),
                    response: event.raw.response.clone().unwrap_or_else(empty),
                };
                match draft.command(wait.run, Command::Respond(Box::new(response))).await {
                    Ok(()) => {
                        let run = draft.run(wait.run).await?;
                        let open = run.and_then(|run| run.wait(wait.wait));
                        if let Some(open) = open.filter(|open| open.mode != WaitMode::Stream) {
                            let (have, need) = (open.have(), open.need());
                            entry.state = InboxState::Collected;
                            (entry.run, entry.wait) = (Some(wait.run), Some(wait.wait));
                            return Ok(Action::Collected { run: wait.run, have, need });
                        }
                        entry.state = InboxState::Resumed;
                        (entry.run, entry.wait) = (Some(wait.run), Some(wait.wait));
                        Ok(Action::Resumed(wait.run))
                    }
                    Err(DraftError::Refused(refusal @ Refusal::NotDistinct)) => {
                        (entry.run, entry.reason) = (Some(wait.run), Some(refusal.to_string()));
                        entry.passed.clear();
                        Ok(Action::NotDistinct { run: wait.run })
                    }
                    // Kept until the run resumes (RULES 9) or has done with the
                    // stream's event before, however long that takes.
                    Err(DraftError::Refused(Refusal::Paused | Refusal::Busy)) => {
                        if draft.key(&key).await?.queued >= endpoint.def.queue_limit {
                            return Err(AcceptError::QueueFull(key));
                        }
                        self.enqueue(draft, &key, delivery, entry, None).await?;
                        entry.passed.clear();
                        entry.run = Some(wait.run);
                        Ok(Action::Queued(Some(wait.run)))
                    }
                    Err(error) => Err(error.into()),
                }
            }
            Route::WrongToken { run } => {
                (entry.run, entry.reason) = (Some(run), Some("token".into()));
                Ok(Action::Ignored { token: Some(run) })
            }
            Route::Start => {
                let Some(intent) = &entry.start else { return Ok(Action::Ignored { token: None }) };
                let run = Box::pin(self.start(draft, intent, event.id, Some(&key))).await?;
                (entry.state, entry.run) = (InboxState::Started, Some(run));
                Ok(Action::Triggered(run))
            }
            Route::Queue { owner } => {
                let expires = match owner {
                    Some(_) => None,
                    None => endpoint.def.early.map(|early| draft.now().after(early)),
                };
                self.enqueue(draft, &key, delivery, entry, expires).await?;
                entry.run = owner;
                Ok(Action::Queued(owner))
            }
            Route::Late(end) => {
                (entry.state, entry.run) = (InboxState::Late, Some(end.run));
                entry.reason = Some(format!("its wait was ended by {}", end.by.as_str()));
                Ok(Action::Late { run: end.run, by: end.by })
            }
            Route::NotKept => {
                entry.reason = Some("nobody waits, and the webhook keeps no event for later".into());
                Ok(Action::Ignored { token: None })
            }
            Route::Full => Err(AcceptError::QueueFull(key)),
        }
    }

    async fn enqueue(
        &self,
        draft: &mut Draft<'_>,
        key: &KeyId,
        delivery: &Delivery,
        entry: &mut InboxEvent,
        expires_at: Option<Timestamp>,
    ) -> Result<(), AcceptError> {
        entry.state = InboxState::Queued;
        let event = QueuedEvent {
            event: entry.id,
            delivery: delivery.id,
            token: entry.token.clone(),
            at: draft.now(),
            expires_at,
            starts: entry.start.is_some(),
        };
        Ok(draft.enqueue(key, event).await?)
    }

    async fn start(
        &self,
        draft: &mut Draft<'_>,
        intent: &StartIntent,
        event: EventId,
        key: Option<&KeyId>,
    ) -> Result<RunId, AcceptError> {
        let brain = self
            .catalog
            .brain(&intent.brain)
            .ok_or_else(|| AcceptError::UnknownBrain(intent.brain.clone()))?;
        let mut start = Start::of(brain, intent.input.clone(), Cause::Event(event));
        start.owns = key.cloned();
        start.traceparent.clone_from(&intent.traceparent);
        let run = draft.start(start).await?;
        if let Some(key) = key {
            draft.own(key, run).await?;
        }
        Ok(run)
    }

    fn answer(
        &self,
        endpoint: &Endpoint,
        delivery: &Delivery,
        events: &[Incoming],
        taken: &[Taken],
    ) -> Answer {
        let mut answer = Answer::accepted(delivery.id, taken);
        if let Some(reply) = events.iter().find_map(|event| event.raw.reply.as_ref()) {
            answer.status = reply.status;
            answer.content_type.clone_from(&reply.content_type);
            answer.body.clone_from(&reply.body);
        }
        let ack = &endpoint.def.verification.ack;
        if let Some(status) = ack.status {
            answer.status = status;
        }
        if let Some(body) = &ack.body {
            answer.content_type.clone_from(&body.content_type);
            answer.body.clone_from(&body.text);
        }
        // Where the provider insists, a duplicate gets the original's reply.
        if let [Taken { action: Action::Duplicate(record), .. }] = taken
            && let Some(reply) = &record.reply
        {
            answer.status = reply.status;
            answer.content_type.clone_from(&reply.content_type);
            answer.body.clone_from(&reply.body);
        }
        answer
    }
}

/// An id that this very delivery has brought before.
fn repeated(delivery: &Delivery, at: Timestamp) -> DedupRecord {
    DedupRecord { delivery: delivery.id, action: "repeated".into(), run: None, at, reply: None }
}

fn remember(
    endpoint: &Endpoint,
    draft: &mut Draft<'_>,
    delivery: &Delivery,
    events: &[Incoming],
    taken: &[Taken],
    answer: &Answer,
    force: bool,
) {
    let repeats = endpoint.def.verification.ack.duplicates == Duplicates::Repeat;
    for (event, taken) in events.iter().zip(taken) {
        if let (Some(id), false) = (&event.provider_id, matches!(taken.action, Action::Duplicate(_))) {
            let reply = repeats.then(|| PinnedReply {
                status: answer.status,
                content_type: answer.content_type.clone(),
                body: answer.body.clone(),
            });
            draft.put_dedup(DedupWrite {
                slug: endpoint.def.slug.clone(),
                provider_id: id.clone(),
                record: DedupRecord {
                    delivery: delivery.id,
                    action: taken.action.as_str().into(),
                    run: taken.action.run(),
                    at: draft.now(),
                    reply,
                },
                force,
            });
        }
    }
}

fn empty() -> Value {
    Value::Object(serde_json::Map::new())
}

/// The trace that a delivery belongs to (RULES 32).
fn traceparent(delivery: &Delivery) -> Option<String> {
    let (_, header) = delivery.headers.iter().find(|(name, _)| name == "traceparent")?;
    px_core::trace::parent(header).map(str::to_owned)
}
