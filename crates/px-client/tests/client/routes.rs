//! Every route, asked by its method and read as its type.

use futures_util::StreamExt as _;
use px_client::api::{
    Action, BindDelivery, BrainHistory, BulkAction, BulkFilter, BulkState, CallbackState, Code, CreateHook,
    DeliveryState, Detail, FindBrains, ForkRun, ListCallbacks, ListDeliveries, ListRuns, ListStore, Open,
    RecoverHook, RerunRun, ResumeRun, Retry, RotateSecret, RunStatus, SendTest, SetSecret, SignalType,
    Signature, StartBulk, StartRun, Timestamp, UpdateHook,
};

use super::support::{answer, serve, start};

#[tokio::test]
async fn the_server_says_how_it_is() {
    let (server, client) = serve().await;
    assert!(client.status().await.unwrap().ready);
    assert_eq!(client.live().await.unwrap().status, "live");
    assert_eq!(client.ready().await.unwrap().status, "ready");
    let overview = client.overview().await.unwrap();
    assert_eq!((overview.attention.len(), overview.runs.waiting.count), (0, 0));
    assert_eq!(client.openapi().await.unwrap()["openapi"], "3.1.0");
    assert!(client.hook_keys().await.unwrap().keys.is_empty());
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn brains_are_listed_and_shown() {
    let (server, client) = serve().await;
    assert_eq!(client.brains(&FindBrains::default()).await.unwrap().count, 2);
    let one = FindBrains { q: Some("surveys".into()) };
    assert_eq!(client.brains(&one).await.unwrap().brains[0].title, "surveys");
    let brain = client.brain("survey").await.unwrap();
    let titles: Vec<&str> = brain.steps.iter().map(|step| &*step.title).collect();
    assert_eq!((titles, &brain.steps[0].kind), (vec!["ask", "note"], &"step".to_owned()));
    let run = start(&client, "listed").await;
    let history = client.brain_history("survey", &BrainHistory { limit: Some(1) }).await.unwrap();
    let active = client.active_runs("survey").await.unwrap();
    for runs in [history.into_value().runs, active.into_value().runs] {
        assert_eq!((runs.len(), runs[0].brain_run_id.to_string()), (1, run.clone()));
    }
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn runs_are_steered() {
    let (server, client) = serve().await;
    let run = start(&client, "steered").await;
    let waits = client.run(&run).await.unwrap();
    let place = waits.registrations().next().unwrap();
    assert_eq!((&*place.slug, &*place.identifier), ("page-form", "steered"));
    let before = client.run_at(&run, 1).await.unwrap();
    assert_eq!((&before.status, before.seq), (&RunStatus::Running, 1));

    let taken = client.signal_run(&run, &SignalType::Pause.into()).await.unwrap();
    assert_eq!(taken.signal.kind, "PAUSE");
    let label = ["order=o 2&", "outcome=refused"].into_iter().collect();
    let labelled = client.runs(&ListRuns { label, ..ListRuns::default() }).await.unwrap();
    assert_eq!((labelled.runs.len(), labelled.looked), (0, Some(0)), "it was asked for both");
    let paused = ListRuns { status: Some("paused".into()), ..ListRuns::default() };
    assert_eq!(client.runs(&paused).await.unwrap().runs.len(), 1);
    assert!(client.resume_run(&run, &ResumeRun::default()).await.unwrap().success);
    let again = client.resume_run(&run, &ResumeRun::default()).await.unwrap_err();
    assert_eq!(again.code(), Some(Code::WrongRunStatus));

    let filter = BulkFilter { brain: Some("survey".into()), ..BulkFilter::default() };
    let many = StartBulk { action: BulkAction::Pause, filter, dry_run: false, at_most: Some(1) };
    assert_eq!(client.preview_bulk(&many).await.unwrap().would, 1);
    let job = client.start_bulk(&many).await.unwrap();
    assert_eq!((job.total, client.bulk_jobs().await.unwrap().jobs[0].id), (1, job.id));
    // One that is over cannot be stopped; whether it is over by now is the worker's to say.
    let _ = client.stop_bulk(job.id).await;
    assert_ne!(client.bulk_job(job.id).await.unwrap().state, BulkState::Running);

    client.cancel_run(&run).await.unwrap();
    assert_eq!(client.cancel_run(&run).await.unwrap_err().code(), Some(Code::RunNotActive));
    let restarted = client.rerun_run(&RerunRun::from_step(&run, 1)).await.unwrap();
    assert_eq!((restarted.brain_run_id.to_string(), &*restarted.brain_title), (run.clone(), "survey"));
    let forked = client.fork_run(&run, &ForkRun::from_step(1)).await.unwrap().brain_run_id;
    let positions = ListRuns { include: Some("position".into()), ..ListRuns::default() };
    let listed = client.runs(&positions).await.unwrap();
    let summary = listed.runs.iter().find(|one| one.brain_run_id == forked).unwrap();
    assert!(matches!(&summary.position, Some(Open::Known(position)) if !position.frames.is_empty()));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn deliveries_say_what_became_of_them() {
    let (server, client) = serve().await;
    assert_eq!(client.webhooks().await.unwrap().count, 0);
    let nobody = client.send_test(&SendTest::to("nobody")).await.unwrap_err();
    assert_eq!(nobody.code(), Some(Code::WebhookNotFound));
    let run = start(&client, "inbox").await;
    let accepted = answer(&client, "inbox").await.accepted().unwrap();
    assert_eq!(
        (&accepted.action, accepted.brain_run_id.unwrap().to_string()),
        (&Action::Resumed, run.clone())
    );
    let query = ListDeliveries { state: Some("resumed".into()), ..ListDeliveries::default() };
    let listed = client.deliveries(&query).await.unwrap();
    assert_eq!(listed.deliveries[0].id, accepted.delivery_id);
    let delivery = client.delivery(accepted.delivery_id).await.unwrap();
    assert_eq!(delivery.state, Some(DeliveryState::Resumed));
    assert!(delivery.why.contains("took the event"), "{}", delivery.why);
    let bound = client.bind_delivery(accepted.delivery_id, &BindDelivery::to(&run)).await.unwrap_err();
    assert_eq!(bound.code(), Some(Code::DeliveryUnfit), "{bound}");
    let none = client.delivery_file(accepted.delivery_id, 0).await.unwrap_err();
    assert!(none.to_string().contains("has no files"), "{none}");
    let replayed = client.replay_delivery("whd_00000000000070008000000000000000").await.unwrap_err();
    assert_eq!(replayed.code(), Some(Code::DeliveryNotFound));
    let answered = client.run_events(&run, &Default::default()).await.unwrap();
    let response = answered.events.iter().find_map(|event| match event.detail() {
        Detail::Response { response, .. } => response,
        _ => None,
    });
    assert_eq!(response.unwrap()["name"], "Ada");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn values_that_outlive_runs_are_read_and_removed() {
    let (server, client) = serve().await;
    let run = client.start_run(&StartRun::of("surveys")).await.unwrap().brain_run_id;
    let mut events = client.watch_run(run).events();
    while events.next().await.is_some() {}
    let list = ListStore::default();
    assert_eq!(client.store_brains(&list).await.unwrap().brains, ["surveys"]);
    let one = ListStore { limit: Some(1), ..ListStore::default() };
    let first = client.store_keys("surveys", &one).await.unwrap();
    assert_eq!((&*first.keys[0].key, &*first.keys[0].scope), ("seen/once", "a b"));
    let rest = ListStore { cursor: first.next_cursor.clone(), ..ListStore::default() };
    assert_eq!(client.store_keys("surveys", &rest).await.unwrap().keys[0].key, "ended");
    assert_eq!(client.store_value("surveys", "shared", "ended").await.unwrap().value, 1);
    assert_eq!(client.store_value("surveys", "a b", "seen/once").await.unwrap().value, true);
    client.delete_store_value("surveys", "a b", "seen/once").await.unwrap();
    let gone = client.store_value("surveys", "a b", "seen/once").await.unwrap_err();
    assert_eq!(gone.code(), Some(Code::NotFound));
    assert_eq!(client.clear_store("surveys").await.unwrap().deleted, 1);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn hooks_are_made_changed_and_deleted() {
    let (server, client) = serve().await;
    let hook = CreateHook {
        // A port that nobody listens on: what is sent fails, and is tried again.
        url: Some("http://127.0.0.1:1/".into()),
        name: Some("billing".into()),
        signature: Some(serde_json::json!({"mode": "stripe", "header": "X-Sig"})),
        retry: Some(serde_json::json!(["1h", "2h"])),
        headers: Some([("x-team".to_owned(), "secret".into())].into()),
        ..CreateHook::default()
    };
    let created = client.create_hook(&hook).await.unwrap();
    let secret = created.secret.as_ref().unwrap().expose().to_owned();
    let id = created.id;
    let shown = client.hook(id).await.unwrap();
    assert!(shown.secret.is_none() && shown.has_secret);
    assert_eq!(shown.retry, Open::Known(Retry::Delays(vec!["3600000ms".into(), "7200000ms".into()])));
    assert!(matches!(&shown.signature, Open::Known(Signature::Named { mode, .. }) if mode == "stripe"));
    assert_eq!(shown.headers, ["x-team"]);

    let rotated = client.rotate_secret(id, &RotateSecret::default()).await.unwrap();
    assert_ne!(rotated.secret.as_ref().unwrap().expose(), secret);
    let sent = client.test_hook(id).await.unwrap().delivery_id;
    let callback = client.callback(sent).await.unwrap();
    assert_eq!((callback.hook_id, callback.brain_run_id), (id, None));
    assert_eq!(client.hook_callbacks(id, &ListCallbacks::default()).await.unwrap().deliveries.len(), 1);
    let of_hook = ListCallbacks { hook: Some(id.to_string()), ..ListCallbacks::default() };
    assert_eq!(client.callbacks(&of_hook).await.unwrap().deliveries[0].id, sent);
    assert_eq!(client.hook_stats(id).await.unwrap().deliveries, 1);
    let redelivered = client.redeliver(sent).await.unwrap();
    assert!(matches!(redelivered.state, CallbackState::Pending | CallbackState::Parked));
    let recovery = RecoverHook { since: Some(Timestamp::EPOCH), dry_run: true, ..RecoverHook::default() };
    assert!(client.recover_hook(id, &recovery).await.unwrap().dry_run);

    let change = UpdateHook {
        enabled: Some(false),
        hook: CreateHook { events: Some(vec!["run.*".into()]), ..CreateHook::default() },
        send_kept: None,
    };
    let changed = client.update_hook(id, &change).await.unwrap();
    assert_eq!((changed.enabled, &*changed.events), (false, &["run.*".to_owned()][..]));
    assert_eq!(changed.disabled.as_ref().unwrap().by, "operator");
    assert_eq!(client.hooks().await.unwrap().count, 1);
    client.delete_hook(id).await.unwrap();
    assert_eq!(client.hook(id).await.unwrap_err().code(), Some(Code::HookNotFound));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn secrets_are_set_listed_and_deleted() {
    let (server, client) = serve().await;
    let set = client.set_secret(&SetSecret::new("STRIPE_KEY", "sk_live_0123456789")).await.unwrap();
    assert_eq!((set.name.as_str(), set.created_at == set.updated_at), ("STRIPE_KEY", true));
    let several = ["STRIPE_KEY", "OTHER_KEY"].map(|name| SetSecret::new(name, "sk_live_9876543210"));
    let done = client.set_secrets(several.to_vec()).await.unwrap();
    assert_eq!((done.created, done.updated), (1, 1));
    assert_eq!(client.secrets().await.unwrap().count, 2);
    assert!(client.secret_exists("OTHER_KEY").await.unwrap().exists);
    assert_eq!(client.secret_reads("OTHER_KEY").await.unwrap().count, 0);
    client.delete_secret("OTHER_KEY").await.unwrap();
    assert!(!client.secret_exists("OTHER_KEY").await.unwrap().exists);
    let refused = client.set_secret(&SetSecret::new("SHORT", "x")).await.unwrap_err();
    assert_eq!(refused.code(), Some(Code::SecretInvalid));
    server.shutdown().await.unwrap();
}
