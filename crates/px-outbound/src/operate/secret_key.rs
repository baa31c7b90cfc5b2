//! The key that secrets rest under, compared with the store before anything is
//! sealed: a process with another key could read nothing that is there, and
//! what it sealed itself nobody else could read.
//!
//! The store keeps a check value, a known text sealed under its key. A store
//! that was written before there was one gets it at its first start, from a
//! key that opens every secret that is there.

use std::sync::Arc;

use px_core::Scope;
use px_core::hook::{Hook, Sealed};
use px_store::secret_key::{KeyCheck, KeyCheckWrite};
use px_store::{Batch, Round, Row, Store, Table, Versioned};
use secrecy::{ExposeSecret as _, SecretString};

use super::{Error, ROUNDS};
use crate::send::SenderContext;
use crate::vault::Vault;

/// The text that a check value seals. What counts is that it can be opened.
const KNOWN: &str = "px";

/// Hooks that are read at once.
const PAGE: usize = 200;

/// Hooks that a refusal names at most.
const NAMED: usize = 5;

/// What a store has sealed, for whoever has a key or has lost it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sealing {
    /// True if the store holds anything sealed: a key that is missing then must
    /// not be made anew.
    pub holds_sealed: bool,
    /// True if the vault is of another key than the store: it is not served with.
    pub is_other_key: bool,
    /// The first hooks whose secrets this vault does not open, by name: all that
    /// have secrets, where there is none.
    pub unreadable: Vec<String>,
}

/// Looks at what is sealed in a store, with this vault or without one.
///
/// # Errors
/// The store could not be read.
pub async fn sealing(
    store: &Arc<dyn Store>,
    scope: Scope,
    vault: Option<&Vault>,
) -> Result<Sealing, px_store::Error> {
    let check = key_check(store, scope).await?;
    let mut found = Sealing { holds_sealed: check.is_some(), ..Sealing::default() };
    let is_closed = |sealed: &Sealed| vault.is_none_or(|vault| vault.open(sealed).is_err());
    let mut after = None;
    loop {
        let page = store.scan(scope, Table::Hook, after.as_ref(), PAGE).await?;
        for hook in hooks_of(&page.rows) {
            found.holds_sealed |= sealed_of(hook).next().is_some();
            if found.unreadable.len() < NAMED && sealed_of(hook).any(is_closed) {
                found.unreadable.push(name_of(hook));
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    found.is_other_key = vault.is_some_and(|vault| match &check {
        Some(check) => !opens(vault, &check.record),
        None => !found.unreadable.is_empty(),
    });
    Ok(found)
}

/// Returns whether the store holds anything sealed, its check value included.
///
/// # Errors
/// The store could not be read.
pub async fn holds_sealed(store: &Arc<dyn Store>, scope: Scope) -> Result<bool, px_store::Error> {
    Ok(sealing(store, scope, None).await?.holds_sealed)
}

/// Proves that this process has the store's key, and leaves the check value
/// where there is none. With `replace` the key becomes the store's, whatever it
/// was; what was sealed before then stays unreadable.
///
/// A vault whose key dies with the process proves nothing and leaves nothing.
///
/// # Errors
/// [`Error::OtherKey`] if something is sealed that the key does not open.
pub async fn prove_key(parts: &SenderContext, replace: bool) -> Result<(), Error> {
    if parts.vault.is_forgetful() {
        return Ok(());
    }
    // Another process may have written one meanwhile: then its value counts.
    let proved = parts.store.transact(ROUNDS, |_| async move {
        let found = key_check(&parts.store, parts.scope).await?;
        if found.as_ref().is_some_and(|found| opens(&parts.vault, &found.record)) {
            return Ok(Round::Done(()));
        }
        if !replace {
            let hooks = unreadable(parts).await?;
            if found.is_some() || !hooks.is_empty() {
                return Err(Error::OtherKey { hooks });
            }
        }
        let write = KeyCheckWrite {
            check: KeyCheck { sealed: parts.vault.seal(&SecretString::from(KNOWN)) },
            expected: found.map(|found| found.version),
            version: parts.ids.version(parts.clock.now()),
        };
        let batch = Batch { scope: parts.scope, key_check: Some(write), ..Batch::default() };
        Ok(Round::Commit(batch, ()))
    });
    proved.await
}

/// Returns whether a hook keeps something that this key does not open.
#[must_use]
pub fn is_unreadable(vault: &Vault, hook: &Hook) -> bool {
    sealed_of(hook).any(|sealed| vault.open(sealed).is_err())
}

fn opens(vault: &Vault, check: &KeyCheck) -> bool {
    vault.open(&check.sealed).is_ok_and(|text| text.expose_secret() == KNOWN)
}

async fn key_check(
    store: &Arc<dyn Store>,
    scope: Scope,
) -> Result<Option<Versioned<KeyCheck>>, px_store::Error> {
    let page = store.scan(scope, Table::KeyCheck, None, 1).await?;
    match page.rows.into_iter().next() {
        None => Ok(None),
        Some(Row::KeyCheck(check)) => Ok(Some(check)),
        // A damaged value is not an absent one: no key is taken on trust.
        Some(_) => Err(px_store::Error::Corrupt("the check value of the key of secrets".into())),
    }
}

/// The first hooks that keep something that this key does not open, by name.
async fn unreadable(parts: &SenderContext) -> Result<Vec<String>, Error> {
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let page = parts.store.scan(parts.scope, Table::Hook, after.as_ref(), PAGE).await?;
        let found = hooks_of(&page.rows).filter(|hook| is_unreadable(&parts.vault, hook));
        names.extend(found.take(NAMED - names.len()).map(name_of));
        after = page.next;
        if after.is_none() || names.len() >= NAMED {
            return Ok(names);
        }
    }
}

fn hooks_of(rows: &[Row]) -> impl Iterator<Item = &Hook> {
    rows.iter().filter_map(|row| match row {
        Row::Hook(hook) => Some(&hook.record),
        _ => None,
    })
}

fn sealed_of(hook: &Hook) -> impl Iterator<Item = &Sealed> {
    let old = hook.secrets.old.iter().map(|old| &old.secret);
    hook.secrets.current.iter().chain(old).chain(hook.headers.iter().map(|(_, value)| value))
}

/// The name of a hook for people: its own, else its id.
#[must_use]
pub fn name_of(hook: &Hook) -> String {
    if hook.name.is_empty() { hook.id.to_string() } else { format!("'{}'", hook.name) }
}
