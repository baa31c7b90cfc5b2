//! Hooks of the configuration whose secret has a name: what they sign with changes when the value of
//! that name does.

use px_core::Timestamp;
use px_core::hook::{Hook, Source};
use px_outbound::{Operator, operate};
use px_secrets::{Held, NewSecret};
use px_store::secrets::SecretReader;
use secrecy::SecretString;

use super::ServerSecrets;
#[cfg(feature = "dashboard")]
use crate::ui::PageKeys;

impl ServerSecrets {
    /// Keys of the page's sessions and forms.
    #[cfg(feature = "dashboard")]
    pub(crate) fn page_keys(&self) -> &PageKeys {
        &self.0.page_keys
    }

    /// The values that the secret of a hook of the configuration had before, where the
    /// store has it.
    pub(crate) fn old_of_hook(&self, hook: &str) -> Vec<(SecretString, Timestamp)> {
        let name = self.0.hooks.iter().find(|(of, name)| of == hook && self.is_stored(name));
        name.and_then(|(_, name)| self.0.stored.held(name)).map(|held| held.old).unwrap_or_default()
    }

    /// Checks that the hooks of the configuration could sign with secrets that are about to be
    /// set, where the store is the one to answer for these.
    pub(crate) fn can_sign(&self, operator: &Operator, all: &[NewSecret]) -> Result<(), operate::Error> {
        for (hook_name, name) in self.0.hooks.iter().filter(|(_, name)| self.env(name).is_none()) {
            let new = all.iter().rfind(|new| new.name == *name);
            let hook = configured(operator, hook_name);
            if let (Some(new), Some(hook)) = (new, hook) {
                operate::can_sign(operator, &hook, &new.value)?;
            }
        }
        Ok(())
    }

    /// Gives the hooks of the configuration the secrets that their names stand for now. Of the
    /// store, the one before signs on for as long as it verifies senders; of a file that has changed
    /// it does not, as at a start. A variable is looked at by the start alone: while a deploy is under way
    /// another process may have another value.
    pub(crate) async fn renew_hooks(&self, operator: &Operator) {
        let changed = self.0.env.take_changed();
        for (hook_name, name) in &self.0.hooks {
            let Some(hook) = configured(operator, hook_name) else { continue };
            let (value, old) = if self.is_stored(name) {
                let Some(Held { current: Some(current), old }) = self.0.stored.held(name) else { continue };
                (current, old)
            } else {
                // One that is blank, or in a file that is gone, signs nothing: the hook keeps what it has.
                let value = self.value(name).filter(|_| changed.contains(name));
                let Some(value) = value.filter(|value| !operate::signs_with(operator, &hook, value)) else {
                    continue;
                };
                (value, Vec::new())
            };
            match operate::renew_secret(operator, &hook, &value, &old).await {
                Ok(false) => {}
                Ok(true) => self.0.stored.note(name, SecretReader::Hook(hook_name.clone()), None),
                Err(error) => tracing::error!(
                    hook = hook_name, secret = name, %error,
                    "the hook keeps the secret that it had"
                ),
            }
        }
    }

    /// Returns whether a name is the store's to answer, and it can.
    fn is_stored(&self, name: &str) -> bool {
        self.env(name).is_none() && self.0.stored.held(name).is_some()
    }
}

/// A hook of the configuration, by its name.
fn configured(operator: &Operator, name: &str) -> Option<Hook> {
    let hooks = operator.hooks().unwrap_or_default();
    hooks.into_iter().find(|hook| hook.source == Source::Config && hook.name == name)
}
