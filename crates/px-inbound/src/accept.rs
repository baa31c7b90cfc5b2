//! Accept: from what a handler said to one durable commit. Reads each key
//! once, routes by the rules of px-core, and commits delivery, dedup keys,
//! consumed waits, events and ready runs together. A lost precondition reads
//! and routes anew; it never fails the sender (RULES 1).

use std::collections::BTreeSet;

use px_core::event::Cause;
use px_core::key::{Arrival, Route};
use px_core::run::{Command, Refusal, Response, Start};
use px_core::{EventId, KeyId, RunId, Timestamp};
use px_sdk::RawInbound;
use px_sdk::verify::Duplicates;
use px_store::{
    Admission, Conflict, DedupRecord, DedupWrite, Delivery, Draft, DraftError, InboxEvent, InboxState,
    Outcome, PinnedReply, QueuedEvent, StartIntent,
};
use serde_json::Value;

use crate::answer::{Action, Answer, Taken};
use crate::endpoint::Endpoint;
use crate::stage::Stage;

/// How often one delivery is routed anew before its sender is told to come
/// back. After the first conflict deliveries for one key take turns, so that
/// only runs that change at the same time can use these up.
const MAX_ROUNDS: usize = 100;

/// An event as the handler left it, with its id and the provider's.
pub(crate) struct Incoming {
    pub(crate) id: EventId,
    pub(crate) provider_id: Option<String>,
    pub(crate) raw: RawInbound,
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
    ) -> Result<Answer, AcceptError> {
        let mut known: Vec<(String, DedupRecord)> = Vec::new();
        let mut turn = None;
        for _ in 0..MAX_ROUNDS {
            let now = self.clock.now();
            let mut draft = Draft::new(&*self.store, &*self.catalog, &self.ids, self.scope, now);
            let mut taken = Vec::with_capacity(events.len());
            let mut entries = Vec::with_capacity(events.len());
            let mut seen = BTreeSet::new();
            for event in &events {
                let duplicate = match &event.provider_id {
                    Some(id) => self.known(endpoint, id, &known, &mut seen, &delivery, now).await?,
                    None => None,
                };
                let mut entry = self.entry(event, now);
                let action = match duplicate {
                    Some(record) => {
                        entry.state = InboxState::Duplicate;
                        entry.original = Some(record.delivery);
                        entry.run = record.run;
                        (entry.response, entry.start) = (None, None);
                        Action::Duplicate(record)
                    }
                    None => self.route(endpoint, &mut draft, &delivery, event, &mut entry).await?,
                };
                taken.push(Taken { action, identifier: entry.identifier.clone() });
                entries.push(entry);
            }
            let answer = self.answer(endpoint, &delivery, &events, &taken);
            remember(endpoint, &mut draft, &delivery, &events, &taken, &answer, now);
            let mut record = Delivery { status: answer.status, events: entries, ..delivery.clone() };
            if taken.iter().all(|event| matches!(event.action, Action::Duplicate(_))) {
                // The original has the same bytes.
                record.body = bytes::Bytes::new();
            }
            draft.put_delivery(record);
            match self.store.commit(draft.into_batch(), Admission::Refuse).await? {
                Outcome::Committed { .. } => return Ok(answer),
                Outcome::Conflict(Conflict::Duplicate { provider_id, record, .. }) => {
                    known.push((provider_id, record));
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

    /// The record under a provider's id: found by an earlier round, in the
    /// store, or in this very delivery.
    async fn known(
        &self,
        endpoint: &Endpoint,
        id: &str,
        known: &[(String, DedupRecord)],
        seen: &mut BTreeSet<String>,
        delivery: &Delivery,
        now: Timestamp,
    ) -> Result<Option<DedupRecord>, px_store::Error> {
        if !seen.insert(id.to_owned()) {
            let (delivery, at) = (delivery.id, now);
            return Ok(Some(DedupRecord { delivery, action: "repeated".into(), run: None, at, reply: None }));
        }
        if let Some((_, record)) = known.iter().find(|(other, _)| other == id) {
            return Ok(Some(record.clone()));
        }
        self.store.dedup(self.scope, &endpoint.def.slug, id).await
    }

    fn entry(&self, event: &Incoming, now: Timestamp) -> InboxEvent {
        InboxEvent {
            id: event.id,
            state: InboxState::Ignored,
            since: now,
            provider_id: event.provider_id.clone(),
            identifier: event.raw.identifier.clone(),
            token: event.raw.token.clone(),
            response: event.raw.response.clone(),
            start: event
                .raw
                .start
                .as_ref()
                .map(|(brain, input)| StartIntent { brain: brain.clone(), input: input.clone() }),
            run: None,
            wait: None,
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
                    let run = self.start(draft, intent, event.id, None).await?;
                    (entry.state, entry.run) = (InboxState::Started, Some(run));
                    Ok(Action::Triggered(run))
                }
                None => Ok(Action::Ignored { token: None }),
            };
        };
        let key = KeyId::new(endpoint.def.slug.as_str(), identifier.as_str());
        let arrival = Arrival {
            token: event.raw.token.as_deref(),
            resumes: true,
            starts: entry.start.is_some(),
            early: endpoint.def.early,
            queue_limit: endpoint.def.queue_limit,
            at: draft.now(),
        };
        let route = draft.key(&key).await?.route(&arrival);
        match route {
            Route::Resume(wait) => {
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
                        entry.state = InboxState::Resumed;
                        (entry.run, entry.wait) = (Some(wait.run), Some(wait.wait));
                        Ok(Action::Resumed(wait.run))
                    }
                    // Kept until the run resumes (RULES 9), however long that takes.
                    Err(DraftError::Refused(Refusal::Paused)) => {
                        self.enqueue(draft, &key, delivery, entry, None).await?;
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
                let run = self.start(draft, intent, event.id, Some(&key)).await?;
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

fn remember(
    endpoint: &Endpoint,
    draft: &mut Draft<'_>,
    delivery: &Delivery,
    events: &[Incoming],
    taken: &[Taken],
    answer: &Answer,
    now: Timestamp,
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
                    at: now,
                    reply,
                },
                force: false,
            });
        }
    }
}

fn empty() -> Value {
    Value::Object(serde_json::Map::new())
}
