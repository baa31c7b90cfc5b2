//! Another key for everything that a store has sealed.
//!
//! Rows are sealed anew in small commits, and the check value last: until then the
//! old key is the store's, from then on the new one. Whoever has both reads the
//! store at every moment between, and a change that was interrupted is gone on with
//! by doing it again.

use px_core::hook::{Hook, Sealed};
use px_store::outbox::{HookWrite, OutboxBatch};
use px_store::secrets::{self, Part, SecretRecord, SecretWrite};
use px_store::{Admission, Batch, Epoch, EpochWrite, Outcome, Row, Table};

use crate::key::{self, Error, KeyParts, PAGE, check_batch, key_check, store_number};
use crate::vault::{Place, Vault};

/// Rows of secrets that one commit seals anew. A row may have a megabyte.
const AT_ONCE: usize = 20;

/// Number of what was sealed anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Resealed {
    /// Hooks, those of single runs among them.
    pub hooks: u64,
    /// Secrets.
    pub secrets: u64,
}

/// Seals everything anew under the key of `to`, which becomes the store's. The
/// vault of `parts` reads what is there: what rests under the key of now, and, where
/// an earlier call was interrupted, under the new one.
///
/// Nobody else may write to the store meanwhile.
///
/// # Errors
/// [`Error::OtherKey`] if something cannot be read; nothing is changed then. The
/// store failed; then the call can be made again.
pub async fn rekey(parts: &KeyParts, to: &Vault) -> Result<Resealed, Error> {
    let sealing = key::sealing(&parts.store, parts.scope, Some(&parts.vault)).await?;
    if sealing.is_other_key || !sealing.unreadable.is_empty() || !sealing.unreadable_secrets.is_empty() {
        let of_secrets = sealing.unreadable_secrets.iter().map(|name| format!("secret {name}"));
        return Err(Error::OtherKey { names: sealing.unreadable.into_iter().chain(of_secrets).collect() });
    }
    let to = to.alone();
    let check = key_check(&parts.store, parts.scope).await?;
    let number = check.as_ref().and_then(|check| check.record.store);
    let links = check.as_ref().and_then(|check| key::opened_links(parts, &check.record));
    if links.is_none() && check.as_ref().is_some_and(|check| check.record.links.is_some()) {
        return Err(Error::OtherKey { names: vec!["signed links".to_owned()] });
    }
    let resealed = Resealed { hooks: hooks(parts, &to).await?, secrets: secrets(parts, &to).await? };
    let expected = check.map(|check| check.version);
    commit(parts, check_batch(parts, &to, expected, (number, links))).await?;
    Ok(resealed)
}

async fn hooks(parts: &KeyParts, to: &Vault) -> Result<u64, Error> {
    let (mut after, mut resealed) = (None, 0);
    loop {
        let page = parts.store.scan(parts.scope, Table::Hook, after.as_ref(), PAGE).await?;
        let mut writes = Vec::new();
        for row in page.rows {
            let Row::Hook(row) = row else { continue };
            let mut hook = row.record;
            if reseal_hook(&parts.vault, to, &mut hook)? {
                let version = parts.ids.version(parts.clock.now());
                writes.push(HookWrite { hook, expected: row.version, version });
            }
        }
        resealed += writes.len() as u64;
        if !writes.is_empty() {
            let outbox = OutboxBatch { hooks: writes, ..OutboxBatch::default() };
            commit(parts, Batch { scope: parts.scope, outbox, ..Batch::default() }).await?;
        }
        after = page.next;
        if after.is_none() {
            return Ok(resealed);
        }
    }
}

/// Seals anew what a hook keeps; false if it keeps nothing, or all of it rests under
/// the new key already.
fn reseal_hook(from: &Vault, to: &Vault, hook: &mut Hook) -> Result<bool, Error> {
    let old = hook.secrets.old.iter_mut().map(|old| &mut old.secret);
    let sealed = hook.secrets.current.iter_mut().chain(old);
    let mut changed = false;
    for sealed in sealed.chain(hook.headers.iter_mut().map(|(_, value)| value)) {
        if to.open(sealed).is_err() {
            *sealed = to.seal(&from.open(sealed).map_err(|_| unreadable())?);
            changed = true;
        }
    }
    Ok(changed)
}

async fn secrets(parts: &KeyParts, to: &Vault) -> Result<u64, Error> {
    let number = store_number(&parts.store, parts.scope).await?;
    let (mut writes, mut resealed) = (Vec::new(), 0);
    for row in secrets::rows(&*parts.store, parts.scope).await? {
        let mut record = row.record;
        let is_past = Part::of(&record.name).1 == Part::Past;
        if reseal_secret(parts, to, number, &mut record)? {
            resealed += u64::from(!is_past);
            writes.push(SecretWrite {
                name: record.name.clone(),
                expected: Some(row.version),
                version: parts.ids.version(parts.clock.now()),
                record: Some(record),
            });
        }
    }
    while !writes.is_empty() {
        let later = writes.split_off(writes.len().min(AT_ONCE));
        let secrets = std::mem::replace(&mut writes, later);
        let next = Some(parts.ids.version(parts.clock.now()));
        let epochs = vec![EpochWrite { epoch: Epoch::Secrets, expected: None, next }];
        commit(parts, Batch { scope: parts.scope, secrets, epochs, ..Batch::default() }).await?;
    }
    Ok(resealed)
}

fn reseal_secret(
    parts: &KeyParts,
    to: &Vault,
    store: [u8; 16],
    record: &mut SecretRecord,
) -> Result<bool, Error> {
    let place = Place { store, scope: parts.scope, name: Part::of(&record.name).0 };
    let mut changed = false;
    let mut reseal = |sealed: &mut Sealed| {
        if to.open_for(&place, sealed).is_err() {
            let secret = parts.vault.open_for(&place, sealed).map_err(|_| unreadable())?;
            *sealed = to.seal_for(&place, &secret);
            changed = true;
        }
        Ok::<_, Error>(())
    };
    record.values.current.iter_mut().try_for_each(&mut reseal)?;
    // An old value that nobody can read counts for nobody.
    record.values.old.retain_mut(|old| reseal(&mut old.secret).is_ok());
    Ok(changed)
}

async fn commit(parts: &KeyParts, batch: Batch) -> Result<(), Error> {
    match parts.store.commit(batch, Admission::Wait).await? {
        Outcome::Committed { .. } => Ok(()),
        Outcome::Conflict(_) => Err(Error::TooManyRounds(1)),
    }
}

/// Something became unreadable since it was looked at.
fn unreadable() -> Error {
    Error::OtherKey { names: Vec::new() }
}
