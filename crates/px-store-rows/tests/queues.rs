//! What a key's queue keeps for whom, in the cases that only concurrent
//! deliveries, a pause or an early window of nothing lead to (docs/rules.md#5, #6, #9).

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says by panicking that it failed")]

use std::time::Duration;

use bytes::Bytes;
use px_core::event::Cause;
use px_core::run::{After, BrainInfo, Catalog, Command, Start, StepOutcome, Then};
use px_core::wait::{Registration, Wait};
use px_core::{DeliveryId, EventId, Ids, KeyId, RunId, RunStatus, Scope, Timestamp};
use px_store::conformance::{AnyBrain, block_on};
use px_store::{Admission, Delivery, Draft, InboxEvent, InboxState, Outcome, QueuedEvent, Store};
use px_store_rows::{Embedded, MemoryRows};
use serde_json::json;

const SCOPE: Scope = Scope(0);

/// A webhook that keeps nothing for a wait to come.
struct KeepsNothing;

impl Catalog for KeepsNothing {
    fn brain(&self, title: &str) -> Option<BrainInfo> {
        AnyBrain.brain(title)
    }

    fn early(&self, _slug: &str) -> Option<Duration> {
        None
    }
}

struct Rig {
    catalog: &'static dyn Catalog,
    store: Embedded<MemoryRows>,
    ids: Ids,
    key: KeyId,
}

impl Rig {
    fn new() -> Self {
        Self {
            catalog: &AnyBrain,
            store: Embedded::new(MemoryRows::new()),
            ids: Ids::counted(0),
            key: KeyId::new("hub", "k"),
        }
    }

    fn draft(&self, at: u64) -> Draft<'_> {
        Draft::new(&self.store, self.catalog, &self.ids, SCOPE, Timestamp::from_millis(at))
    }

    fn commit(&self, draft: Draft<'_>) {
        let outcome = block_on(self.store.commit(draft.into_batch(), Admission::Wait)).unwrap();
        assert!(matches!(outcome, Outcome::Committed { .. }));
    }

    fn start(&self, at: u64, owns: bool) -> RunId {
        let mut draft = self.draft(at);
        let mut start = Start::of(AnyBrain.brain("one").unwrap(), json!({}), Cause::Api);
        start.owns = owns.then(|| self.key.clone());
        let run = block_on(draft.start(start)).unwrap();
        if owns {
            block_on(draft.own(&self.key, run)).unwrap();
        }
        self.commit(draft);
        run
    }

    fn command(&self, at: u64, run: RunId, command: Command) {
        let mut draft = self.draft(at);
        block_on(draft.command(run, command)).unwrap();
        self.commit(draft);
    }

    /// The run's step returns a wait for the key.
    fn wait(&self, at: u64, run: RunId, fresh: bool) {
        self.command(at, run, Command::BeginStep { index: 0 });
        let opened_at = Timestamp::from_millis(at);
        let registration = Registration { key: self.key.clone(), token: None, schema: 0, ask: None };
        let id = self.ids.wait(opened_at);
        let wait = json!({"id": id, "registrations": [registration], "opened_at": opened_at, "fresh": fresh});
        let wait: Wait = serde_json::from_value(wait).unwrap();
        let then = Then::Wait(wait);
        let outcome = StepOutcome {
            state: json!({}),
            after: After::Step("step".into()),
            then,
            takes_kept: Some(px_core::run::TakenAnswer { answer: 0, index: 0 }),
            labels: px_core::Labels::new(),
        };
        self.command(at, run, Command::ReturnStep(Box::new(outcome)));
    }

    /// An event's delivery and id, as a request gets them when it comes in.
    fn received(&self, at: u64) -> (DeliveryId, EventId) {
        let at = Timestamp::from_millis(at);
        (self.ids.delivery(at), self.ids.event(at))
    }

    fn queue(&self, at: u64, (delivery, event): (DeliveryId, EventId), expires: Option<u64>) {
        let mut draft = self.draft(at);
        let (now, token) = (draft.now(), None);
        let expires_at = expires.map(Timestamp::from_millis);
        let queued = QueuedEvent { event, delivery, token, at: now, expires_at, starts: false, place: None };
        block_on(draft.enqueue(&self.key, queued)).unwrap();
        let entry = InboxEvent {
            identifier: Some(self.key.identifier.to_string()),
            response: Some(json!({})),
            ..InboxEvent::new(event, InboxState::Queued, now)
        };
        draft.put_delivery(Delivery {
            id: delivery,
            slug: self.key.slug.to_string(),
            received_at: now,
            remote: String::new(),
            method: "POST".into(),
            target: "/webhooks/hub".into(),
            headers: Vec::new(),
            verdict: "verified".into(),
            status: 200,
            took_us: 0,
            size: 0,
            events: vec![entry],
            body: Bytes::new(),
            holders: Vec::new(),
            emptied: false,
            test: None,
            files: Vec::new(),
            contents: Vec::new(),
            revision: 0,
        });
        self.commit(draft);
    }

    fn state(&self, delivery: DeliveryId) -> InboxState {
        block_on(self.store.delivery(SCOPE, delivery)).unwrap().unwrap().events[0].state
    }

    fn is_sound(&self) -> bool {
        block_on(px_store::audit::audit(&self.store, SCOPE, &mut |_| {})).unwrap().is_clean()
    }
}

#[test]
fn rule_5_what_was_queued_under_an_owner_ends_with_it_whoever_was_received_first() {
    let rig = Rig::new();
    // Received first, but routed only after another event had started the owner.
    let received = rig.received(1);
    let owner = rig.start(2, true);
    rig.queue(3, received, None);
    rig.command(4, owner, Command::Cancel { reason: None });
    assert_eq!(rig.state(received.0), InboxState::Late, "nothing else would ever end its time in the queue");
    assert!(rig.is_sound());
}

#[test]
fn rule_6_a_fresh_wait_leaves_older_events_alone_also_after_a_pause() {
    let rig = Rig::new();
    let (before, after) = (rig.received(1), rig.received(9));
    rig.queue(1, before, Some(1_000_000));
    let run = rig.start(2, false);
    rig.wait(3, run, true);
    rig.command(5, run, Command::Pause { reason: None });
    rig.command(6, run, Command::Resume);
    let status = || block_on(rig.store.run(SCOPE, run)).unwrap().unwrap().run.status;
    assert_eq!((status(), rig.state(before.0)), (RunStatus::Waiting, InboxState::Queued));
    // What comes while it is paused is for it, though.
    rig.command(8, run, Command::Pause { reason: None });
    rig.queue(9, after, None);
    rig.command(10, run, Command::Resume);
    assert_eq!((status(), rig.state(after.0)), (RunStatus::Running, InboxState::Resumed));
    assert_eq!(rig.state(before.0), InboxState::Queued);
    assert!(rig.is_sound());
}

#[test]
fn rule_6_a_key_whose_webhook_keeps_nothing_is_forgotten_with_its_last_wait() {
    let rig = Rig { catalog: &KeepsNothing, ..Rig::new() };
    let run = rig.start(1, false);
    rig.wait(2, run, false);
    rig.command(3, run, Command::Cancel { reason: None });
    let key = block_on(rig.store.key(SCOPE, &rig.key)).unwrap();
    assert_eq!(key.version, 0, "no timer would ever remove {key:?}");
    assert!(rig.is_sound());
}
