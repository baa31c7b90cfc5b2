//! The key of signed links: drawn once for a store, sealed under the store's key, and
//! the same after another key has taken that one's place.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

use std::sync::Arc;

use px_core::{Clock, Ids, ManualClock, Scope, Timestamp};
use px_secrets::vault::Vault;
use px_secrets::{KeyParts, key, rekey};
use px_store::secret_key::{KeyCheck, KeyCheckWrite};
use px_store::{Admission, Batch, Row, Store, Table};
use px_store_rows::{Embedded, MemoryRows};

fn store() -> Arc<dyn Store> {
    Arc::new(Embedded::new(MemoryRows::new()))
}

fn parts(store: &Arc<dyn Store>, vault: &Vault) -> KeyParts {
    KeyParts {
        store: Arc::clone(store),
        clock: Arc::new(ManualClock::at(Timestamp::from_millis(1_000))) as Arc<dyn Clock>,
        ids: Arc::new(Ids::new()),
        scope: Scope::default(),
        vault: vault.clone(),
    }
}

/// The key as a server that starts over the store gets it.
async fn served(store: &Arc<dyn Store>, vault: &Vault) -> Result<[u8; 32], key::Error> {
    let parts = parts(store, vault);
    key::prove_key(&parts, false).await?;
    Ok(*key::link_secret(&parts).await?)
}

async fn check(store: &Arc<dyn Store>) -> px_store::Versioned<KeyCheck> {
    let rows = store.scan(Scope::default(), Table::KeyCheck, None, 2).await.unwrap().rows;
    match rows.as_slice() {
        [Row::KeyCheck(check)] => check.clone(),
        other => panic!("{other:?}"),
    }
}

async fn write(store: &Arc<dyn Store>, check: KeyCheck, expected: u64) {
    let write = KeyCheckWrite { check, expected: Some(expected), version: expected + 1 };
    let batch = Batch { key_check: Some(write), ..Batch::default() };
    store.commit(batch, Admission::Wait).await.unwrap();
}

#[tokio::test]
async fn links_that_are_out_stay_good_over_restarts_and_over_another_key_of_the_store() {
    let (old, new) = (Vault::new(&[1; 32]), Vault::new(&[2; 32]));
    let store = store();
    let first = served(&store, &old).await.unwrap();
    assert_eq!(served(&store, &old).await.unwrap(), first);
    rekey(&parts(&store, &old.clone().beside(new.clone())), &new).await.unwrap();
    assert_eq!(served(&store, &new).await.unwrap(), first);
    assert!(served(&store, &old).await.is_err(), "the old key opens nothing any more");
    assert_ne!(served(&self::store(), &new).await.unwrap(), first, "another store has another one");
    let sealed = check(&store).await.record.links.unwrap().0;
    assert!(!sealed.windows(8).any(|window| window == &hex(&first).as_bytes()[..8]), "it is not in clear");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_store_of_before_there_were_links_gets_a_key_and_damage_is_no_absence() {
    let vault = Vault::new(&[1; 32]);
    let store = store();
    let first = served(&store, &vault).await.unwrap();
    let found = check(&store).await;
    write(&store, KeyCheck { links: None, ..found.record.clone() }, found.version).await;
    let second = served(&store, &vault).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(served(&store, &vault).await.unwrap(), second);
    assert_eq!(check(&store).await.record.store, found.record.store, "the number stays");
    // A key that is there and does not open is not replaced in silence.
    let found = check(&store).await;
    let mut links = found.record.links.clone().unwrap();
    if let Some(last) = links.0.last_mut() {
        *last ^= 1;
    }
    write(&store, KeyCheck { links: Some(links), ..found.record }, found.version).await;
    assert!(served(&store, &vault).await.unwrap_err().to_string().contains("signed links"));
    let both = vault.clone().beside(Vault::new(&[2; 32]));
    assert!(rekey(&parts(&store, &both), &Vault::new(&[2; 32])).await.is_err());
}

#[tokio::test]
async fn a_vault_whose_key_dies_with_it_has_a_key_of_links_that_does_too() {
    let store = store();
    let parts = parts(&store, &Vault::forgetful());
    let (one, two) = (key::link_secret(&parts).await.unwrap(), key::link_secret(&parts).await.unwrap());
    assert_ne!(*one, *two);
    assert!(store.scan(Scope::default(), Table::KeyCheck, None, 2).await.unwrap().rows.is_empty());
}

#[tokio::test]
async fn who_has_lost_the_key_and_takes_another_one_has_other_links() {
    let store = store();
    let first = served(&store, &Vault::new(&[1; 32])).await.unwrap();
    let other = parts(&store, &Vault::new(&[2; 32]));
    key::prove_key(&other, true).await.unwrap();
    assert_ne!(*key::link_secret(&other).await.unwrap(), first);
}
