//! A draft is half made where a command is taken and another run refuses what follows from it: the failure
//! is not the command's own, and nothing of the draft is ever committed.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test says by panicking that it failed"
)]

mod records;

use bytes::Bytes;
use px_core::event::Cause;
use px_core::run::{After, Catalog as _, Command, Start, StepOutcome, Then};
use px_core::wait::{Registration, Wait, WaitMode};
use px_core::{Ids, KeyId, RunId, RunStatus, Scope, Timestamp};
use px_store::conformance::{AnyBrain, block_on};
use px_store::{
    Admission, Conflict, Contended, Delivery, Draft, DraftError, Error, InboxEvent, InboxState, Outcome,
    QueuedEvent, Round, RoundError, Store,
};
use records::Records;
use serde_json::{Value, json};

const SCOPE: Scope = Scope(0);

struct Lab {
    store: Records,
    ids: Ids,
    key: KeyId,
}

/// Reason that a loop of these tests ends.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Draft(#[from] DraftError),
    #[error(transparent)]
    Store(#[from] Error),
    #[error(transparent)]
    Contended(#[from] Contended),
}

impl RoundError for Failure {
    fn may_be_stale(&self) -> bool {
        matches!(self, Self::Draft(error) if error.may_be_stale())
    }
}

impl Lab {
    fn draft(&self, now: u64) -> Draft<'_> {
        Draft::new(&self.store, &AnyBrain, &self.ids, SCOPE, Timestamp::from_millis(now))
    }

    fn commit(&self, draft: Draft<'_>) -> Outcome {
        block_on(self.store.commit(draft.into_batch(), Admission::Wait)).expect("the store takes a batch")
    }

    fn command(&self, now: u64, run: RunId, command: Command) {
        let mut draft = self.draft(now);
        block_on(draft.command(run, command)).unwrap();
        assert!(matches!(self.commit(draft), Outcome::Committed { .. }));
    }

    fn status(&self, run: RunId) -> RunStatus {
        block_on(self.store.run(SCOPE, run)).unwrap().unwrap().run.status
    }

    /// A paused run that waits on a key where an event is queued with this response.
    fn paused_beside(response: Value) -> (Self, RunId) {
        let lab = Self { store: Records::new(), ids: Ids::counted(0), key: KeyId::new("hub", "k") };
        let mut draft = lab.draft(1_000);
        let info = AnyBrain.brain("paused").unwrap();
        let run = block_on(draft.start(Start::of(info, json!({}), Cause::Api))).unwrap();
        lab.commit(draft);
        lab.command(2_000, run, Command::BeginStep { index: 0 });
        let opened_at = Timestamp::from_millis(2_000);
        let wait = Wait {
            id: lab.ids.wait(opened_at),
            mode: WaitMode::Any,
            collected: Vec::new(),
            answered: Vec::new(),
            registrations: vec![Registration { key: lab.key.clone(), token: None, schema: 0, ask: None }],
            opened_at,
            deadline: None,
            fresh: false,
            picked: false,
            reminders: Vec::new(),
        };
        let outcome = StepOutcome {
            state: json!({}),
            after: After::Step("step".into()),
            then: Then::Wait(wait),
            takes_kept: None,
            labels: px_core::Labels::new(),
        };
        lab.command(2_000, run, Command::ReturnStep(Box::new(outcome)));
        lab.command(3_000, run, Command::Pause { reason: None });
        let mut draft = lab.draft(4_000);
        let delivery = lab.delivery(response);
        let (event, at) = (delivery.events[0].id, draft.now());
        let queued = QueuedEvent {
            event,
            delivery: delivery.id,
            token: None,
            at,
            expires_at: None,
            starts: false,
            place: None,
        };
        block_on(draft.enqueue(&lab.key, queued)).unwrap();
        draft.put_delivery(delivery);
        lab.commit(draft);
        (lab, run)
    }

    fn delivery(&self, response: Value) -> Delivery {
        let at = Timestamp::from_millis(4_000);
        let event = InboxEvent {
            identifier: Some(self.key.identifier.to_string()),
            response: Some(response),
            ..InboxEvent::new(self.ids.event(at), InboxState::Queued, at)
        };
        Delivery {
            id: self.ids.delivery(at),
            slug: self.key.slug.to_string(),
            received_at: at,
            remote: "127.0.0.1:1".into(),
            method: "POST".into(),
            target: "/webhooks/hub".into(),
            headers: Vec::new(),
            verdict: "verified".into(),
            status: 200,
            took_us: 1,
            size: 1,
            events: vec![event],
            body: Bytes::from_static(b"1"),
            holders: Vec::new(),
            emptied: false,
            test: None,
            files: Vec::new(),
            contents: Vec::new(),
            revision: 0,
        }
    }
}

#[test]
fn what_follows_from_a_command_fails_as_such_and_is_never_committed() {
    let (lab, run) = Lab::paused_beside(json!(5));
    let mut draft = lab.draft(5_000);
    let done = block_on(draft.command(run, Command::Resume));
    assert!(matches!(done, Err(DraftError::Unsettled(_))), "a response is an object: {done:?}");
    // Whoever goes on with it all the same.
    block_on(draft.command(run, Command::Cancel { reason: None })).unwrap();
    let outcome = lab.commit(draft);
    assert!(matches!(outcome, Outcome::Conflict(Conflict::Run(_))), "{outcome:?}");
    assert_eq!(lab.status(run), RunStatus::Paused);
}

#[test]
fn a_command_that_its_own_run_refuses_leaves_the_draft_as_it_was() {
    let (lab, run) = Lab::paused_beside(json!({}));
    let mut draft = lab.draft(5_000);
    let done = block_on(draft.command(run, Command::Admit));
    assert!(matches!(done, Err(DraftError::Refused(_))), "{done:?}");
    block_on(draft.command(run, Command::Resume)).unwrap();
    assert!(matches!(lab.commit(draft), Outcome::Committed { .. }));
    assert_eq!(lab.status(run), RunStatus::Running);
}

#[test]
fn a_draft_of_records_that_may_not_fit_together_is_made_anew() {
    let (lab, run) = Lab::paused_beside(json!({}));
    let stale = Lab::paused_beside(json!(5)).0;
    let mut rounds = 0;
    let store: &dyn Store = &lab.store;
    let done = block_on(store.transact(px_store::Bound::waiting(4), |lost| {
        assert!(lost.is_none(), "no commit was tried");
        rounds += 1;
        let lab = if rounds == 1 { &stale } else { &lab };
        let mut draft = lab.draft(5_000);
        async move {
            draft.command(run, Command::Resume).await?;
            Ok::<_, Failure>(Round::Commit(Box::new(draft.into_batch()), ()))
        }
    }));
    assert!(done.is_ok() && rounds == 2, "{done:?} {rounds}");
    assert_eq!(lab.status(run), RunStatus::Running);
    // One that never fits is told as it is.
    let store: &dyn Store = &stale.store;
    let done = block_on(store.transact(px_store::Bound::waiting(4), |_| {
        let mut draft = stale.draft(5_000);
        async move {
            draft.command(run, Command::Resume).await?;
            Ok::<_, Failure>(Round::Commit(Box::new(draft.into_batch()), ()))
        }
    }));
    assert!(matches!(done, Err(Failure::Draft(DraftError::Unsettled(_)))), "{done:?}");
}
