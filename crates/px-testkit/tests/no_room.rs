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

use house::{House, pass};
use px_core::hook::Source;
use px_core::{Clock as _, Ids, ManualClock, RunStatus, Scope};
use px_engine::{Engine, Limits};
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

#[tokio::test]
async fn while_no_commit_succeeds_a_callback_is_not_sent_over_and_over() {
    let house = House::new();
    let faulty = FaultyStore::new(Arc::clone(&house.store));
    let (store, clock): (Arc<dyn Store>, _) = (Arc::new(faulty.clone()), ManualClock::at(house.clock.now()));
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

    let mut scheduler = Scheduler::new(context.clone(), 8);
    let mut jobs = Vec::new();
    let look = async |scheduler: &mut Scheduler, jobs: &mut Vec<_>| {
        while !scheduler.poll(64).await.unwrap() {}
        scheduler.next_jobs(jobs).await.unwrap();
    };
    look(&mut scheduler, &mut jobs).await;
    faulty.plan(|_, _| Some(Fault::Full));
    for _ in 0..600 {
        for job in jobs.drain(..) {
            scheduler.done(job.run(&context).await);
        }
        clock.advance(Duration::from_secs(1));
        look(&mut scheduler, &mut jobs).await;
    }
    assert_eq!(sent.lock().unwrap().len(), 1, "it was under way when the store was full");
    faulty.plan(|_, _| None);
    // The store itself tries whether there is room again; this one learns it by a commit.
    house::start(&parts, "works", "there is room").await;
    for _ in 0..3 {
        clock.advance(Duration::from_secs(1));
        look(&mut scheduler, &mut jobs).await;
        for job in jobs.drain(..) {
            scheduler.done(job.run(&context).await);
        }
    }
    let sent = sent.lock().unwrap();
    assert_eq!(sent.len(), 3, "that one again, and the other");
    assert!(sent.iter().filter(|body| **body == sent[0]).count() == 2, "the same bytes");
}
