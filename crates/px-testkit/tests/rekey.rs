//! Another key for a store, by a process that dies before and after each commit of
//! it: whoever has both keys reads everything at every moment, and the same call
//! once more is the end of it.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

use std::sync::Arc;
use std::time::Duration;

use px_core::hook::Source;
use px_core::{Clock, Ids, ManualClock, Scope, Timestamp};
use px_outbound::guard::Policy;
use px_outbound::operate::{Spec, is_unreadable};
use px_outbound::transport::Simulated;
use px_outbound::{Operator, SenderContext};
use px_secrets::vault::Vault;
use px_secrets::{KeyParts, NewSecret, Redaction, Resealed, Secrets, key, rekey};
use px_store::Store;
use px_store_rows::{Embedded, MemoryRows};
use px_testkit::{Fault, FaultyStore};
use secrecy::{ExposeSecret as _, SecretString};

const VALUE: &str = "sk_live_0123456789";

fn parts(store: Arc<dyn Store>, vault: &Vault) -> KeyParts {
    let clock = ManualClock::at(Timestamp::from_millis(1_000));
    KeyParts {
        store,
        clock: Arc::new(clock) as Arc<dyn Clock>,
        ids: Arc::new(Ids::new()),
        scope: Scope::default(),
        vault: vault.clone(),
    }
}

fn operator(parts: &KeyParts) -> Operator {
    Operator::new(SenderContext {
        cluster: Arc::new(px_store::cluster::OneMember::new(1)),
        store: Arc::clone(&parts.store),
        clock: Arc::clone(&parts.clock),
        ids: Arc::clone(&parts.ids),
        scope: parts.scope,
        vault: parts.vault.clone(),
        redaction: Redaction::default(),
        transport: Arc::new(Simulated::status(200)),
        policy: Policy::public(),
    })
}

/// A store with hooks and secrets under a key.
async fn lived(vault: &Vault) -> Arc<dyn Store> {
    let store: Arc<dyn Store> = Arc::new(Embedded::new(MemoryRows::new()));
    let parts = parts(Arc::clone(&store), vault);
    key::prove_key(&parts, false).await.unwrap();
    for n in 0..3 {
        let mut spec = Spec::to(format!("https://receiver.example/{n}"));
        spec.headers = vec![("Authorization".into(), SecretString::from("Bearer of something"))];
        operator(&parts).create(spec, Source::Api).await.unwrap();
    }
    let secrets = Secrets::open(parts).await.unwrap();
    for value in ["the one before", VALUE] {
        let new = |name: &str| NewSecret {
            name: name.to_owned(),
            value: value.into(),
            grace: Duration::from_hours(1),
        };
        secrets.set(vec![new("STRIPE_KEY"), new("OTHER_KEY")]).await.unwrap();
    }
    store
}

/// Returns whether a process with this key reads everything.
async fn reads_all(store: &Arc<dyn Store>, vault: &Vault) -> bool {
    let parts = parts(Arc::clone(store), vault);
    let secrets = Secrets::open(parts.clone()).await.unwrap();
    let value = |name: &str| {
        let held = secrets.held(name)?;
        let old = held.old.first()?.0.expose_secret() == "the one before";
        Some(old && held.current?.expose_secret() == VALUE)
    };
    let of_hooks = operator(&parts).hooks().unwrap().iter().all(|hook| !is_unreadable(vault, hook));
    value("STRIPE_KEY") == Some(true) && value("OTHER_KEY") == Some(true) && of_hooks
}

#[tokio::test]
async fn a_death_at_any_commit_loses_nothing_and_the_same_call_finishes_it() {
    let (old, new) = (Vault::new(&[1; 32]), Vault::new(&[2; 32]));
    let both = old.clone().beside(new.clone());
    let mut deaths = 0;
    for fault in [Fault::DiesBefore, Fault::DiesAfter] {
        for at in 0.. {
            let store = lived(&old).await;
            let dying = FaultyStore::new(Arc::clone(&store));
            dying.plan(move |number, _| (number == at).then_some(fault));
            let dying: Arc<dyn Store> = Arc::new(dying.clone());
            let parts_of_dying = parts(dying, &both);
            let call = rekey(&parts_of_dying, &new);
            let Ok(interrupted) = tokio::time::timeout(Duration::from_millis(50), call).await else {
                // The process is gone, and its last call with it.
                finishes(&store, &both, (&old, &new)).await;
                deaths += 1;
                continue;
            };
            match interrupted {
                Ok(done) => {
                    assert_eq!(done, Resealed { hooks: 3, secrets: 2 });
                    assert!(reads_all(&store, &new).await && !reads_all(&store, &old).await);
                    break;
                }
                Err(_) => {
                    finishes(&store, &both, (&old, &new)).await;
                    deaths += 1;
                }
            }
        }
    }
    assert_eq!(deaths, 6, "three commits, before and after each");
}

/// What an interrupted call has left is readable, is served under both keys, and is
/// finished by another call.
async fn finishes(store: &Arc<dyn Store>, both: &Vault, (old, new): (&Vault, &Vault)) {
    assert!(reads_all(store, both).await, "nothing is lost between");
    let scope = Scope::default();
    let (is_old, is_new) =
        (key::is_key_of(store, scope, old).await.unwrap(), key::is_key_of(store, scope, new).await.unwrap());
    assert_ne!(is_old, is_new, "one of them is the store's at every moment");
    if is_new == Some(true) {
        assert!(reads_all(store, new).await, "the check value is the last");
    }
    let parts = parts(Arc::clone(store), both);
    key::prove_key(&parts, false).await.unwrap();
    rekey(&parts, new).await.unwrap();
    assert!(reads_all(store, new).await && !reads_all(store, old).await);
}

#[tokio::test]
async fn a_key_that_does_not_read_the_store_changes_nothing() {
    let (old, new, other) = (Vault::new(&[1; 32]), Vault::new(&[2; 32]), Vault::new(&[3; 32]));
    let store = lived(&old).await;
    let refused = rekey(&parts(Arc::clone(&store), &other.beside(new.clone())), &new).await.unwrap_err();
    let text = refused.to_string();
    assert!(text.contains("secret 'OTHER_KEY'") && text.contains("another key"), "{text}");
    assert!(reads_all(&store, &old).await);
}
