//! The acts of the suite and of the differential run on a store: each a commit that a
//! stage of px would make, at a time and with ids of the caller's choice.

use std::sync::Arc;

use bytes::Bytes;
use px_core::event::Cause;
use px_core::run::{After, Catalog as _, Command, Response, Start, StepOutcome, Then};
use px_core::wait::{Registration, Wait, WaitMode};
use px_core::{DeliveryId, Ids, KeyId, RunId, Timestamp};
use serde_json::json;

use super::{AnyBrain, SCOPE, block_on};
use crate::batch::{DedupWrite, Outcome};
use crate::draft::Draft;
use crate::model::{DedupRecord, Delivery, InboxEvent, InboxState, QueuedEvent};
use crate::store::{Admission, Store};

/// The acts of the tests and of the differential run on a store: each a commit that a
/// stage of px would make, at a time and with ids of the caller's choice.
pub struct Driver {
    pub(super) store: Arc<dyn Store>,
    pub(super) ids: Ids,
    pub(super) now: u64,
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").field("now", &self.now).finish_non_exhaustive()
    }
}

impl Driver {
    /// Drives this store. Drivers of equal history make equal ids.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, ids: Ids::counted(0), now: 1_000_000 }
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
        self.command(run, Command::BeginStep { index: 0 })?;
        let opened_at = Timestamp::from_millis(self.now);
        let wait = Wait {
            id: self.ids.wait(opened_at),
            mode: WaitMode::Any,
            collected: Vec::new(),
            registrations: keys
                .iter()
                .map(|(key, token)| Registration { key: key.clone(), token: token.clone(), schema: 0 })
                .collect(),
            opened_at,
            deadline: timeout.map(|after| Timestamp::from_millis(self.now + after)),
            fresh: false,
            picked: false,
        };
        let outcome = StepOutcome {
            state: json!({"n": 1}),
            after: After::Step("step".into()),
            then: Then::Wait(wait),
            takes_kept: Some(px_core::run::TakenAnswer { answer: 0, index: 0 }),
        };
        self.command(run, Command::ReturnStep(Box::new(outcome)))
    }

    pub(super) fn deliver(&mut self, key: &KeyId, provider_id: &str) -> Outcome {
        let now = Timestamp::from_millis(self.now + 1);
        let (delivery, event) = (self.ids.delivery(now), self.ids.event(now));
        let mut record = delivery_record(delivery, key, now);
        let mut entry = InboxEvent {
            id: event,
            state: InboxState::Queued,
            since: now,
            provider_id: Some(provider_id.into()),
            identifier: Some(key.identifier.to_string()),
            token: None,
            response: Some(json!({"text": provider_id})),
            start: None,
            run: None,
            wait: None,
            passed: Vec::new(),
            original: None,
            reason: None,
        };
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
            };
            block_on(draft.command(wait.run, Command::Respond(Box::new(response)))).expect("an open wait");
            (entry.state, entry.run, action) = (InboxState::Resumed, Some(wait.run), "resumed");
        } else {
            let queued =
                QueuedEvent { event, delivery, token: None, at: now, expires_at: None, starts: false };
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

fn delivery_record(id: DeliveryId, key: &KeyId, at: Timestamp) -> Delivery {
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
        body: Bytes::from_static(b"{\"raw\":1}"),
        emptied: false,
        revision: 0,
    }
}

/// A key of the tests.
#[must_use]
pub fn key(n: u64) -> KeyId {
    KeyId::new("hub", format!("k{n}"))
}
