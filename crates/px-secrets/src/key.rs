//! The key that secrets rest under, compared with the store before anything is
//! sealed: a process with another key could read nothing that is there, and
//! what it sealed itself nobody else could read.
//!
//! The store keeps a check value, a known text sealed under its key. A store
//! that was written before there was one gets it at its first start, from a
//! key that opens every secret that is there.

use std::sync::Arc;

use px_core::hook::{Hook, Sealed};
use px_core::{Clock, Ids, Scope};
use px_store::secret_key::{KeyCheck, KeyCheckWrite};
use px_store::secrets::{self, SecretRecord};
use px_store::{Batch, Bound, Contended, Round, RoundError, Row, Store, Table, Versioned};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};

use crate::vault::{Place, Vault};

/// Rounds for a change that is made anew when rows changed meanwhile.
pub(crate) const ROUNDS: Bound = Bound::waiting(16);

/// Context of whoever seals and opens. Cheap to clone.
#[derive(Clone)]
pub struct KeyParts {
    /// Store of all records.
    pub store: Arc<dyn Store>,
    /// Source of the time.
    pub clock: Arc<dyn Clock>,
    /// Source of versions.
    pub ids: Arc<Ids>,
    /// Scope of the records.
    pub scope: Scope,
    /// Vault of this process' key.
    pub vault: Vault,
}

impl std::fmt::Debug for KeyParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyParts").field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// Reason that a process cannot use its key with a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The secrets of the store are sealed under another key.
    #[error("the secrets of this store are sealed under another key than this process has{}", unread(names))]
    OtherKey {
        /// The first hooks and secrets that cannot be read, by name.
        names: Vec<String>,
    },
    /// Others changed the same rows again and again.
    #[error("the store's key changed {0} times meanwhile; try again")]
    TooManyRounds(u32),
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] px_store::Error),
}

impl From<Contended> for Error {
    fn from(contended: Contended) -> Self {
        Self::TooManyRounds(contended.rounds)
    }
}

impl RoundError for Error {}

fn unread(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("; it cannot read those of {}", names.join(", ")) }
}

/// The text that a check value seals. What counts is that it can be opened.
const KNOWN: &str = "px";

/// Bytes of the secret that signed links are made with.
const LINK_SECRET_BYTES: usize = 32;

/// The name that it is sealed for: no secret can have it.
const LINK_PLACE: &str = "signed links";

/// Hooks that are read at once.
pub(crate) const PAGE: usize = 200;

/// Hooks that a refusal names at most.
const NAMED: usize = 5;

/// The findings about what a store has sealed, for whoever has a key or has lost it.
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
    /// The first secrets that it does not open, by name; likewise.
    pub unreadable_secrets: Vec<String>,
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
    let number = check.as_ref().and_then(|check| check.record.store).unwrap_or_default();
    for secret in secrets::list(&**store, scope).await? {
        found.holds_sealed = true;
        let is_closed = vault.is_none_or(|vault| !opens_secret(vault, number, scope, &secret.record));
        if found.unreadable_secrets.len() < NAMED && is_closed {
            found.unreadable_secrets.push(format!("'{}'", secret.record.name));
        }
    }
    found.is_other_key = vault.is_some_and(|vault| match &check {
        Some(check) => !opens(vault, &check.record),
        None => !found.unreadable.is_empty() || !found.unreadable_secrets.is_empty(),
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

/// Proves that this process has the store's key, and leaves the check value, the
/// number of the store and the key of its links where there is none. With `replace` the key becomes the
/// store's, whatever it was; what was sealed before then stays unreadable.
///
/// A vault whose key dies with the process proves nothing and leaves nothing.
///
/// # Errors
/// [`Error::OtherKey`] if something is sealed that the key does not open.
pub async fn prove_key(parts: &KeyParts, replace: bool) -> Result<(), Error> {
    if parts.vault.is_forgetful() {
        return Ok(());
    }
    // Another process may have written one meanwhile: then its value counts.
    let proved = parts.store.transact(ROUNDS, |_| async move {
        let found = key_check(&parts.store, parts.scope).await?;
        let opened = found.as_ref().is_some_and(|found| opens(&parts.vault, &found.record));
        let number = found.as_ref().and_then(|found| found.record.store);
        let links = found.as_ref().and_then(|found| opened_links(parts, &found.record));
        if opened && number.is_some() && links.is_some() {
            return Ok(Round::Done(()));
        }
        if opened && links.is_none() && found.as_ref().is_some_and(|found| found.record.links.is_some()) {
            return Err(px_store::Error::Corrupt("the key of signed links".into()).into());
        }
        if !opened && !replace {
            let sealing = sealing(&parts.store, parts.scope, Some(&parts.vault)).await?;
            if sealing.is_other_key {
                let of_secrets = sealing.unreadable_secrets.iter().map(|name| format!("secret {name}"));
                return Err(Error::OtherKey {
                    names: sealing.unreadable.into_iter().chain(of_secrets).collect(),
                });
            }
        }
        let expected = found.map(|found| found.version);
        let batch = check_batch(parts, &parts.vault, expected, (number, links));
        Ok(Round::Commit(Box::new(batch), ()))
    });
    proved.await
}

/// The secret that signed links are made with: that of the store, which
/// [`prove_key`] has left there. A vault whose key dies with the process has one that
/// does so, too.
///
/// # Errors
/// The store could not be read, or its key of links does not open.
pub async fn link_secret(parts: &KeyParts) -> Result<Zeroizing<[u8; LINK_SECRET_BYTES]>, Error> {
    let mut secret = Zeroizing::new([0; LINK_SECRET_BYTES]);
    if parts.vault.is_forgetful() {
        px_core::random_bytes(secret.as_mut_slice());
        return Ok(secret);
    }
    let check = key_check(&parts.store, parts.scope).await?;
    let opened = check.and_then(|check| opened_links(parts, &check.record));
    let opened = opened.ok_or_else(|| Error::OtherKey { names: vec!["signed links".to_owned()] })?;
    hex::decode_to_slice(opened.expose_secret(), secret.as_mut_slice())
        .map_err(|_| px_store::Error::Corrupt("the key of signed links".into()))?;
    Ok(secret)
}

/// The key of links of a check value, if there is one and this vault opens it.
pub(crate) fn opened_links(parts: &KeyParts, check: &KeyCheck) -> Option<SecretString> {
    let place = Place { store: check.store?, scope: parts.scope, name: LINK_PLACE };
    parts.vault.open_for(&place, check.links.as_ref()?).ok()
}

/// The commit of a check value under the key of this vault. A store that has no
/// number gets one, and so does one that has no key of links.
pub(crate) fn check_batch(
    parts: &KeyParts,
    vault: &Vault,
    expected: Option<u64>,
    (number, links): (Option<[u8; 16]>, Option<SecretString>),
) -> Batch {
    let number = number.unwrap_or_else(|| {
        let mut number = [0; 16];
        px_core::random_bytes(&mut number);
        number
    });
    let links = links.unwrap_or_else(|| {
        let mut secret = Zeroizing::new([0; LINK_SECRET_BYTES]);
        px_core::random_bytes(secret.as_mut_slice());
        SecretString::from(hex::encode(secret.as_slice()))
    });
    let place = Place { store: number, scope: parts.scope, name: LINK_PLACE };
    let check = KeyCheck {
        sealed: vault.seal(&SecretString::from(KNOWN)),
        store: Some(number),
        links: Some(vault.seal_for(&place, &links)),
    };
    let write = KeyCheckWrite { check, expected, version: parts.ids.version(parts.clock.now()) };
    Batch { scope: parts.scope, key_check: Some(write), ..Batch::default() }
}

/// Returns whether the check value of a store is under the key of this vault, if
/// there is a check value.
///
/// # Errors
/// The store could not be read.
pub async fn is_key_of(
    store: &Arc<dyn Store>,
    scope: Scope,
    vault: &Vault,
) -> Result<Option<bool>, px_store::Error> {
    Ok(key_check(store, scope).await?.map(|check| opens(vault, &check.record)))
}

/// The vault of a process that has two keys, of which one takes the place of the
/// other: it reads what rests under either, and seals under the one that is the
/// store's. Returns it with true if that is the next one already.
///
/// # Errors
/// The store could not be read.
pub async fn of_two(
    store: &Arc<dyn Store>,
    scope: Scope,
    (old, next): (Vault, Vault),
) -> Result<(Vault, bool), px_store::Error> {
    let is_next = is_key_of(store, scope, &next).await? == Some(true);
    // What a process that took the old one for the store's has sealed since is read, too.
    Ok((if is_next { next.beside(old) } else { old.beside(next) }, is_next))
}

/// The number of a store: zeroes where it has none, since nothing is kept there for
/// longer than a process.
pub(crate) async fn store_number(store: &Arc<dyn Store>, scope: Scope) -> Result<[u8; 16], px_store::Error> {
    Ok(key_check(store, scope).await?.and_then(|check| check.record.store).unwrap_or_default())
}

fn opens_secret(vault: &Vault, store: [u8; 16], scope: Scope, secret: &SecretRecord) -> bool {
    let place = Place { store, scope, name: &secret.name };
    secret.values.current.iter().all(|sealed| vault.open_for(&place, sealed).is_ok())
}

/// Returns whether a hook keeps something that this key does not open.
#[must_use]
pub fn is_unreadable(vault: &Vault, hook: &Hook) -> bool {
    sealed_of(hook).any(|sealed| vault.open(sealed).is_err())
}

pub(crate) fn opens(vault: &Vault, check: &KeyCheck) -> bool {
    vault.open(&check.sealed).is_ok_and(|text| text.expose_secret() == KNOWN)
}

pub(crate) async fn key_check(
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

pub(crate) fn hooks_of(rows: &[Row]) -> impl Iterator<Item = &Hook> {
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
