//! docs/hooks.md, the part that is about sending: what others did wrong, each
//! as a test that px does not. What is about receiving is in px-callbacks; bursts
//! and neighbours over the real binary are in `tests/hooks/`.

mod rig;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use px_core::Clock as _;
use px_core::hook::{Hook, RetryPolicy};
use px_outbound::{FIRST_PAUSE, LONGEST_PAUSE, OPENS_AFTER};
use px_store::outbox::CallbackState;
use rig::{Rig, header, kinds, status};

/// The next process over the same rows, and with the key that was kept.
fn restarted(rig: &Rig) -> Rig {
    let mut next = Rig::over(Arc::clone(&rig.store), rig.clock.now());
    next.parts.vault = rig.parts.vault.clone();
    next
}

async fn hook(rig: &Rig) -> Hook {
    rig.hook(|spec| spec.events = vec!["run.started".into()]).await
}

/// A delivery that failed once, and the next process at the time of its retry.
async fn failed_once() -> (Rig, Hook, px_outbound::transport::Request) {
    let mut rig = Rig::new();
    let hook = hook(&rig).await;
    rig.receive(|_| status(500));
    rig.start().await;
    let first = rig.drain().await.remove(0);
    let mut rig = restarted(&rig);
    rig.receive(|_| status(200));
    assert!(rig.drain().await.is_empty(), "not yet");
    assert!(rig.wait().await);
    (rig, hook, first)
}

#[tokio::test]
async fn hooks_6_only_a_hash_of_the_secret_kept_so_no_retry_can_be_signed() {
    let (mut rig, _, first) = failed_once().await;
    let second = rig.drain().await.remove(0);
    assert!(header(&second, "webhook-signature").starts_with("v1,"));
    assert_ne!(header(&second, "webhook-timestamp"), header(&first, "webhook-timestamp"), "signed afresh");
}

#[tokio::test]
async fn hooks_6_no_body_kept_so_a_retry_after_a_restart_has_nothing_to_send() {
    let (mut rig, hook, first) = failed_once().await;
    let second = rig.drain().await.remove(0);
    assert_eq!((&second.body, second.body.is_empty()), (&first.body, false));
    assert_eq!(rig.states(hook.id).await, [CallbackState::Delivered]);
}

#[tokio::test]
async fn hooks_6_a_breaker_that_opens_once_and_never_re_arms() {
    let mut rig = Rig::new();
    let hook = hook(&rig).await;
    rig.receive(|_| status(503));
    for _ in 0..20 {
        rig.start().await;
    }
    let mut pauses = Vec::new();
    let mut sent = rig.drain().await.len();
    for _ in 0..9 {
        let until = rig.operator.stats(hook.id).await.unwrap().parked_until.expect("it is open");
        pauses.push(until.since(rig.clock.now()));
        rig.clock.set(until);
        sent += rig.drain().await.len();
    }
    // Each probe that failed opened it again, for longer, up to the longest.
    assert!(pauses[0] >= FIRST_PAUSE * 4 / 5 && pauses[0] <= FIRST_PAUSE * 6 / 5, "{pauses:?}");
    assert!(pauses[8] >= LONGEST_PAUSE * 4 / 5 && pauses[8] <= LONGEST_PAUSE * 6 / 5, "{pauses:?}");
    assert!(sent <= 16 + 9, "one probe a pause: {sent}");
    // And it closes, and counts anew.
    rig.receive(|_| status(200));
    while rig.wait().await {
        rig.drain().await;
    }
    assert!(rig.states(hook.id).await.iter().all(|state| *state == CallbackState::Delivered));
    rig.receive(|_| status(503));
    for _ in 0..OPENS_AFTER {
        assert_eq!(rig.operator.stats(hook.id).await.unwrap().parked_until, None);
        rig.start().await;
        rig.drain().await;
    }
    assert!(rig.operator.stats(hook.id).await.unwrap().parked_until.is_some(), "it opens again");
    rig.audit().await;
}

#[tokio::test]
async fn hooks_6_a_breaker_that_counts_per_request_instead_of_per_endpoint() {
    let mut rig = Rig::new();
    // Two hooks, one endpoint: they differ in what is behind the question mark.
    let urls = ["https://receiver.example/hook?a=1", "https://receiver.example/hook?b=2"];
    let mut hooks = Vec::new();
    for url in urls {
        let told = |spec: &mut px_outbound::operate::Spec| {
            spec.url = url.into();
            spec.events = vec!["run.started".into()];
        };
        hooks.push(rig.hook(told).await);
    }
    rig.receive(|_| status(500));
    // No delivery fails more than once, and no hook more than three times.
    let mut sent = 0;
    for _ in 0..3 {
        rig.start().await;
        sent += rig.drain().await.len();
    }
    assert_eq!(sent as u32, OPENS_AFTER + 1, "the sixth was under way with the fifth");
    for hook in hooks {
        assert!(rig.operator.stats(hook.id).await.unwrap().parked_until.is_some(), "parked for both");
    }
    assert!(rig.drain().await.is_empty());
}

#[tokio::test]
async fn hooks_6_dropping_while_open() {
    let mut rig = Rig::new();
    let hook = hook(&rig).await;
    rig.receive(|_| status(503));
    for _ in 0..OPENS_AFTER {
        rig.start().await;
        rig.drain().await;
    }
    for _ in 0..50 {
        rig.start().await;
    }
    assert!(rig.drain().await.is_empty());
    let waiting = rig.of(hook.id).await;
    assert!(waiting.iter().all(|one| one.state == CallbackState::Pending), "none is dropped");
    // Nor by a restart: it stays open over it, and what is parked is.
    let mut rig = restarted(&rig);
    rig.receive(|_| status(200));
    assert!(rig.drain().await.is_empty(), "open still");
    while rig.wait().await {
        rig.drain().await;
    }
    let states = rig.states(hook.id).await;
    assert_eq!((states.len(), states.iter().all(|state| *state == CallbackState::Delivered)), (55, true));
    assert!(
        rig.of(hook.id).await[OPENS_AFTER as usize..].iter().all(|one| one.tries == 1),
        "none used a try"
    );
    rig.audit().await;
}

#[tokio::test]
async fn hooks_6_one_try_and_gone() {
    let mut rig = Rig::new();
    let hook = rig
        .hook(|spec| {
            spec.events = vec!["run.started".into()];
            spec.retry = RetryPolicy::preset("forge").unwrap();
        })
        .await;
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    rig.receive(move |_| status(if counted.fetch_add(1, Ordering::Relaxed) < 3 { 500 } else { 200 }));
    rig.start().await;
    let mut sent = rig.drain().await;
    while rig.wait().await {
        sent.extend(rig.drain().await);
    }
    assert_eq!(
        (tries.load(Ordering::Relaxed), rig.states(hook.id).await),
        (4, vec![CallbackState::Delivered])
    );
    assert_eq!(kinds(&sent), ["run.started"; 4]);
    // And what is spent is kept, and goes out when somebody says so.
    rig.receive(|_| status(500));
    rig.start().await;
    rig.drain().await;
    while rig.wait().await {
        rig.drain().await;
    }
    let dead = rig.of(hook.id).await.remove(1);
    assert_eq!((dead.state, dead.tries), (CallbackState::Dead, 5));
    rig.receive(|_| status(200));
    rig.advance(Duration::from_hours(2));
    rig.operator.redeliver(dead.id).await.unwrap();
    while rig.drain().await.is_empty() {
        assert!(rig.wait().await);
    }
    assert_eq!(rig.states(hook.id).await, [CallbackState::Delivered; 2]);
}

#[tokio::test]
async fn hooks_6_workers_asleep_in_backoff() {
    let mut rig = Rig::new();
    // As measured elsewhere: one that always answers 500 left a healthy one 7 of 600.
    rig.hook(|spec| spec.url = "https://broken.example/".into()).await;
    let healthy = hook(&rig).await;
    rig.receive(|request| status(if request.url.contains("broken") { 500 } else { 200 }));
    for _ in 0..600 {
        rig.start().await;
    }
    rig.drain().await;
    let states = rig.states(healthy.id).await;
    assert_eq!((states.len(), states.iter().all(|state| *state == CallbackState::Delivered)), (600, true));
    assert_eq!(rig.scheduler.in_flight(), 0, "nothing sleeps with a slot in its hands");
}
