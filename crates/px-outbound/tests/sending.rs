//! docs/hooks.md in virtual time: the whole way of deliveries, through the
//! scheduler and the rows, with a receiver that is a function.

mod rig;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use px_core::hook::{DisabledBy, RetryPolicy, Source};
use px_core::{Clock as _, Timestamp};
use px_outbound::operate::{Recovery, Spec};
use px_outbound::transport::{Answer, Class, Failure};
use px_outbound::{operate, retry_delay, retry_tries};
use px_store::outbox::{CallbackState, Timing};
use rig::{BEGIN, Rig, SCOPE, URL, body, header, kinds, status};

const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn hooks_4_the_whole_table_is_walked_with_jitter_and_the_same_bytes_and_then_it_is_dead() {
    let mut rig = Rig::new();
    let hook = rig.hook(|spec| spec.events = vec!["run.started".into()]).await;
    rig.receive(|_| status(500));
    rig.start().await;
    let policy = RetryPolicy::default();
    let (mut at, mut first) = (BEGIN, None);
    for used in 0..retry_tries(&policy) {
        if used > 0 {
            // The breaker never opens for less than the schedule waits here.
            while rig.of(hook.id).await[0].due.is_some_and(|due| due > rig.clock.now()) {
                assert!(rig.wait().await);
            }
        }
        let now = rig.clock.now();
        let delay = retry_delay(&policy, used).unwrap();
        if used > 0 {
            assert!(
                now >= at.after(delay * 4 / 5) && now <= at.after(delay * 6 / 5),
                "try {used}: {delay:?}"
            );
        }
        at = now;
        let mut sent = rig.drain().await;
        while sent.is_empty() {
            assert!(rig.wait().await, "parked, not forgotten");
            at = rig.clock.now();
            sent = rig.drain().await;
        }
        assert_eq!(sent.len(), 1, "one try each time");
        let first = first.get_or_insert_with(|| sent[0].clone());
        assert_eq!(sent[0].body, first.body, "the same bytes");
        assert_eq!(header(&sent[0], "webhook-id"), header(first, "webhook-id"), "the same id");
        assert_eq!(header(&sent[0], "webhook-timestamp"), now_secs(at), "a fresh timestamp");
        assert_eq!(rig.of(hook.id).await[0].tries, used + 1);
    }
    let dead = rig.of(hook.id).await.remove(0);
    assert_eq!((dead.state, dead.attempts), (CallbackState::Dead, 10));
    assert!(dead.reason.unwrap().contains("10 tries"));
    let attempts = rig.store.outbox().attempts(SCOPE, dead.id, 0, 100).await.unwrap();
    assert_eq!(attempts.iter().map(|one| one.number).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    rig.audit().await;
}

fn now_secs(at: Timestamp) -> String {
    at.as_secs().to_string()
}

#[tokio::test]
async fn hooks_4_retry_after_is_honoured_and_recorded_as_the_receivers_choice() {
    let mut rig = Rig::new();
    let hook = rig.hook(|spec| spec.events = vec!["run.started".into()]).await;
    rig.receive(|_| {
        let headers = vec![("Retry-After".to_owned(), "7200".to_owned())];
        Ok(Answer { status: 429, headers, ..Answer::default() })
    });
    rig.start().await;
    rig.drain().await;
    let asked = rig.of(hook.id).await.remove(0);
    assert_eq!(asked.due, Some(BEGIN.after(Duration::from_hours(2))));
    assert!(asked.reason.unwrap().contains("asked"));
    let attempt = rig.store.outbox().attempts(SCOPE, asked.id, 0, 1).await.unwrap().remove(0);
    assert_eq!(attempt.retry_after, Some(BEGIN.after(Duration::from_hours(2))));
    rig.receive(|_| status(204));
    rig.wait().await;
    rig.drain().await;
    assert_eq!(rig.states(hook.id).await, [CallbackState::Delivered]);
}

#[tokio::test]
async fn hooks_4_410_disables_and_what_comes_meanwhile_is_kept_for_the_choice() {
    let mut rig = Rig::new();
    let hook = rig.hook(|spec| spec.events = vec!["run.started".into()]).await;
    rig.receive(|_| status(410));
    rig.start().await;
    assert_eq!(rig.drain().await.len(), 1);
    let gone = rig.operator.hook(hook.id).await.unwrap();
    assert_eq!(gone.disabled.map(|disabled| disabled.by), Some(DisabledBy::Gone));
    rig.start().await;
    rig.start().await;
    assert!(rig.drain().await.is_empty(), "a disabled hook is sent nothing");
    let kept = [CallbackState::Dead, CallbackState::Held, CallbackState::Held];
    assert_eq!(rig.states(hook.id).await, kept);
    rig.receive(|_| status(200));
    assert_eq!(rig.operator.enable(hook.id, true).await.unwrap().1, 2);
    assert_eq!(rig.drain().await.len(), 2);
    // And the other choice.
    rig.receive(|_| status(410));
    rig.start().await;
    rig.drain().await;
    rig.start().await;
    assert_eq!(rig.operator.enable(hook.id, false).await.unwrap().1, 1);
    assert!(rig.drain().await.is_empty());
    assert_eq!(rig.states(hook.id).await.last(), Some(&CallbackState::Discarded));
    rig.audit().await;
}

#[tokio::test]
async fn hooks_4_an_open_breaker_parks_in_order_and_burns_no_retry() {
    let mut rig = Rig::new();
    let hook = rig.hook(|spec| spec.events = vec!["run.started".into()]).await;
    rig.receive(|_| status(503));
    for _ in 0..5 {
        rig.start().await;
        rig.drain().await;
    }
    let parked_until = rig.operator.stats(hook.id).await.unwrap().parked_until.expect("it is open");
    for _ in 0..20 {
        rig.start().await;
    }
    assert!(rig.drain().await.is_empty(), "nothing goes out while it is open");
    let waiting: Vec<_> = rig.of(hook.id).await.into_iter().skip(5).collect();
    assert!(waiting.iter().all(|one| one.state == CallbackState::Pending && one.attempts == 0));
    while rig.clock.now() < parked_until {
        assert!(rig.wait().await);
        if rig.clock.now() < parked_until {
            assert!(rig.drain().await.is_empty());
        }
    }
    let jobs = rig.next_jobs().await;
    assert_eq!(jobs.len(), 1, "half open: one probe");
    let report = jobs[0].run(&rig.parts).await;
    rig.scheduler.done(report);
    assert!(rig.drain().await.len() == 1 && rig.next_jobs().await.is_empty(), "it failed: parked again");
    rig.receive(|_| status(200));
    let again = rig.operator.stats(hook.id).await.unwrap().parked_until.expect("it is open again");
    rig.clock.set(again);
    let mut widths = Vec::new();
    loop {
        let jobs = rig.next_jobs().await;
        if jobs.is_empty() {
            break;
        }
        widths.push(jobs.len());
        for job in jobs {
            let report = job.run(&rig.parts).await;
            rig.scheduler.done(report);
        }
    }
    assert_eq!(widths[0], 1, "one probe, then a ramp: {widths:?}");
    assert!(widths[1] == 2 && widths[2] > 2, "{widths:?}");
    rig.scheduler.saved().await;
    let lane = rig.of(hook.id).await[0].lane;
    let endpoint = rig.store.outbox().endpoint(SCOPE, lane).await.unwrap();
    assert_eq!(endpoint, None, "closed: nothing is kept of an endpoint that is well");
    while rig.wait().await {
        rig.drain().await;
    }
    assert!(rig.states(hook.id).await.iter().all(|state| *state == CallbackState::Delivered));
    rig.audit().await;
}

#[tokio::test]
async fn hooks_4_a_redelivery_a_recovery_and_a_test_of_the_hook_probe_an_endpoint_that_is_left_alone() {
    for asked in ["redelivery", "recovery", "test"] {
        let mut rig = Rig::new();
        let hook = rig
            .hook(|spec| {
                spec.events = vec!["run.started".into()];
                spec.retry = RetryPolicy::preset("none").unwrap();
            })
            .await;
        rig.receive(|_| status(503));
        for _ in 0..5 {
            rig.start().await;
            rig.drain().await;
        }
        rig.scheduler.saved().await;
        for _ in 0..3 {
            rig.start().await;
        }
        assert!(rig.drain().await.is_empty(), "{asked}: parked");
        let dead = rig.of(hook.id).await[0].id;
        let ask = async |rig: &Rig| match asked {
            "redelivery" => drop(rig.operator.redeliver(dead).await.unwrap()),
            "test" => drop(rig.operator.test(hook.id).await.unwrap()),
            _ => {
                let all_at_once = Recovery { rate_per_second: Some(1_000), ..Recovery::default() };
                rig.operator.recover(hook.id, &all_at_once).await.unwrap();
            }
        };
        // It fails, and is left alone again for longer: one request, and not one for each that is due.
        ask(&rig).await;
        assert_eq!(rig.drain().await.len(), 1, "{asked}: a probe");
        rig.scheduler.saved().await;
        let parked = rig.operator.stats(hook.id).await.unwrap().parked_until.expect("it failed once more");
        assert!(parked.since(rig.clock.now()) > Duration::from_secs(90), "{asked}: the second pause");
        assert!(rig.drain().await.is_empty());
        // The receiver is mended, and nobody waits for the end of the pause.
        rig.receive(|_| status(200));
        ask(&rig).await;
        assert!(rig.drain().await.len() >= 2, "{asked}");
        rig.scheduler.saved().await;
        assert_eq!(rig.operator.stats(hook.id).await.unwrap().parked_until, None, "{asked}");
        rig.audit().await;
    }
}

#[tokio::test]
async fn hooks_4_ordered_waits_for_a_failed_one_while_other_runs_go_on() {
    let mut rig = Rig::new();
    let own = operate::validate(
        &rig.parts,
        &Spec::of_run(URL, None),
        px_core::HookId::from_bytes([0; 16]),
        Source::Api,
        BEGIN,
    )
    .unwrap();
    let (one, other) = (rig.start_with(Some(own.clone())).await, rig.start_with(Some(own)).await);
    rig.cancel(one).await;
    rig.cancel(other).await;
    let failing = one.to_string();
    rig.receive(move |request| {
        let is_first = body(request)["type"] == "run.started";
        if is_first && body(request)["run"]["id"] == failing { status(500) } else { status(200) }
    });
    let sent = rig.drain().await;
    let of = |run: px_core::RunId| {
        let run = run.to_string();
        let sent: Vec<_> = sent.iter().filter(|request| body(request)["run"]["id"] == run).cloned().collect();
        kinds(&sent)
    };
    assert_eq!(of(one), ["run.started"], "what comes after it waits");
    assert_eq!(of(other), ["run.started", "run.cancelled"]);
    rig.receive(|_| status(200));
    let mut later = Vec::new();
    while rig.wait().await {
        later.extend(rig.drain().await);
    }
    assert_eq!(kinds(&later), ["run.started", "run.cancelled"], "in the order of seq");
    assert_eq!(later.iter().map(|one| body(one)["seq"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
    rig.audit().await;
}

#[tokio::test]
async fn hooks_4_five_days_of_failure_disable_it_and_others_are_told() {
    let mut rig = Rig::new();
    let hook = rig
        .hook(|spec| {
            spec.url = format!("{URL}?token=hunter2");
            spec.events = vec!["run.started".into()];
            spec.retry = RetryPolicy::preset("none").unwrap();
        })
        .await;
    let other = rig
        .hook(|spec| {
            spec.url = "https://other.example/".into();
            spec.events = vec!["hook.disabled".into()];
        })
        .await;
    rig.receive(|request| if request.url.contains("other") { status(200) } else { status(500) });
    for _ in 0..=10 {
        rig.start().await;
        rig.drain().await;
        rig.advance(DAY / 2);
    }
    let given_up = rig.operator.hook(hook.id).await.unwrap().disabled.expect("it is disabled");
    assert_eq!((given_up.by, given_up.at), (DisabledBy::Failing, BEGIN.after(5 * DAY)));
    let told = rig.of(other.id).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].state, CallbackState::Delivered);
    let said: serde_json::Value = serde_json::from_slice(&told[0].body).unwrap();
    assert_eq!(said["data"]["hookId"], hook.id.to_string());
    assert_eq!(said["data"]["url"], URL, "without what is behind its question mark");
    rig.audit().await;
}

#[tokio::test]
async fn hooks_6_a_dead_endpoint_holds_none_of_its_neighbours_slots() {
    let mut rig = Rig::new();
    rig.hook(|spec| spec.url = "https://dead.example/".into()).await;
    let healthy = rig.hook(|spec| spec.events = vec!["run.started".into()]).await;
    let refused = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&refused);
    rig.receive(move |request| {
        if request.url.contains("dead") {
            counted.fetch_add(1, Ordering::Relaxed);
            return Err(Failure { class: Class::Timeout, message: "late".into(), timing: Timing::default() });
        }
        status(200)
    });
    for _ in 0..600 {
        rig.start().await;
    }
    rig.drain().await;
    assert!(rig.states(healthy.id).await.iter().all(|state| *state == CallbackState::Delivered));
    assert!(refused.load(Ordering::Relaxed) <= 16, "the breaker counts the endpoint, not the delivery");
    rig.audit().await;
}

#[tokio::test]
async fn hooks_4_a_job_that_breaks_off_is_taken_up_again_after_a_rest_and_not_at_once() {
    let mut rig = Rig::new();
    let hook = rig.hook(|spec| spec.events = vec!["run.started".into()]).await;
    rig.start().await;
    let jobs = rig.next_jobs().await;
    rig.scheduler.lost(jobs[0]);
    assert!(rig.next_jobs().await.is_empty(), "it would go on for ever");
    assert!(rig.wait().await && rig.clock.now() <= BEGIN.after(Duration::from_secs(1)));
    assert_eq!(rig.drain().await.len(), 1);
    assert_eq!(rig.states(hook.id).await, [CallbackState::Delivered]);
}

#[tokio::test]
async fn hooks_4_when_slots_are_scarce_every_endpoint_gets_its_turn() {
    const LANES: usize = 12;
    const SLOTS: usize = 8;
    let mut rig = Rig::new();
    for lane in 0..LANES {
        rig.hook(|spec| {
            spec.url = format!("https://receiver-{lane}.example/");
            spec.events = vec!["run.started".into()];
        })
        .await;
    }
    for _ in 0..20 {
        rig.start().await;
    }
    rig.scheduler = px_outbound::Scheduler::new(rig.parts.clone(), SLOTS);
    let mut first = std::collections::BTreeSet::new();
    let mut sent = 0;
    // Everybody has been served before anybody is done.
    while first.len() < LANES {
        let jobs = rig.next_jobs().await;
        assert!(!jobs.is_empty() && jobs.len() <= SLOTS, "{} jobs after {sent}", jobs.len());
        for job in jobs {
            let report = job.run(&rig.parts).await;
            rig.scheduler.done(report);
            let callback = rig.store.outbox().callback(SCOPE, job.delivery()).await.unwrap().unwrap();
            first.insert(callback.lane);
            sent += 1;
        }
        assert!(sent <= LANES * 6, "only {} endpoints had a turn in {sent} requests", first.len());
    }
    rig.drain().await;
    assert!(rig.all().await.iter().all(|one| one.state == CallbackState::Delivered));
}
