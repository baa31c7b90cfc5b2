//! Two processes that serve one store and are not configured alike: another
//! set of hooks in `px.toml`, another key of secrets. Each scenario is lived
//! through once more over what is wrong on purpose, and comes out differently.

#![allow(clippy::unwrap_used, reason = "test code: what is unexpected fails the test")]

use std::sync::Arc;

use px_core::hook::Source;
use px_core::{Clock, Ids, ManualClock, Scope, Timestamp};
use px_outbound::guard::Policy;
use px_outbound::operate::{Error, Spec, configure, delete_unnamed, digest, holds_sealed, prove_key};
use px_outbound::transport::Simulated;
use px_outbound::vault::Vault;
use px_outbound::{Operator, SenderContext};
use px_store::cluster::ConfigDigest;
use px_store::{Batch, Store, Table};
use px_store_rows::{Embedded, MemoryRows};
use px_testkit::FaultyStore;

fn memory() -> Arc<dyn Store> {
    Arc::new(Embedded::new(MemoryRows::new()))
}

/// A process over a store, with the key of this byte.
fn process(store: &Arc<dyn Store>, key: u8) -> Operator {
    Operator::new(SenderContext {
        cluster: Arc::new(px_store::cluster::OneMember::new(1)),
        store: Arc::clone(store),
        clock: Arc::new(ManualClock::at(Timestamp::from_millis(1_000))) as Arc<dyn Clock>,
        ids: Arc::new(Ids::new()),
        scope: Scope::default(),
        vault: Vault::new(&[key; 32]),
        redaction: px_secrets::Redaction::default(),
        transport: Arc::new(Simulated::status(200)),
        policy: Policy::public(),
    })
}

fn named(name: &str) -> Spec {
    let mut spec = Spec::to(format!("https://{name}.example/px"));
    spec.name = name.to_owned();
    spec
}

fn names(operator: &Operator) -> Vec<String> {
    let mut names: Vec<_> = operator.hooks().unwrap().into_iter().map(|hook| hook.name).collect();
    names.sort();
    names
}

async fn check_values(store: &Arc<dyn Store>) -> usize {
    store.scan(Scope::default(), Table::KeyCheck, None, 9).await.unwrap().rows.len()
}

fn refusal(outcome: Result<(), Error>) -> Vec<String> {
    match outcome {
        Err(Error::Key(px_secrets::key::Error::OtherKey { names })) => names,
        other => panic!("a process with another key is refused, and not {other:?}"),
    }
}

/// Whether of two processes with different keys the second one is refused,
/// before anything was sealed.
async fn the_second_key_is_refused(store: &Arc<dyn Store>) -> bool {
    prove_key(process(store, 1).parts(), false).await.unwrap();
    matches!(
        prove_key(process(store, 2).parts(), false).await,
        Err(Error::Key(px_secrets::key::Error::OtherKey { .. }))
    )
}

#[tokio::test]
async fn w12_a_process_with_another_key_is_refused_by_name() {
    let store = memory();
    assert!(!holds_sealed(&store, Scope::default()).await.unwrap());
    assert!(the_second_key_is_refused(&store).await);
    assert!(holds_sealed(&store, Scope::default()).await.unwrap(), "no key is made anew from here on");
    let first = process(&store, 1);
    first.create(named("billing"), Source::Api).await.unwrap();
    assert_eq!(refusal(prove_key(process(&store, 2).parts(), false).await), ["'billing'"]);
    prove_key(process(&store, 1).parts(), false).await.unwrap();
    assert_eq!(check_values(&store).await, 1);
}

#[tokio::test]
async fn w12_a_store_that_forgets_the_check_value_is_caught() {
    let store = Arc::new(FaultyStore::new(memory()));
    store.detour(|inner, batch, admission| inner.commit(Batch { key_check: None, ..batch }, admission));
    let store: Arc<dyn Store> = store;
    assert!(!the_second_key_is_refused(&store).await, "the scenario notices that it is missing");
}

#[tokio::test]
async fn w12_a_store_from_before_there_was_a_check_value_gets_it_from_the_key_that_fits() {
    let store = memory();
    process(&store, 1).create(named("billing"), Source::Config).await.unwrap();
    assert!(holds_sealed(&store, Scope::default()).await.unwrap());
    assert_eq!(refusal(prove_key(process(&store, 2).parts(), false).await), ["'billing'"]);
    assert_eq!(check_values(&store).await, 0, "who is refused changes nothing");
    prove_key(process(&store, 1).parts(), false).await.unwrap();
    assert_eq!(check_values(&store).await, 1);
}

#[tokio::test]
async fn w12_of_two_that_start_at_once_one_key_counts() {
    let store = Arc::new(FaultyStore::new(memory()));
    store.detour(|inner, batch, admission| {
        let inner = Arc::clone(inner);
        Box::pin(async move {
            // The other process commits between the look and the write.
            prove_key(process(&inner, 1).parts(), false).await.unwrap();
            inner.commit(batch, admission).await
        })
    });
    let store: Arc<dyn Store> = store;
    assert!(refusal(prove_key(process(&store, 2).parts(), false).await).is_empty());
    prove_key(process(&store, 1).parts(), false).await.unwrap();
}

#[tokio::test]
async fn w12_a_lost_key_is_replaced_when_somebody_says_so() {
    let store = memory();
    prove_key(process(&store, 1).parts(), false).await.unwrap();
    prove_key(process(&store, 2).parts(), true).await.unwrap();
    prove_key(process(&store, 2).parts(), false).await.unwrap();
    assert!(refusal(prove_key(process(&store, 1).parts(), false).await).is_empty());
}

/// The hooks that are there after the second step of a deploy, in which one
/// process is new and one still old; `sees` is whether the new one is told of it.
async fn half_a_deploy(sees: bool) -> Vec<String> {
    let store = memory();
    let (before, after) = (vec![named("audit"), named("billing")], vec![named("audit"), named("crm")]);
    configure(&process(&store, 1), before.clone(), &[], &|_| Vec::new()).await.unwrap();
    let others = if sees { vec![digest(&before)] } else { Vec::new() };
    configure(&process(&store, 1), after, &others, &|_| Vec::new()).await.unwrap();
    names(&process(&store, 1))
}

#[tokio::test]
async fn w10_hooks_of_two_configurations_stay_while_both_are_served() {
    assert_eq!(half_a_deploy(true).await, ["audit", "billing", "crm"]);
}

#[tokio::test]
async fn w10_a_process_that_sees_nobody_else_is_caught() {
    assert_eq!(half_a_deploy(false).await, ["audit", "crm"], "it deletes what the other one serves");
}

#[tokio::test]
async fn w10_what_no_configuration_names_is_deleted_once_all_agree() {
    let store = memory();
    let (before, after) = (vec![named("audit"), named("billing")], vec![named("audit"), named("crm")]);
    let first = process(&store, 1);
    configure(&first, before.clone(), &[], &|_| Vec::new()).await.unwrap();
    let second = process(&store, 1);
    let done = configure(&second, after.clone(), &[digest(&before)], &|_| Vec::new()).await.unwrap();
    assert_eq!((done.created, done.changed, done.deleted), (1, 0, 0));
    // The old one ends, and comes back with the new configuration, in another order.
    let turned: Vec<_> = after.iter().rev().cloned().collect();
    let done = configure(&process(&store, 1), turned, &[digest(&after)], &|_| Vec::new()).await.unwrap();
    assert_eq!((done.created, done.changed, done.deleted), (0, 0, 1));
    assert_eq!(names(&second), ["audit", "crm"]);
}

/// The old process was the last of its configuration, and has ended: nobody starts
/// any more, and whoever looks after the store deletes what is named no more.
#[tokio::test]
async fn w10_what_the_last_of_a_configuration_leaves_is_deleted_by_who_stays() {
    let store = memory();
    let (before, after) = (vec![named("audit"), named("billing")], vec![named("audit")]);
    configure(&process(&store, 1), before.clone(), &[], &|_| Vec::new()).await.unwrap();
    let stays = process(&store, 1);
    stays.create(named("manual"), Source::Api).await.unwrap();
    configure(&stays, after.clone(), &[digest(&before)], &|_| Vec::new()).await.unwrap();
    let unknown = ConfigDigest::default();
    for others in [vec![digest(&before)], vec![digest(&after), unknown]] {
        assert_eq!(delete_unnamed(&stays, &after, &others).await.unwrap(), 0);
    }
    assert_eq!(delete_unnamed(&stays, &after, &[digest(&after)]).await.unwrap(), 1);
    assert_eq!(names(&stays), ["audit", "manual"]);
}

#[test]
fn a_digest_tells_what_a_hook_is_and_nothing_of_its_secret() {
    let mut other = named("audit");
    other.secret = Some("whsec_topsecret".into());
    assert_eq!(digest(&[named("audit")]), digest(&[other.clone()]));
    other.url = "https://elsewhere.example".to_owned();
    assert_ne!(digest(&[named("audit")]), digest(&[other]));
    assert_ne!(digest(&[named("audit")]), digest(&[]));
}
