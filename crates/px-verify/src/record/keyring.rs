//! The secrets of one webhook, resolved once at the start.
//!
//! Nothing here reads the environment: the caller passes a lookup. Values are
//! held in [`SecretString`], which no `Debug` prints.

use std::collections::BTreeMap;

use px_core::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::{Handshake, Verification};

/// The suffix of the variable that holds the secret before the current one.
const PREVIOUS: &str = "_PREVIOUS";

/// The variable of the secret before the one of this variable.
pub(super) fn previous(variable: &str) -> String {
    format!("{variable}{PREVIOUS}")
}

/// One secret, and until when it counts.
#[derive(Debug, Clone)]
pub struct Key {
    /// The secret's text, exactly as it was configured.
    pub secret: SecretString,
    /// Time at which it stops being accepted; `None` for never.
    pub expires: Option<Timestamp>,
    /// The provider's name for it, where requests say which one signed them
    /// (Twilio's shared keys, Atlassian's installations). One without a name
    /// is tried for all.
    pub id: Option<String>,
}

impl Key {
    /// A secret that is valid until it is taken away.
    #[must_use]
    pub const fn new(secret: SecretString) -> Self {
        Self { secret, expires: None, id: None }
    }
}

/// Value of a variable of the environment.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Values of a secret of the store that still count, the current one first.
pub(super) type Stored<'a> = &'a dyn Fn(&str) -> Vec<Key>;

/// The secrets that a webhook accepts, the current one first.
///
/// An empty keyring means *unverified*: only loopback peers are answered.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    keys: Vec<Key>,
    /// Keyrings of the record's other proofs, by the variable of their secret.
    others: BTreeMap<String, Keyring>,
    verify_token: Option<SecretString>,
    warnings: Vec<String>,
}

impl Keyring {
    /// No secret.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Adds a secret.
    #[must_use]
    pub fn with_key(mut self, key: Key) -> Self {
        self.keys.push(key);
        self
    }

    /// Adds a secret that is valid until it is taken away.
    #[must_use]
    pub fn with(mut self, secret: SecretString) -> Self {
        self.keys.push(Key::new(secret));
        self
    }

    /// Adds a secret that is valid before `expires`: the old one of a rotation.
    #[must_use]
    pub fn with_expiring(mut self, secret: SecretString, expires: Timestamp) -> Self {
        self.keys.push(Key { expires: Some(expires), ..Key::new(secret) });
        self
    }

    /// Sets the token that [`Handshake::Subscribe`] asks for.
    #[must_use]
    pub fn with_verify_token(mut self, token: SecretString) -> Self {
        self.verify_token = Some(token);
        self
    }

    /// Returns whether there is no secret at all. A keyring whose secrets have all
    /// expired is not empty: it refuses everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.others.values().all(Self::is_empty)
    }

    /// Sets the secrets of another proof of the record, by its variable.
    #[must_use]
    pub fn with_other(mut self, variable: impl Into<String>, keys: Self) -> Self {
        self.others.insert(variable.into(), keys);
        self
    }

    /// Returns the secrets of a proof: the record's own, or those of a variable.
    pub(crate) fn of(&self, variable: Option<&str>) -> Option<&Self> {
        variable.map_or(Some(self), |variable| self.others.get(variable))
    }

    /// The secrets, the current one first.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The token that [`Handshake::Subscribe`] asks for.
    #[must_use]
    pub fn verify_token(&self) -> Option<&SecretString> {
        self.verify_token.as_ref()
    }

    /// Returns what looks like a mistake in the configuration. Names variables, never
    /// values.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Adds the secret of a variable, and the one before it: each from `lookup`, else
    /// from the store.
    fn with_variable(mut self, lookup: Lookup<'_>, stored: Stored<'_>, variable: &str) -> Self {
        for name in [variable.to_owned(), previous(variable)] {
            match self.find(lookup, &name) {
                Some(secret) => self = self.with(secret),
                None => self = stored(&name).into_iter().fold(self, Self::with_key),
            }
        }
        self
    }

    /// Takes `variable` from `lookup`. An empty value counts as absent, since
    /// anybody can compute an HMAC under an empty key.
    fn find(&mut self, lookup: Lookup<'_>, variable: &str) -> Option<SecretString> {
        let value = SecretString::from(lookup(variable)?);
        let text = value.expose_secret();
        if text.trim().is_empty() {
            self.warnings.push(format!("{variable} is set but empty: taken as absent"));
            return None;
        }
        if text.trim() != text || text.contains(['\n', '\r']) {
            self.warnings.push(format!(
                "{variable} has white space at an end or a line break within; it is used exactly as it is, \
                 as one secret"
            ));
        }
        Some(value)
    }
}

impl Verification {
    /// The secrets of this webhook, by a lookup that is called here and never
    /// again.
    ///
    /// For a record that names `NAME`, `NAME` is the current secret and
    /// `NAME_PREVIOUS`, where present, the one before it, which counts until
    /// it is taken away. A value is one secret, byte for byte: nothing is
    /// split at commas or line breaks and nothing is trimmed, since providers
    /// use both in secrets. What looks like a slip is in
    /// [`Keyring::warnings`].
    #[must_use]
    pub fn resolve(&self, lookup: Lookup<'_>) -> Keyring {
        self.resolve_with(lookup, &|_| Vec::new())
    }

    /// As [`resolve`](Self::resolve); what `lookup` does not know is taken from
    /// `stored`, which gives all values of a name that still count, the current
    /// one first.
    #[must_use]
    pub fn resolve_with(&self, lookup: Lookup<'_>, stored: Stored<'_>) -> Keyring {
        let mut keyring = Keyring::empty();
        if let Some(variable) = &self.secret {
            keyring = keyring.with_variable(lookup, stored, variable);
        }
        for variable in self.also.iter().filter_map(|other| other.secret.as_deref()) {
            let mut other = Keyring::empty().with_variable(lookup, stored, variable);
            keyring.warnings.append(&mut other.warnings);
            keyring = keyring.with_other(variable, other);
        }
        if let Some(Handshake::Subscribe { verify_token }) = &self.handshake {
            let held = || stored(verify_token).into_iter().next().map(|key| key.secret);
            keyring.verify_token = keyring.find(lookup, verify_token).or_else(held);
        }
        keyring
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::{github, unverified};

    fn resolve(variables: &[(&str, &str)]) -> Keyring {
        github("HUB").resolve(&|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn takes_the_current_secret_first_and_then_the_previous_one() {
        let keyring = resolve(&[("HUB", "new"), ("HUB_PREVIOUS", "old")]);
        let texts: Vec<_> = keyring.keys().iter().map(|key| key.secret.expose_secret()).collect();
        assert_eq!(texts, ["new", "old"]);
    }

    #[test]
    fn absent_and_empty_are_unverified() {
        assert!(resolve(&[]).is_empty());
        let keyring = resolve(&[("HUB", " ")]);
        assert!(keyring.is_empty());
        assert_eq!(keyring.warnings(), ["HUB is set but empty: taken as absent"]);
        assert!(unverified().resolve(&|_| Some("anything".to_owned())).is_empty());
    }

    #[test]
    fn the_environment_comes_before_the_store_and_old_values_of_the_store_count_for_a_while() {
        let until = Timestamp::from_millis(9);
        let stored = |name: &str| match name {
            "HUB" => {
                let old = Key { expires: Some(until), ..Key::new("old".into()) };
                vec![Key::new("current".into()), old]
            }
            _ => Vec::new(),
        };
        let texts = |variables: &[(&str, &str)]| {
            let lookup = |name: &str| {
                variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            };
            let keyring = github("HUB").resolve_with(&lookup, &stored);
            let text = |key: &Key| (key.secret.expose_secret().to_owned(), key.expires);
            keyring.keys().iter().map(text).collect::<Vec<_>>()
        };
        assert_eq!(texts(&[]), [("current".to_owned(), None), ("old".to_owned(), Some(until))]);
        assert_eq!(texts(&[("HUB", "env")]), [("env".to_owned(), None)]);
    }

    #[test]
    fn nothing_is_split_or_trimmed() {
        let keyring = resolve(&[("HUB", "a,b\nc\n")]);
        assert_eq!(keyring.keys().len(), 1);
        assert_eq!(keyring.keys()[0].secret.expose_secret(), "a,b\nc\n");
        assert_eq!(keyring.warnings().len(), 1);
    }

    #[test]
    fn debug_shows_no_secret() {
        let keyring = resolve(&[("HUB", "hunter2hunter2\n"), ("HUB_PREVIOUS", "hunter1")])
            .with_verify_token(SecretString::from("hunter3"));
        assert!(!format!("{keyring:?}").contains("hunter"), "{keyring:?}");
    }
}
