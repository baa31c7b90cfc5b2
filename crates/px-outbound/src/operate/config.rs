//! Hooks of the configuration: what `px.toml` says is what there is, from the
//! start on. They are known by their names.

use px_core::hook::{Hook, Source};

use super::{Error, Operator, Spec};

/// What the configuration changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Configured {
    /// Hooks that are new.
    pub created: usize,
    /// Hooks that are different now.
    pub changed: usize,
    /// Hooks that the configuration names no more.
    pub deleted: usize,
}

/// Makes the hooks of the configuration what these specs say. A secret that
/// changed is replaced at once: whoever edits the file has told the receiver.
///
/// # Errors
/// A spec cannot be, or two have one name; what came before it is done.
pub async fn configure(operator: &Operator, specs: Vec<Spec>) -> Result<Configured, Error> {
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
        if wanted.secret.is_some() && same_secret(operator, hook, spec) {
            wanted.secret = None;
        }
        let same_headers = same_headers(operator, hook, spec);
        let next = operator.update(hook.id, &wanted, same_headers).await?;
        done.changed += usize::from(next != *hook);
    }
    for hook in known {
        if specs.iter().all(|spec| spec.name != hook.name) {
            operator.delete(hook.id).await?;
            done.deleted += 1;
        }
    }
    Ok(done)
}

fn same_secret(operator: &Operator, hook: &Hook, spec: &Spec) -> bool {
    let kept = hook.secrets.current.as_ref().and_then(|sealed| operator.parts().vault.open(sealed).ok());
    same(kept.as_ref(), spec.secret.as_ref())
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
