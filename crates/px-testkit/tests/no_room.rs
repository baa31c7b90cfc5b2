//! A store without room: what a step or a receiver is asked meanwhile cannot be
//! recorded, and would be asked once more. So nobody is asked over and over.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod house;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use house::{House, pass};
use px_core::hook::Source;
use px_core::{Clock as _, Ids, ManualClock, RunStatus, Scope};
use px_engine::{Engine, Limits, Parts};
use px_outbound::format::Links;
use px_outbound::guard::Policy;
use px_outbound::operate::Spec;
use px_outbound::transport::{Answer, Request, Simulated};
use px_outbound::vault::Vault;
use px_outbound::{Bodies, Operator, Scheduler, SenderContext};
use px_sdk::{Brain, Cx, Next, Result, brain};
use px_store::Store;
use px_testkit::{Fault, FaultyStore};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, JsonSchema)]
struct Job {
    name: String,
}

/// Works for eight seconds.
fn works() -> Brain<Job> {
    brain("works").step("work", work).build()
}
px_sdk::brain!(works);

/// Number of times that a step has begun.
static BEGUN: AtomicUsize = AtomicUsize::new(0);

async fn work(_cx: Cx, job: Job) -> Result<Next<Job>> {
    BEGUN.fetch_add(1, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(8)).await;
    Ok(Next(job))
}

#[tokio::test(start_paused = true)]
async fn while_no_commit_succeeds_a_step_is_not_run_over_and_over() {
    let house = House::new();
    let store = FaultyStore::new(Arc::clone(&house.store));
    let house = House { store: Arc::new(store.clone()), ..house };
    let parts = house.parts(house.alone(), 2);
    let engine = Engine::start(parts.clone(), Limits::default());
    let mut runs = Vec::new();
    for number in 0..4 {
        runs.push(house::start(&parts, "works", &number.to_string()).await);
    }
    pass(4).await;
    store.plan(|_, _| Some(Fault::Full));
    pass(600).await;
    assert_eq!(BEGUN.load(Ordering::SeqCst), 2, "those that had a place, once each");
    store.plan(|_, _| None);
    pass(40).await;
    assert_eq!(BEGUN.load(Ordering::SeqCst), 6, "those two again, and the others");
    for run in runs {
        assert_eq!(house.status(run).await, RunStatus::Complete);
    }
    engine.shutdown(Duration::ZERO).await;
}

/// A sender over a store with faults, with what its receiver got.
struct Sending {
    faulty: FaultyStore,
    parts: Parts,
    context: SenderContext,
    clock: ManualClock,
    sent: Arc<Mutex<Vec<Bytes>>>,
    scheduler: Scheduler,
    jobs: Vec<px_outbound::Job>,
}

impl Sending {
    /// With one callback that may be sent.
    async fn of_one() -> Self {
        let house = House::new();
        let faulty = FaultyStore::new(Arc::clone(&house.store));
        let (store, clock): (Arc<dyn Store>, _) =
            (Arc::new(faulty.clone()), ManualClock::at(house.clock.now()));
        store.outbox().render_with(Arc::new(Bodies::new(Links::none())));
        let sent = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&sent);
        let receiver = move |request: &Request| {
            told.lock().unwrap().push(request.body.clone());
            Ok(Answer { status: 200, ..Answer::default() })
        };
        let context = SenderContext {
            store: Arc::clone(&store),
            clock: Arc::new(clock.clone()),
            ids: Arc::new(Ids::new()),
            scope: Scope::default(),
            cluster: house.alone(),
            vault: Vault::from_text(&"7f".repeat(32)).unwrap(),
            transport: Arc::new(Simulated::new(receiver)),
            policy: Policy::public(),
            redaction: px_secrets::Redaction::default(),
        };
        let mut spec = Spec::to("https://receiver.example/hook");
        spec.events = vec!["run.started".into()];
        Operator::new(context.clone()).create(spec, Source::Api).await.unwrap();
        let house = House { store, ..house };
        let parts = house.parts(house.alone(), 1);
        house::start(&parts, "works", "told").await;
        let scheduler = Scheduler::new(context.clone(), 8);
        let mut this = Self { faulty, parts, context, clock, sent, scheduler, jobs: Vec::new() };
        this.look().await;
        this
    }

    async fn look(&mut self) {
        while !self.scheduler.poll(64).await.unwrap() {}
        self.scheduler.next_jobs(&mut self.jobs).await.unwrap();
    }

    /// Sends what may be sent, each second.
    async fn pass(&mut self, seconds: u32) {
        for _ in 0..seconds {
            for job in std::mem::take(&mut self.jobs) {
                let report = job.run(&self.context).await;
                self.scheduler.done(report);
            }
            self.clock.advance(Duration::from_secs(1));
            self.look().await;
        }
    }

    fn sent(&self) -> Vec<Bytes> {
        self.sent.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn while_no_commit_succeeds_a_callback_is_not_sent_over_and_over() {
    let mut sending = Sending::of_one().await;
    sending.faulty.plan(|_, _| Some(Fault::Full));
    sending.pass(600).await;
    assert_eq!(sending.sent().len(), 1, "it was under way when the store was full");
    sending.faulty.plan(|_, _| None);
    // The store itself tries whether there is room again; this one learns it by a commit.
    house::start(&sending.parts, "works", "there is room").await;
    sending.pass(3).await;
    let sent = sending.sent();
    assert_eq!(sent.len(), 3, "that one again, and the other");
    assert_eq!(sent.iter().filter(|body| **body == sent[0]).count(), 2, "the same bytes");
}

#[tokio::test]
async fn a_callback_that_cannot_be_recorded_is_sent_more_and_more_rarely() {
    let mut sending = Sending::of_one().await;
    sending.faulty.plan(|_, _| Some(Fault::Refused));
    sending.pass(600).await;
    let tries = sending.sent().len();
    assert!((5..=16).contains(&tries), "after 1, 2, 4 and up to 64 seconds: {tries}");
    sending.faulty.plan(|_, _| None);
    sending.pass(65).await;
    assert_eq!(sending.sent().len(), tries + 1, "once more, and it is recorded");
}
