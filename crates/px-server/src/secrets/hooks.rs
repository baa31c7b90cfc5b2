//! The secrets that hooks of the store sign with, and the credentials among their headers, for the
//! redactor: opened anew only when they have changed. Beside them, the secrets of the callbacks of single runs.

use std::collections::VecDeque;

use px_core::hook::{Hook, Sealed};
use px_outbound::operate;
use px_outbound::vault::Vault;
use secrecy::{ExposeSecret as _, SecretString};

/// Parts of the names of headers that hold credentials. Other headers may hold words that are
/// anywhere.
const CREDENTIALS: [&str; 8] =
    ["auth", "cookie", "credential", "key", "password", "secret", "signature", "token"];

/// What the hooks of the store keep sealed, and the values of it.
#[derive(Debug, Default)]
pub(super) struct HookSecrets {
    sealed: Vec<(String, Sealed)>,
    pub(super) opened: Vec<(String, SecretString)>,
}

impl HookSecrets {
    /// Learns the secrets of these hooks. Returns whether they have changed.
    pub(super) fn learn(&mut self, hooks: &[Hook], vault: &Vault) -> bool {
        let sealed: Vec<_> = hooks.iter().flat_map(sealed_of).collect();
        if sealed == self.sealed {
            return false;
        }
        let open = |(name, sealed): &(String, Sealed)| Some((name.clone(), vault.open(sealed).ok()?));
        self.opened = sealed.iter().filter_map(open).flat_map(with_its_token).collect();
        self.sealed = sealed;
        true
    }
}

/// Maximum number of secrets of the callbacks of single runs which are remembered.
const MAX_OF_RUNS: usize = 500;

/// Name of these secrets, which have none of their own.
const OF_RUN: &str = "of the callback of a run";

/// The secrets that callbacks of single runs sign with, as this process was given them: the newest first.
#[derive(Debug, Default)]
pub(super) struct RunSecrets {
    values: VecDeque<SecretString>,
    has_new: bool,
}

impl RunSecrets {
    /// Learns one. Most services give the same one for each run.
    pub(super) fn learn(&mut self, value: &SecretString) {
        if self.values.iter().all(|known| known.expose_secret() != value.expose_secret()) {
            self.values.push_front(value.clone());
            self.values.truncate(MAX_OF_RUNS);
            self.has_new = true;
        }
    }

    /// Returns whether there are new ones since it was last asked.
    pub(super) fn take_new(&mut self) -> bool {
        std::mem::take(&mut self.has_new)
    }

    /// All of them, each with a name.
    pub(super) fn all(&self) -> Vec<(String, SecretString)> {
        self.values.iter().map(|value| (OF_RUN.to_owned(), value.clone())).collect()
    }
}

fn sealed_of(hook: &Hook) -> impl Iterator<Item = (String, Sealed)> {
    let old = hook.secrets.old.iter().map(|old| &old.secret);
    let headers = hook.headers.iter().filter(|(name, _)| is_credential(name)).map(|(_, value)| value);
    let name = format!("of hook {}", operate::name_of(hook).trim_matches('\''));
    hook.secrets.current.iter().chain(old).chain(headers).map(move |sealed| (name.clone(), sealed.clone()))
}

fn is_credential(header: &str) -> bool {
    let header = header.to_ascii_lowercase();
    CREDENTIALS.iter().any(|part| header.contains(part))
}

/// A value, and of one like `Bearer abc` what is behind the blank.
fn with_its_token((name, value): (String, SecretString)) -> Vec<(String, SecretString)> {
    let token = value.expose_secret().split_once(' ').map(|(_, token)| SecretString::from(token));
    token.into_iter().chain([value]).map(|value| (name.clone(), value)).collect()
}

#[cfg(test)]
mod tests {
    use px_core::hook::Source;
    use px_core::{HookId, Timestamp};

    use super::*;

    #[test]
    fn of_the_secrets_of_runs_the_newest_are_remembered_once() {
        let mut secrets = RunSecrets::default();
        for n in (0..MAX_OF_RUNS + 3).chain([7, 8]) {
            secrets.learn(&format!("secret number {n}").into());
        }
        assert!(secrets.take_new() && !secrets.take_new());
        secrets.learn(&format!("secret number {MAX_OF_RUNS}").into());
        assert!(!secrets.take_new());
        let all = secrets.all();
        assert_eq!(all.len(), MAX_OF_RUNS);
        assert_eq!(all[0].1.expose_secret(), format!("secret number {}", MAX_OF_RUNS + 2));
    }

    #[test]
    fn secrets_and_credentials_are_learned_once_and_other_headers_are_none() {
        let vault = Vault::forgetful();
        let (id, now) = (HookId::from_bytes([7; 16]), Timestamp::from_millis(1));
        let mut hook = Hook::new(id, "https://a.example", Source::Api, now);
        hook.name = "billing".into();
        hook.secrets.current = Some(vault.seal(&"whsec_0123456789".into()));
        let header = |name: &str, value: &str| (name.to_owned(), vault.seal(&value.into()));
        hook.headers = vec![header("Authorization", "Bearer hunter2hunter2"), header("X-Env", "production")];
        let mut secrets = HookSecrets::default();
        assert!(secrets.learn(std::slice::from_ref(&hook), &vault));
        let found: Vec<_> =
            secrets.opened.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
        let name = "of hook billing";
        assert_eq!(
            found,
            [(name, "whsec_0123456789"), (name, "hunter2hunter2"), (name, "Bearer hunter2hunter2")]
        );
        assert!(!secrets.learn(std::slice::from_ref(&hook), &vault));
        assert!(secrets.learn(&[], &vault) && secrets.opened.is_empty());
    }
}
