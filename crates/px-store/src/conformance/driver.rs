//! The acts of the suite and of the differential run on a store: each a commit that a
//! stage of px would make, at a time and with ids of the caller's choice.

use std::sync::Arc;

use bytes::Bytes;
use px_core::event::Cause;
use px_core::reminder::Reminder;
use px_core::run::{After, Catalog as _, Command, Response, Start, StepOutcome, Then};
use px_core::wait::{Registration, Wait, WaitMode};
use px_core::{DeliveryId, EventId, Ids, KeyId, RunId, Timestamp};
use serde_json::json;

use super::{AnyBrain, SCOPE, block_on};
use crate::batch::{DedupWrite, Outcome};
use crate::draft::Draft;
use crate::model::{DedupRecord, Delivery, InboxEvent, InboxState, QueuedEvent, Timer, TimerKind};
use crate::store::{Admission, Store};

/// The acts of the tests and of the differential run on a store: each a commit that a
/// stage of px would make, at a time and with ids of the caller's choice.
pub struct Driver {
    pub(super) store: Arc<dyn Store>,
    pub(super) ids: Ids,
    pub(super) now: u64,
    /// True if events that are queued lie apart from their deliveries.
    pub(super) lays_apart: bool,
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").field("now", &self.now).finish_non_exhaustive()
    }
}

impl Driver {
    /// Drives this store. Drivers of equal history make equal ids.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, ids: Ids::counted(0), now: 1_000_000, lays_apart: false }
    }

    pub(super) fn draft(&mut self) -> Draft<'_> {
        self.now += 1;
        Draft::new(&*self.store, &AnyBrain, &self.ids, SCOPE, Timestamp::from_millis(self.now))
    }

    pub(super) fn commit(&self, batch: crate::Batch) -> Outcome {
        block_on(self.store.commit(batch, Admission::Wait)).expect("the store takes a batch")
    }

    pub(super) fn start(&mut self, brain: &str) -> RunId {
        let mut draft = self.draft();
        let info = AnyBrain.brain(brain).expect("any brain");
        let run = block_on(draft.start(Start::of(info, json!({"n": 0}), Cause::Api))).expect("a start");
        let batch = draft.into_batch();
        assert!(matches!(self.commit(batch), Outcome::Committed { .. }));
        run
    }

    pub(super) fn command(&mut self, run: RunId, command: Command) -> Result<Outcome, String> {
        let mut draft = self.draft();
        block_on(draft.command(run, command)).map_err(|error| error.to_string())?;
        let batch = draft.into_batch();
        Ok(self.commit(batch))
    }

    /// Lets a run's step return, with labels, and come again.
    pub(super) fn label(&mut self, run: RunId, labels: &[(&str, &str)]) {
        let outcome = StepOutcome {
            state: json!({"n": 0}),
            after: After::Same,
            then: Then::Go,
            takes_kept: None,
            labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        };
        self.command(run, Command::BeginStep { index: 0 }).expect("the step begins");
        let returned = self.command(run, Command::ReturnStep(Box::new(outcome)));
        assert!(matches!(returned, Ok(Outcome::Committed { .. })));
    }

    /// Lets a timer ring: its row is removed in the commit of what it is for.
    pub(super) fn ring(&mut self, timer: &Timer) -> Result<Outcome, String> {
        let mut draft = self.draft();
        draft.remove_timer(timer.clone());
        let (run, command) = match timer.kind {
            TimerKind::Wait { wait, run } => (run, Command::TimeOut { wait }),
            TimerKind::Remind { wait, run } => (run, Command::Remind { wait }),
            _ => return Err("it is none of a wait".into()),
        };
        block_on(draft.command(run, command)).map_err(|error| error.to_string())?;
        let batch = draft.into_batch();
        Ok(self.commit(batch))
    }

    pub(super) fn wait_on(
        &mut self,
        run: RunId,
        keys: &[KeyId],
        timeout: Option<u64>,
    ) -> Result<Outcome, String> {
        let keys: Vec<_> = keys.iter().map(|key| (key.clone(), None)).collect();
        self.wait_with(run, &keys, timeout)
    }

    /// The same, where each key may come with the token that an event must bring.
    pub(super) fn wait_with(
        &mut self,
        run: RunId,
        keys: &[(KeyId, Option<String>)],
        timeout: Option<u64>,
    ) -> Result<Outcome, String> {
        let batch = self.wait_batch(run, keys, timeout)?;
        Ok(self.commit(batch))
    }

    /// The batch by which a run's step, which begins for it, returns a wait.
    pub(super) fn wait_batch(
        &mut self,
        run: RunId,
        keys: &[(KeyId, Option<String>)],
        timeout: Option<u64>,
    ) -> Result<crate::Batch, String> {
        self.command(run, Command::BeginStep { index: 0 })?;
        let opened_at = Timestamp::from_millis(self.now);
        let wait = Wait {
            id: self.ids.wait(opened_at),
            mode: WaitMode::Any,
            collected: Vec::new(),
            answered: Vec::new(),
            registrations: keys
                .iter()
                .map(|(key, token)| Registration {
                    key: key.clone(),
                    token: token.clone(),
                    schema: 0,
                    ask: None,
                })
                .collect(),
            opened_at,
            deadline: timeout.map(|after| Timestamp::from_millis(self.now + after)),
            fresh: false,
            picked: false,
            // Those with an odd timeout.
            reminders: timeout
                .filter(|after| after % 2 == 1)
                .map(|after| reminder(opened_at, after))
                .into_iter()
                .collect(),
        };
        let outcome = StepOutcome {
            state: json!({"n": 1}),
            after: After::Step("step".into()),
            then: Then::Wait(wait),
            takes_kept: Some(px_core::run::TakenAnswer { answer: 0, index: 0 }),
            labels: px_core::Labels::new(),
        };
        let mut draft = self.draft();
        block_on(draft.command(run, Command::ReturnStep(Box::new(outcome))))
            .map_err(|error| error.to_string())?;
        Ok(draft.into_batch())
    }

    /// Queues an event for each of these keys, all in one delivery.
    pub(super) fn deliver_batch(&mut self, keys: &[KeyId]) -> DeliveryId {
        let now = Timestamp::from_millis(self.now + 1);
        let delivery = self.ids.delivery(now);
        let events: Vec<_> = keys.iter().map(|_| self.ids.event(now)).collect();
        let mut record = delivery_record(delivery, keys.first().expect("a key"), now);
        let mut draft = self.draft();
        for (place, (key, event)) in (0..).zip(keys.iter().zip(events)) {
            let mut entry = queued_entry(event, key, &format!("{delivery}-{place}"), now);
            draft.lay_apart(&mut entry);
            let mut queued = queued(event, delivery, now);
            queued.place = Some(place);
            block_on(draft.enqueue(key, queued)).expect("a place");
            record.events.push(entry);
        }
        draft.put_delivery(record);
        let batch = draft.into_batch();
        assert!(matches!(self.commit(batch), Outcome::Committed { .. }));
        delivery
    }

    pub(super) fn deliver(&mut self, key: &KeyId, provider_id: &str) -> Outcome {
        let now = Timestamp::from_millis(self.now + 1);
        let (delivery, event) = (self.ids.delivery(now), self.ids.event(now));
        let mut record = delivery_record(delivery, key, now);
        let mut entry = queued_entry(event, key, provider_id, now);
        let lays_apart = self.lays_apart;
        let mut draft = self.draft();
        let candidates = block_on(draft.candidates(key, None)).expect("a key");
        let wait = candidates.fitting(None).map(|(_, wait)| wait.clone());
        let mut action = "queued";
        if let Some(wait) = wait {
            let response = Response {
                wait: wait.wait,
                index: wait.index,
                key: Some(key.clone()),
                event: Some(event),
                delivery: Some(delivery),
                response: json!({"text": provider_id}),
                test: None,
            };
            block_on(draft.command(wait.run, Command::Respond(Box::new(response)))).expect("an open wait");
            (entry.state, entry.run, action) = (InboxState::Resumed, Some(wait.run), "resumed");
        } else {
            let mut queued = queued(event, delivery, now);
            if lays_apart {
                queued.place = Some(0);
                draft.lay_apart(&mut entry);
            }
            block_on(draft.enqueue(key, queued)).expect("a place");
        }
        let run = entry.run;
        record.events.push(entry);
        draft.put_delivery(record);
        draft.put_dedup(DedupWrite {
            slug: key.slug.to_string(),
            provider_id: provider_id.into(),
            expected: None,
            record: DedupRecord { delivery, action: action.into(), run, at: now, reply: None },
        });
        let batch = draft.into_batch();
        self.commit(batch)
    }
}

/// A reminder of a wait, which comes twice.
fn reminder(opened_at: Timestamp, after: u64) -> Reminder {
    let every = after / 3 + 1;
    Reminder {
        name: "nudge".into(),
        step: "step".into(),
        iteration: 0,
        every_ms: Some(every),
        at_most: 2,
        nth: 1,
        due: Some(Timestamp::from_millis(opened_at.as_millis() + every)),
        failed: 0,
        postponed: 0,
        once: Vec::new(),
    }
}

fn queued_entry(event: EventId, key: &KeyId, provider_id: &str, now: Timestamp) -> InboxEvent {
    InboxEvent {
        provider_id: Some(provider_id.into()),
        identifier: Some(key.identifier.to_string()),
        response: Some(json!({"text": provider_id})),
        ..InboxEvent::new(event, InboxState::Queued, now)
    }
}

fn queued(event: EventId, delivery: DeliveryId, at: Timestamp) -> QueuedEvent {
    QueuedEvent { event, delivery, token: None, at, expires_at: None, starts: false, place: None }
}

pub(super) fn delivery_record(id: DeliveryId, key: &KeyId, at: Timestamp) -> Delivery {
    Delivery {
        id,
        slug: key.slug.to_string(),
        received_at: at,
        remote: "127.0.0.1:1".into(),
        method: "POST".into(),
        target: format!("/webhooks/{}", key.slug),
        headers: vec![("content-type".into(), "application/json".into())],
        verdict: "verified".into(),
        status: 200,
        took_us: 7,
        size: 9,
        events: Vec::new(),
        files: Vec::new(),
        body: Bytes::from_static(b"{\"raw\":1}"),
        contents: Vec::new(),
        holders: Vec::new(),
        emptied: false,
        test: None,
        revision: 0,
    }
}

/// A key of the tests.
#[must_use]
pub fn key(n: u64) -> KeyId {
    KeyId::new("hub", format!("k{n}"))
}
