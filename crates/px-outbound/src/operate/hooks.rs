//! Hooks by hand: create, change, rotate, enable, disable, delete.

use std::time::Duration;

use px_core::HookId;
use px_core::hook::{Disabled, DisabledBy, Hook, Secrets, Signing, Source};
use px_store::outbox::{CallbackFilter, CallbackState, CallbackWrite, HookWrite, MAX_HOOKS, OutboxBatch};
use px_store::{Admission, Batch, Outcome, Round};
use secrecy::SecretString;

use super::{Error, Operator, ROUNDS, Spec, validate};
use crate::sign;

/// Number of kept deliveries one commit lets go.
const PAGE: usize = 100;

impl Operator {
    /// Creates a hook. Without a secret of its own it gets a new one, which is
    /// returned: it is shown once.
    ///
    /// # Errors
    /// The spec cannot be, its name is taken, or there are too many hooks.
    pub async fn create(&self, mut spec: Spec, source: Source) -> Result<(Hook, SecretString), Error> {
        let parts = &self.parts;
        let now = parts.clock.now();
        let _naming = self.naming.lock().await;
        if self.hooks()?.len() >= MAX_HOOKS {
            return Err(Error::TooMany(MAX_HOOKS));
        }
        self.name_is_free(&spec.name, None)?;
        let secret = spec.secret.get_or_insert_with(|| new_secret(&spec.signing)).clone();
        let hook = validate(parts, &spec, parts.ids.hook(now), source, now)?;
        let version = parts.ids.version(now);
        let write = HookWrite { hook: hook.clone(), expected: 0, version };
        let outbox = OutboxBatch { hooks: vec![write], ..OutboxBatch::default() };
        let batch = Batch { scope: parts.scope, outbox, ..Batch::default() };
        match parts.store.commit(batch, Admission::Wait).await? {
            Outcome::Committed { .. } => Ok((hook, secret)),
            Outcome::Conflict(_) => Err(Error::TooManyRounds(1)),
        }
    }

    fn name_is_free(&self, name: &str, of: Option<HookId>) -> Result<(), Error> {
        let taken = |hook: &Hook| hook.name == name && Some(hook.id) != of;
        if !name.is_empty() && self.hooks()?.iter().any(taken) {
            return Err(Error::Conflict(format!("there is a hook named '{name}' already")));
        }
        Ok(())
    }

    /// A hook that was not deleted.
    ///
    /// # Errors
    /// There is none, or the store could not be read.
    pub async fn hook(&self, id: HookId) -> Result<Hook, Error> {
        let found = self.parts.store.outbox().hook(self.parts.scope, id).await?;
        found.map(|hook| hook.record).filter(|hook| hook.deleted_at.is_none()).ok_or(Error::NoHook(id))
    }

    /// The hooks that are told of many runs, the oldest first.
    ///
    /// # Errors
    /// The store could not be read.
    pub fn hooks(&self) -> Result<Vec<Hook>, Error> {
        let hook_set = self.parts.store.outbox().hook_set(self.parts.scope)?;
        let live = hook_set.hooks().iter().map(|hook| &hook.record).filter(|hook| hook.deleted_at.is_none());
        Ok(live.cloned().collect())
    }

    /// The public keys that receivers of a hook verify with, the newest first;
    /// none unless it signs with `standard-asymmetric`.
    pub fn public_keys(&self, hook: &Hook) -> impl Iterator<Item = sign::PublicKey> {
        let now = self.parts.clock.now();
        // Where no secret can be read nothing is signed, and attempts say why.
        let signer = crate::send::signer(&self.parts.vault, hook, now).ok().flatten();
        signer.into_iter().flat_map(|signer| signer.public_keys().collect::<Vec<_>>())
    }

    /// Changes a hook. The change is made anew if the hook changed meanwhile.
    ///
    /// # Errors
    /// There is no such hook, or it cannot become that.
    pub async fn change(
        &self,
        id: HookId,
        change: impl Fn(&mut Hook) -> Result<(), Error> + Send + Sync,
    ) -> Result<Hook, Error> {
        let (parts, change) = (&self.parts, &change);
        let changed = parts.store.transact(ROUNDS, |_| async move {
            let read = parts.store.outbox().hook(parts.scope, id).await?;
            let read = read.filter(|hook| hook.record.deleted_at.is_none()).ok_or(Error::NoHook(id))?;
            let mut hook = read.record.clone();
            change(&mut hook)?;
            if hook == read.record {
                return Ok(Round::Done(hook));
            }
            let version = parts.ids.version(parts.clock.now());
            let write = HookWrite { hook: hook.clone(), expected: read.version, version };
            let outbox = OutboxBatch { hooks: vec![write], ..OutboxBatch::default() };
            let batch = Batch { scope: parts.scope, outbox, ..Batch::default() };
            Ok(Round::Commit(Box::new(batch), hook))
        });
        changed.await
    }

    /// Makes a hook what a spec says. A secret or headers that the spec leaves
    /// out stay as they are; a secret that is replaced signs on for `grace`.
    ///
    /// # Errors
    /// There is no such hook, or the spec cannot be.
    pub async fn update(
        &self,
        id: HookId,
        spec: &Spec,
        keep_headers: bool,
        grace: Duration,
    ) -> Result<Hook, Error> {
        let parts = &self.parts;
        let now = parts.clock.now();
        let _naming = self.naming.lock().await;
        self.name_is_free(&spec.name, Some(id))?;
        let hook = self.change(id, |hook| {
            let next = validate(parts, spec, hook.id, hook.source.clone(), hook.created_at)?;
            let secrets = match next.secrets.current {
                Some(secret) if spec.secret.is_some() => {
                    let mut secrets = hook.secrets.clone();
                    secrets.rotate(secret, now, grace);
                    secrets
                }
                _ => hook.secrets.clone(),
            };
            let headers = if keep_headers { hook.headers.clone() } else { next.headers };
            let kept = (hook.disabled, hook.failing_since, hook.deleted_at);
            *hook = Hook {
                secrets,
                headers,
                disabled: kept.0,
                failing_since: kept.1,
                deleted_at: kept.2,
                ..next
            };
            // The secrets that are kept have to fit the way that it signs now.
            crate::send::signer(&parts.vault, hook, now)
                .map_err(|error| Error::Invalid(error.to_string()))?;
            Ok(())
        });
        let hook = hook.await?;
        // Where it was closed before, callbacks were kept for it.
        if crate::send::is_open(parts, &hook) {
            self.let_go(id, true).await?;
        }
        Ok(hook)
    }

    /// Gives a hook a new secret, its own or this one. The old one signs on
    /// beside it for `grace`.
    ///
    /// # Errors
    /// There is no such hook, or the secret or the grace period cannot be.
    pub async fn rotate(
        &self,
        id: HookId,
        secret: Option<SecretString>,
        grace: Duration,
    ) -> Result<(Hook, SecretString), Error> {
        if grace > Secrets::MAX_GRACE {
            let days = Secrets::MAX_GRACE.as_secs() / 86_400;
            return Err(Error::Invalid(format!("a grace period is at most {days} days")));
        }
        let signing = self.hook(id).await?.signing;
        let secret = secret.unwrap_or_else(|| new_secret(&signing));
        let vault = &self.parts.vault;
        let now = self.parts.clock.now();
        let hook = self
            .change(id, |hook| {
                // One that this key cannot open would keep the new one from signing.
                hook.secrets.retain(|sealed| vault.open(sealed).is_ok());
                hook.secrets.rotate(vault.seal(&secret), now, grace);
                crate::send::signer(vault, hook, now)
                    .map(drop)
                    .map_err(|error| Error::Invalid(error.to_string()))
            })
            .await?;
        Ok((hook, secret))
    }

    /// Disables a hook by hand: nothing is kept for it from here on.
    ///
    /// # Errors
    /// There is no such hook.
    pub async fn disable(&self, id: HookId) -> Result<Hook, Error> {
        let disabled = Disabled { by: DisabledBy::Operator, at: self.parts.clock.now() };
        self.change(id, |hook| {
            hook.disabled = Some(disabled);
            Ok(())
        })
        .await
    }

    /// Enables a hook. What was kept for it is sent, or let go.
    ///
    /// # Errors
    /// There is no such hook.
    pub async fn enable(&self, id: HookId, send_kept: bool) -> Result<(Hook, u64), Error> {
        let hook = self
            .change(id, |hook| {
                hook.disabled = None;
                hook.failing_since = None;
                Ok(())
            })
            .await?;
        Ok((hook, self.let_go(id, send_kept).await?))
    }

    /// Deletes a hook. What was kept for it, or is due, is discarded.
    ///
    /// # Errors
    /// There is no such hook.
    pub async fn delete(&self, id: HookId) -> Result<(), Error> {
        let now = self.parts.clock.now();
        self.change(id, |hook| {
            hook.deleted_at = Some(now);
            // Its secrets are nobody's business any more.
            hook.secrets = Secrets::default();
            hook.headers.clear();
            Ok(())
        })
        .await?;
        self.let_go(id, false).await?;
        Ok(())
    }

    /// Sends or discards what is held for a hook; says how many.
    pub(crate) async fn let_go(&self, id: HookId, send: bool) -> Result<u64, Error> {
        let parts = &self.parts;
        let filter =
            CallbackFilter { hook: Some(id), state: Some(CallbackState::Held), ..CallbackFilter::default() };
        let filter = &filter;
        let (mut before, mut many) = (None, 0);
        loop {
            // Somebody else may let one of them go: then the page is read again.
            let page = parts.store.transact(ROUNDS, |_| async move {
                let page = parts.store.outbox().callbacks(parts.scope, filter, before, PAGE).await?;
                let now = parts.clock.now();
                let callback: Vec<_> = page
                    .items
                    .iter()
                    .map(|held| {
                        CallbackWrite::change(held, |held| {
                            held.since = now;
                            if send {
                                (held.state, held.due, held.reason) =
                                    (CallbackState::Pending, Some(now), None);
                            } else {
                                held.state = CallbackState::Discarded;
                                held.reason = Some("it was not to be sent".into());
                            }
                        })
                    })
                    .collect();
                let writes = callback.len() as u64;
                if writes == 0 {
                    return Ok::<_, Error>(Round::Done((0, page.next)));
                }
                let outbox = OutboxBatch { callback, ..OutboxBatch::default() };
                let batch = Batch { scope: parts.scope, outbox, ..Batch::default() };
                Ok(Round::Commit(Box::new(batch), (writes, page.next)))
            });
            let (writes, next) = page.await?;
            many += writes;
            before = next;
            if before.is_none() {
                return Ok(many);
            }
        }
    }
}

fn new_secret(signing: &Signing) -> SecretString {
    match signing {
        Signing::StandardAsymmetric => sign::key_pair(&px_core::random_bytes).0,
        _ => sign::secret(&px_core::random_bytes),
    }
}
