//! What people do with hooks and deliveries, in virtual time: rotate, try,
//! deliver again, recover, and what they are told when it cannot be.

mod rig;

use std::time::Duration;

use px_core::Clock as _;
use px_core::hook::{RetryPolicy, Source};
use px_outbound::guard::Policy;
use px_outbound::operate::{Recovery, Spec};
use px_outbound::transport::{Answer, Class, Failure};
use px_store::outbox::{CallbackState, Timing};
use rig::{BEGIN, Rig, SCOPE, URL, header, kinds, status};
use secrecy::SecretString;

const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn hooks_3_rotation_signs_with_both_secrets_for_the_grace_period() {
    let mut rig = Rig::new();
    let hook = rig.hook(|spec| spec.events = vec!["run.started".into()]).await;
    let signatures = async |rig: &mut Rig| {
        rig.start().await;
        let sent = rig.drain().await;
        header(&sent[0], "webhook-signature").split(' ').count()
    };
    assert_eq!(signatures(&mut rig).await, 1);
    rig.operator.rotate(hook.id, None, Duration::from_hours(24)).await.unwrap();
    assert_eq!(signatures(&mut rig).await, 2);
    rig.advance(DAY - Duration::from_secs(1));
    assert_eq!(signatures(&mut rig).await, 2);
    rig.advance(Duration::from_secs(1));
    assert_eq!(signatures(&mut rig).await, 1, "the grace period is over");
    let too_long = rig.operator.rotate(hook.id, None, 8 * DAY).await.unwrap_err();
    assert!(too_long.to_string().contains("7 days"));
}

#[tokio::test]
async fn hooks_4_a_dead_delivery_is_redelivered_with_the_same_bytes_and_all_are_recovered_at_a_rate() {
    let mut rig = Rig::new();
    let hook = rig
        .hook(|spec| {
            spec.events = vec!["run.*".into()];
            spec.retry = RetryPolicy::preset("none").unwrap();
        })
        .await;
    rig.receive(|_| status(422));
    let mut dead = Vec::new();
    for _ in 0..4 {
        rig.start().await;
        dead.extend(rig.drain().await);
    }
    assert_eq!(rig.states(hook.id).await, [CallbackState::Dead; 4]);
    rig.receive(|_| status(200));
    let first = rig.of(hook.id).await[0].id;
    rig.operator.redeliver(first).await.unwrap();
    let again = rig.drain().await;
    assert_eq!((again.len(), &again[0].body), (1, &dead[0].body));
    assert_eq!(header(&again[0], "webhook-id"), header(&dead[0], "webhook-id"));
    let recovery = Recovery { dry_run: true, rate_per_second: Some(1), ..Recovery::default() };
    let would = rig.operator.recover(hook.id, &recovery).await.unwrap();
    assert_eq!((would.deliveries, rig.drain().await.len()), (3, 0), "a dry run sends nothing");
    let done = rig.operator.recover(hook.id, &Recovery { dry_run: false, ..recovery }).await.unwrap();
    assert_eq!(done.deliveries, 3);
    let mut sent = rig.drain().await.len();
    assert_eq!(sent, 1, "one a second");
    while rig.wait().await {
        sent += rig.drain().await.len();
    }
    assert_eq!(sent, 3);
    assert_eq!(rig.clock.now(), BEGIN.after(Duration::from_secs(2)));
    let stats = rig.operator.stats(hook.id).await.unwrap();
    assert_eq!((stats.deliveries, stats.attempts, stats.success_rate), (4, 8, Some(1.0)));
    rig.audit().await;
}

#[tokio::test]
async fn hooks_4_a_rate_is_kept_and_a_test_event_passes_every_filter() {
    let mut rig = Rig::new();
    let hook = rig
        .hook(|spec| {
            spec.events = vec!["run.started".into()];
            spec.rate_per_second = Some(2);
        })
        .await;
    for _ in 0..6 {
        rig.start().await;
    }
    let mut times = Vec::new();
    loop {
        times.extend(rig.drain().await.iter().map(|_| rig.clock.now().since(BEGIN).as_millis()));
        if !rig.wait().await {
            break;
        }
    }
    assert_eq!(times, [0, 400, 900, 1_400, 1_900, 2_400]);
    rig.operator.test(hook.id).await.unwrap();
    rig.advance(Duration::from_secs(1));
    assert_eq!(kinds(&rig.drain().await), ["hook.test"]);
    rig.audit().await;
}

#[tokio::test]
async fn hooks_3_no_secret_is_printed_and_a_lost_key_is_an_attempt_that_says_so() {
    let mut rig = Rig::new();
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let hook = rig
        .hook(|spec| {
            spec.events = vec!["run.started".into()];
            spec.secret = Some(SecretString::from(secret));
            spec.headers = vec![("Authorization".into(), SecretString::from("Bearer hunter2"))];
        })
        .await;
    let shown = format!("{hook:?} {}", serde_json::to_string(&hook).unwrap());
    assert!(!shown.contains("MfKQ9r8") && !shown.contains("hunter2"));
    rig.parts.vault = px_outbound::vault::Vault::forgetful();
    rig.start().await;
    let jobs = rig.next_jobs().await;
    let report = jobs[0].run(&rig.parts).await;
    rig.scheduler.done(report);
    let kept = rig.of(hook.id).await.remove(0);
    let attempt = rig.store.outbox().attempts(SCOPE, kept.id, 0, 1).await.unwrap().remove(0);
    assert_eq!(attempt.error.as_deref(), Some("unsendable"));
    assert!(attempt.message.unwrap().contains("px hooks rotate-secret"));
    assert_eq!(kept.state, CallbackState::Pending, "it waits for the key");
}

#[tokio::test]
async fn hooks_1_what_a_hook_cannot_be_is_said() {
    let rig = Rig::new();
    let refused = async |change: fn(&mut Spec)| {
        let mut spec = Spec::to(URL);
        change(&mut spec);
        rig.operator.create(spec, Source::Api).await.unwrap_err().to_string()
    };
    for (change, said) in [
        ((|spec| spec.url = "ftp://a.example/".into()) as fn(&mut Spec), "scheme"),
        (|spec| spec.url = "http://169.254.169.254/latest".into(), "metadata"),
        (|spec| spec.url = "http://127.0.0.1/".into(), "loopback"),
        (|spec| spec.events = vec!["run.begun".into()], "fits no type"),
        (|spec| spec.secret = Some(SecretString::from("short")), "whsec_"),
        (|spec| spec.headers = vec![("Host".into(), SecretString::from("x"))], "Host"),
        (|spec| spec.timeout = Duration::ZERO, "timeout"),
        (|spec| spec.max_in_flight = 0, "max_in_flight"),
    ] {
        let text = refused(change).await;
        assert!(text.to_lowercase().contains(&said.to_lowercase()), "{text}");
    }
    rig.hook(|spec| spec.allow_private = true).await;
    let private = rig.hook(|spec| {
        spec.allow_private = true;
        spec.url = "http://10.0.0.1/".into();
    });
    assert_eq!(private.await.url, "http://10.0.0.1/");
}

/// A refusal as the guard's, for this machine.
fn closed() -> Result<Answer, Failure> {
    let timing = Timing::default();
    let message = "127.0.0.1 is this machine itself (rule loopback)".to_owned();
    Err(Failure { class: Class::Egress, message, timing })
}

#[tokio::test]
async fn rules_68_callbacks_to_a_machine_that_is_closed_are_held_and_go_out_once_it_is_open() {
    let mut rig = Rig::new();
    rig.parts.policy = Policy::public().with_loopback(true);
    rig.operator = px_outbound::Operator::new(rig.parts.clone());
    let local = |spec: &mut Spec| {
        spec.url = "http://127.0.0.1:9/hook".into();
        spec.retry = RetryPolicy::preset("none").unwrap();
        spec.events = vec!["run.started".into()];
    };
    let hook = rig.hook(local).await;
    let paused = rig.hook(|spec| spec.events = vec!["run.started".into()]).await;

    // The next start: px serves others now.
    rig.restart_with(Policy::public());
    assert!(rig.operator.closed(&hook).is_some_and(|refused| refused.to_string().contains("rule loopback")));
    assert_eq!(rig.operator.closed(&paused), None);
    rig.receive(|request| if request.url.contains("127.0.0.1") { closed() } else { status(200) });
    rig.start().await;
    rig.drain().await;
    assert_eq!(rig.states(hook.id).await, [CallbackState::Held], "kept, without a try");
    assert_eq!(rig.of(hook.id).await[0].tries, 0);
    assert_eq!(rig.states(paused.id).await, [CallbackState::Delivered]);

    // Still closed: it stays. What is kept for a disabled hook is not touched either.
    px_outbound::release_held(&rig.parts).await.unwrap();
    assert_eq!(rig.states(hook.id).await, [CallbackState::Held]);

    rig.restart_with(Policy::public().with_loopback(true));
    rig.receive(|_| status(200));
    rig.operator.disable(hook.id).await.unwrap();
    px_outbound::release_held(&rig.parts).await.unwrap();
    assert_eq!(rig.states(hook.id).await, [CallbackState::Held], "its hook is disabled");
    rig.operator
        .change(hook.id, |hook| {
            hook.disabled = None;
            Ok(())
        })
        .await
        .unwrap();
    px_outbound::release_held(&rig.parts).await.unwrap();
    rig.drain().await;
    assert_eq!(rig.states(hook.id).await, [CallbackState::Delivered]);
    rig.audit().await;
}

#[tokio::test]
async fn rules_68_only_what_is_closed_for_serving_others_is_held() {
    for (url, expected) in [
        ("http://127.0.0.1:9/hook", CallbackState::Held),
        ("http://[::ffff:127.0.0.1]/hook", CallbackState::Held),
        ("http://me.localhost./hook", CallbackState::Held),
        ("http://10.0.0.1/hook", CallbackState::Dead),
        ("http://sunk.example/hook", CallbackState::Dead),
    ] {
        let mut rig = Rig::new();
        let retry = RetryPolicy::preset("none").unwrap();
        rig.restart_with(Policy::public().with_private(true));
        let local = |spec: &mut Spec| {
            (spec.url, spec.retry, spec.events) = (url.into(), retry, vec!["run.started".into()]);
        };
        let hook = rig.hook(local).await;
        rig.restart_with(Policy::public());
        rig.receive(|_| closed());
        rig.start().await;
        rig.drain().await;
        assert_eq!(rig.states(hook.id).await, [expected], "{url}");
    }
}

#[tokio::test]
async fn rules_68_a_name_that_the_resolver_calls_this_machine_is_tried_again() {
    let mut rig = Rig::new();
    let hook = rig
        .hook(|spec| {
            spec.url = "https://sunk.example/hook".into();
            spec.ordered = true;
            spec.events = vec!["run.started".into(), "run.cancelled".into()];
        })
        .await;
    rig.receive(|_| closed());
    let run = rig.start().await;
    rig.cancel(run).await;
    let sent = rig.drain().await;
    assert_eq!(kinds(&sent), ["run.started"], "what comes after it waits");
    assert_eq!(rig.states(hook.id).await, [CallbackState::Pending; 2]);
    assert_eq!(rig.of(hook.id).await[0].tries, 1);
    // Five minutes later the name is itself again.
    rig.receive(|_| status(200));
    let mut later = Vec::new();
    while rig.wait().await {
        later.extend(rig.drain().await);
    }
    assert_eq!(kinds(&later), ["run.started", "run.cancelled"], "in the order of seq");
    assert_eq!(rig.states(hook.id).await, [CallbackState::Delivered; 2]);
    rig.audit().await;
}

#[tokio::test]
async fn rules_68_a_change_that_opens_a_hook_lets_go_what_was_kept_for_it() {
    let mut rig = Rig::new();
    rig.restart_with(Policy::public().with_loopback(true));
    let events = || vec!["run.started".into()];
    let hook = rig.hook(|spec| (spec.url, spec.events) = ("http://127.0.0.1:9/hook".into(), events())).await;
    rig.restart_with(Policy::public());
    rig.start().await;
    rig.drain().await;
    assert_eq!(rig.states(hook.id).await, [CallbackState::Held]);
    let spec = Spec { events: events(), ..Spec::to("https://elsewhere.example/hook") };
    rig.operator.update(hook.id, &spec, true, Duration::ZERO).await.unwrap();
    rig.drain().await;
    assert_eq!(rig.states(hook.id).await, [CallbackState::Delivered]);
    rig.audit().await;
}

#[tokio::test]
async fn rules_68_what_comes_after_a_held_callback_of_an_ordered_hook_does_not_overtake_it() {
    let mut rig = Rig::new();
    rig.restart_with(Policy::public().with_loopback(true));
    let local = |spec: &mut Spec| {
        spec.url = "http://127.0.0.1:9/hook".into();
        spec.ordered = true;
        spec.events = vec!["run.started".into(), "run.cancelled".into()];
    };
    let hook = rig.hook(local).await;
    rig.restart_with(Policy::public());
    let (run, other) = (rig.start().await, rig.start().await);
    rig.cancel(other).await;
    assert!(rig.drain().await.is_empty());
    assert_eq!(rig.states(hook.id).await, [CallbackState::Held; 3], "kept together, and nobody asks in vain");
    assert!(!rig.wait().await);
    // Open again, and what was kept is not let go yet.
    rig.restart_with(Policy::public().with_loopback(true));
    rig.cancel(run).await;
    let mut sent = rig.drain().await;
    assert_eq!(kinds(&sent), ["run.started"], "it waits for the one before it, which goes out for it");
    while rig.wait().await {
        sent.extend(rig.drain().await);
    }
    assert_eq!(kinds(&sent), ["run.started", "run.cancelled"], "and not for ever");
    px_outbound::release_held(&rig.parts).await.unwrap();
    sent.extend(rig.drain().await);
    while rig.wait().await {
        sent.extend(rig.drain().await);
    }
    let of = |run: px_core::RunId| {
        let of_run = |request: &&px_outbound::transport::Request| {
            String::from_utf8_lossy(&request.body).contains(&run.to_string())
        };
        kinds(&sent.iter().filter(of_run).cloned().collect::<Vec<_>>())
    };
    for run in [run, other] {
        assert_eq!(of(run), ["run.started", "run.cancelled"], "in the order of seq");
    }
    rig.audit().await;
}

#[tokio::test]
async fn rules_68_a_configured_hook_that_is_closed_later_stays_and_a_new_one_is_refused() {
    let mut rig = Rig::new();
    let spec = |name: &str| {
        let mut spec = Spec::to("http://localhost:9/hook");
        (spec.name, spec.secret) =
            (name.into(), Some(SecretString::from("whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0")));
        spec
    };
    rig.restart_with(Policy::public().with_loopback(true));
    px_outbound::operate::configure(&rig.operator, vec![spec("old")], &[], &|_| Vec::new()).await.unwrap();
    rig.restart_with(Policy::public());
    px_outbound::operate::configure(&rig.operator, vec![spec("old")], &[], &|_| Vec::new()).await.unwrap();
    assert_eq!(rig.operator.hooks().unwrap().len(), 1);
    let refused =
        px_outbound::operate::configure(&rig.operator, vec![spec("old"), spec("new")], &[], &|_| Vec::new())
            .await;
    assert!(refused.unwrap_err().to_string().contains("rule loopback"));
}

#[tokio::test]
async fn rules_57_refusals_of_single_messages_do_not_park_their_neighbours() {
    for (status_code, parks) in [
        (400, false),
        (404, false),
        (410, false),
        (422, false),
        (408, true),
        (425, true),
        (429, true),
        (500, true),
        (600, true),
    ] {
        let mut rig = Rig::new();
        let picky = rig.hook(|spec| spec.events = vec!["run.started".into()]).await;
        let ends = rig.hook(|spec| spec.events = vec!["run.cancelled".into()]).await;
        rig.receive(move |request| match header(request, "x-px-event") {
            "run.started" => status(status_code),
            _ => status(200),
        });
        let mut runs = Vec::new();
        for _ in 0..6 {
            runs.push(rig.start().await);
            rig.drain().await;
        }
        rig.cancel(runs[5]).await;
        rig.drain().await;
        let delivered = rig.states(ends.id).await == [CallbackState::Delivered];
        assert_eq!(delivered, !parks, "{status_code}: {:?}", rig.states(picky.id).await);
    }
}
