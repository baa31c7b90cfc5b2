//! Hooks of the configuration: what `px.toml` says is what there is, from the
//! start on. They are known by their names.

use std::time::Duration;

use px_core::Timestamp;
use px_core::hook::{Hook, Secrets, Source};
use px_store::cluster::ConfigDigest;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};

use super::{Error, Operator, Spec};
use crate::guard::{Refused, Target};

/// Changes that the configuration made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Configured {
    /// Hooks that are new.
    pub created: usize,
    /// Hooks that are different now.
    pub changed: usize,
    /// Hooks that the configuration names no more.
    pub deleted: usize,
}

/// Returns the digest of the hooks of a configuration. Their order does not count;
/// secrets and headers are not part of it, so it may be shown.
#[must_use]
pub fn digest(specs: &[Spec]) -> ConfigDigest {
    let mut shapes: Vec<String> = specs
        .iter()
        .map(|spec| {
            // Two builds that print it differently count as two configurations,
            // which deletes less.
            let spec = Spec { headers: Vec::new(), secret: None, ..spec.clone() };
            format!("{spec:?}")
        })
        .collect();
    shapes.sort_unstable();
    let mut sum = Sha256::new();
    for shape in shapes {
        sum.update((shape.len() as u64).to_be_bytes());
        sum.update(shape);
    }
    ConfigDigest(sum.finalize().into())
}

/// The values that the secret of a hook's name had before, each with the time until which it
/// signs on: none where nobody keeps them.
type OldSecrets<'a> = &'a (dyn Fn(&str) -> Vec<(SecretString, Timestamp)> + Sync);

/// Makes the hooks of the configuration what these specs say. A secret that
/// changed is replaced at once: whoever edits the file has told the receiver. One that
/// `olds` knows signs on for as long as it says there.
///
/// `others` are the digests of the other processes that serve the store now, as for
/// [`delete_unnamed`].
///
/// # Errors
/// A spec cannot be, or two have one name; what came before it is done.
pub async fn configure(
    operator: &Operator,
    specs: Vec<Spec>,
    others: &[ConfigDigest],
    olds: OldSecrets<'_>,
) -> Result<Configured, Error> {
    let mut done = Configured::default();
    let known: Vec<Hook> =
        operator.hooks()?.into_iter().filter(|hook| hook.source == Source::Config).collect();
    for (place, spec) in specs.iter().enumerate() {
        if spec.name.is_empty() {
            return Err(Error::Invalid(format!("hook {} of the configuration has no name", place + 1)));
        }
        if specs.iter().take(place).any(|other| other.name == spec.name) {
            return Err(Error::Conflict(format!("two hooks of the configuration are named '{}'", spec.name)));
        }
        let Some(hook) = known.iter().find(|hook| hook.name == spec.name) else {
            operator.create(spec.clone(), Source::Config).await?;
            done.created += 1;
            continue;
        };
        let mut wanted = spec.clone();
        let (same_headers, old) = (same_headers(operator, hook, spec), olds(&hook.name));
        let grace = grace(operator, hook, &old);
        if let Some(secret) = wanted.secret.take_if(|_| same_secret(operator, hook, spec)) {
            // It may be that those before it are known to others, and sign no more.
            renew_secret(operator, hook, &secret, &old).await?;
        }
        match operator.update(hook.id, &wanted, same_headers, grace).await {
            Ok(next) => done.changed += usize::from(next != *hook),
            // It was there before its target was closed: it stays, and keeps its
            // callbacks until that is open again.
            Err(Error::Egress(refused)) if is_held(&hook.url, spec, &refused) => {}
            Err(error) => return Err(error),
        }
    }
    done.deleted = delete_unnamed(operator, &specs, others).await?;
    Ok(done)
}

/// Deletes the hooks of configurations that these specs do not name, and returns
/// their number. None is deleted unless all the other processes that serve the store
/// now agree: while a deploy is under way, the hooks of both configurations stay.
///
/// # Errors
/// The store failed; what came before that is done.
pub async fn delete_unnamed(
    operator: &Operator,
    specs: &[Spec],
    others: &[ConfigDigest],
) -> Result<usize, Error> {
    let mine = digest(specs);
    if others.iter().any(|other| *other != mine) {
        return Ok(0);
    }
    let mut deleted = 0;
    for hook in operator.hooks()?.into_iter().filter(|hook| hook.source == Source::Config) {
        if specs.iter().all(|spec| spec.name != hook.name) {
            operator.delete(hook.id).await?;
            deleted += 1;
        }
    }
    Ok(deleted)
}

/// Returns whether a configured hook that is there stays although its target is
/// refused now: it has the same target as before, `url`, which is closed by a
/// setting of px.
#[must_use]
pub fn is_held(url: &str, spec: &Spec, refused: &Refused) -> bool {
    let is_same = Target::parse(&spec.url).is_ok_and(|target| target.to_string() == url);
    is_same && refused.rule.is_held()
}

/// Gives a hook of the configuration the secret that its name stands for now; the one
/// before it signs on for as long as it verifies senders, if it is one of `old`. Returns
/// false if it has that one already.
///
/// # Errors
/// The secret cannot sign as the hook does, or the store failed.
pub async fn renew_secret(
    operator: &Operator,
    hook: &Hook,
    secret: &SecretString,
    old: &[(SecretString, Timestamp)],
) -> Result<bool, Error> {
    let is_current = same(kept(operator, hook).as_ref(), Some(secret));
    // Those that others know sign no more, beside the same one too.
    if is_current && (hook.secrets.old.is_empty() || !old.is_empty()) {
        return Ok(false);
    }
    operator.rotate(hook.id, Some(secret.clone()), grace(operator, hook, old)).await?;
    Ok(!is_current)
}

/// Returns whether a hook signs with this secret.
#[must_use]
pub fn signs_with(operator: &Operator, hook: &Hook, secret: &SecretString) -> bool {
    same(kept(operator, hook).as_ref(), Some(secret))
}

/// Checks that a hook could sign with this secret.
///
/// # Errors
/// It cannot; the secret is not repeated.
pub fn can_sign(operator: &Operator, hook: &Hook, secret: &SecretString) -> Result<(), Error> {
    let parts = operator.parts();
    let secrets = Secrets { current: Some(parts.vault.seal(secret)), old: Vec::new() };
    let hook = Hook { secrets, ..hook.clone() };
    let signer = crate::send::signer(&parts.vault, &hook, parts.clock.now());
    signer.map(drop).map_err(|error| Error::Invalid(format!("hook {}: {error}", super::name_of(&hook))))
}

/// The current secret of a hook, if this process' key opens it.
fn kept(operator: &Operator, hook: &Hook) -> Option<SecretString> {
    hook.secrets.current.as_ref().and_then(|sealed| operator.parts().vault.open(sealed).ok())
}

/// The time that the secret which a hook has still signs: none unless it is one of these.
fn grace(operator: &Operator, hook: &Hook, old: &[(SecretString, Timestamp)]) -> Duration {
    let kept = kept(operator, hook);
    let until = old.iter().find(|(value, _)| same(kept.as_ref(), Some(value))).map(|(_, until)| *until);
    let left = until.map(|until| until.since(operator.parts().clock.now()));
    left.unwrap_or_default().min(Secrets::MAX_GRACE)
}

fn same_secret(operator: &Operator, hook: &Hook, spec: &Spec) -> bool {
    same(kept(operator, hook).as_ref(), spec.secret.as_ref())
}

fn same_headers(operator: &Operator, hook: &Hook, spec: &Spec) -> bool {
    hook.headers.len() == spec.headers.len()
        && hook.headers.iter().zip(&spec.headers).all(|((name, sealed), (other, value))| {
            name == other && same(operator.parts().vault.open(sealed).ok().as_ref(), Some(value))
        })
}

fn same(one: Option<&secrecy::SecretString>, other: Option<&secrecy::SecretString>) -> bool {
    use secrecy::ExposeSecret as _;
    // Both are the operator's own; nobody measures how long this takes.
    one.map(|one| one.expose_secret()) == other.map(|other| other.expose_secret())
}
