//! One webhook, made ready at the start: its verifier with the secrets, its
//! compiled schema, its handler.

use std::cell::Cell;
use std::sync::{Arc, PoisonError, RwLock};

use px_sdk::WebhookDef;
use px_sdk::verify::{Key, Keyring, Scheme, Verification};

use crate::validate::Schema;
use crate::verify::Prepared;

/// A webhook that can take requests. Clones share what was compiled.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The webhook as its user wrote it.
    pub def: Arc<WebhookDef>,
    /// Reads its requests as its record says. Who may send is [`Endpoint::door`]'s to
    /// say, whose secrets may change.
    pub verifier: Arc<Prepared>,
    /// Clones share it.
    door: Arc<RwLock<Door>>,
    /// The schema of its payload.
    pub schema: Arc<Schema>,
    /// The schema of its response, for what operators give.
    pub response: Arc<Schema>,
    /// Sentences for the operator about its secrets and its duplicates.
    pub warnings: Vec<String>,
}

/// Verification of senders as it is now.
#[derive(Debug, Clone)]
pub enum Door {
    /// By the secrets of now.
    Open(Arc<Prepared>),
    /// Nobody is believed, and why: a secret that was there is gone, cannot be decrypted, or
    /// is no key of the scheme. To fall back to no verification would let everybody in.
    Shut(Arc<str>),
}

/// Values of a secret of the store, for verification.
#[derive(Debug, Clone)]
pub enum StoredSecret {
    /// Those that still count, the current one first.
    Values(Vec<Key>),
    /// It is there, and this process cannot decrypt it.
    Unreadable,
}

/// Gives the secret of the store of a name, if there is one.
pub(crate) type StoredSecrets<'a> = &'a dyn Fn(&str) -> Option<StoredSecret>;

/// The operator's configuration of a webhook, beside the code.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Takes the place of the verification in the code.
    pub verification: Option<Verification>,
    /// Secrets beside those of the environment, which come first.
    pub keys: Vec<Key>,
    /// True answers 202 to a payload that does not fit; absent leaves that to
    /// the code.
    pub accepts_invalid: Option<bool>,
}

/// The cause for which a webhook cannot take requests.
#[derive(Debug, thiserror::Error)]
#[error("webhook '{slug}': {why}")]
pub struct EndpointError {
    slug: String,
    why: String,
}

impl Endpoint {
    /// Makes a webhook ready, with its secrets from `lookup`, which is given
    /// the names of environment variables.
    ///
    /// # Errors
    /// A secret or the verification record is not usable, or the schema does not compile.
    pub fn new(def: Arc<WebhookDef>, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, EndpointError> {
        Self::configured(def, lookup, &|_| None, Setup::default())
    }

    /// As [`Endpoint::new`], with the secrets of the store for names that `lookup` does
    /// not know, and the operator's configuration.
    ///
    /// # Errors
    /// As [`Endpoint::new`].
    pub fn configured(
        mut def: Arc<WebhookDef>,
        lookup: &dyn Fn(&str) -> Option<String>,
        stored: StoredSecrets<'_>,
        setup: Setup,
    ) -> Result<Self, EndpointError> {
        if setup.verification.is_some() || !setup.keys.is_empty() {
            def = Arc::new(WebhookDef::clone(&def).configured(setup.verification, setup.keys));
        }
        if let Some(accepts) = setup.accepts_invalid {
            Arc::make_mut(&mut def).accepts_invalid = accepts;
        }
        let error = |why: String| EndpointError { slug: def.slug.clone(), why };
        let (keyring, unread) = keyring(&def, lookup, stored);
        let also = def.verification.also.iter().filter_map(|other| other.secret.as_deref());
        let mut names = def.verification.secret.as_deref().into_iter().chain(also);
        if !names.all(is_variable) {
            // It is not repeated, since whoever mistakes it gives the secret itself.
            return Err(error(
                "its secret's name cannot be the name of an environment variable; `hmac` takes the header first, \
                 then the variable: `hmac(\"X-Signature\", \"MY_SECRET\")`"
                    .to_owned(),
            ));
        }
        let mut warnings = keyring.warnings().to_vec();
        warnings.extend(knows_no_duplicates(&def));
        let verifier =
            Prepared::new(def.verification.clone(), &keyring).map_err(|why| error(why.to_string()))?;
        let schema = Schema::new(&def.payload_schema)
            .map_err(|why| error(format!("the payload's schema does not compile: {why}")))?;
        let response = Schema::new(&def.response_schema)
            .map_err(|why| error(format!("the response's schema does not compile: {why}")))?;
        let verifier = Arc::new(verifier);
        let door = unread.map_or_else(|| Door::Open(Arc::clone(&verifier)), |why| Door::Shut(why.into()));
        Ok(Self {
            verifier,
            door: Arc::new(RwLock::new(door)),
            schema: Arc::new(schema),
            response: Arc::new(response),
            warnings,
            def: Arc::clone(&def),
        })
    }

    /// Verification of senders as it is now.
    #[must_use]
    pub fn door(&self) -> Door {
        self.door.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Verifies by the secrets of now from here on. Where those that verified senders
    /// until now are gone or cannot be used, nobody is believed any more.
    ///
    /// # Errors
    /// The reason that nobody is believed.
    pub fn renew(
        &self,
        lookup: &dyn Fn(&str) -> Option<String>,
        stored: StoredSecrets<'_>,
    ) -> Result<(), EndpointError> {
        let (keyring, unread) = keyring(&self.def, lookup, stored);
        let prepared = match Prepared::new(self.def.verification.clone(), &keyring) {
            Err(why) => Err(why.to_string()),
            Ok(_) if let Some(why) = unread => Err(why.to_owned()),
            Ok(prepared) if !prepared.is_verified() && !self.is_unverified() => {
                let name = self.secret_variable().unwrap_or_default();
                Err(format!(
                    "the secret {name} that verified its senders was deleted: `px secrets set {name}` sets it"
                ))
            }
            Ok(prepared) => Ok(prepared),
        };
        let (door, outcome) = match prepared {
            Ok(prepared) => (Door::Open(Arc::new(prepared)), Ok(())),
            Err(why) => {
                let error = EndpointError { slug: self.def.slug.clone(), why: why.clone() };
                (Door::Shut(why.into()), Err(error))
            }
        };
        *self.door.write().unwrap_or_else(PoisonError::into_inner) = door;
        outcome
    }

    /// The reason that nobody is believed, if that is so.
    #[must_use]
    pub fn shut(&self) -> Option<Arc<str>> {
        match self.door() {
            Door::Open(_) => None,
            Door::Shut(why) => Some(why),
        }
    }

    /// Returns true if anybody on this machine may send.
    #[must_use]
    pub fn is_unverified(&self) -> bool {
        matches!(self.door(), Door::Open(verifier) if !verifier.is_verified())
    }

    /// Returns the environment variable that would make it verified.
    #[must_use]
    pub fn secret_variable(&self) -> Option<&str> {
        match self.def.verification.scheme {
            Scheme::Unverified => None,
            _ => self.def.verification.secret.as_deref(),
        }
    }
}

/// The secrets of a webhook, and the reason if one of them is there and cannot be read.
fn keyring(
    def: &WebhookDef,
    lookup: &dyn Fn(&str) -> Option<String>,
    stored: StoredSecrets<'_>,
) -> (Keyring, Option<&'static str>) {
    let unread = Cell::new(None);
    let is_current = |name: &str| {
        let also = def.verification.also.iter().filter_map(|other| other.secret.as_deref());
        def.verification.secret.as_deref().into_iter().chain(also).any(|current| current == name)
    };
    let values = |name: &str| {
        // One that is blank, such as that of a file that is gone, is not the store's to answer. An earlier
        // one may be blank.
        if lookup(name).is_some_and(|value| value.trim().is_empty()) {
            if is_current(name) {
                unread.set(Some("a secret of the environment is blank, or its file cannot be read"));
            }
            return Vec::new();
        }
        match stored(name) {
            Some(StoredSecret::Values(keys)) => keys,
            Some(StoredSecret::Unreadable) => {
                unread.set(Some("a secret of the store cannot be decrypted"));
                Vec::new()
            }
            None => Vec::new(),
        }
    };
    let keyring = def.keyring_with(lookup, &values);
    (keyring, unread.get())
}

/// Returns true if a text can name an environment variable.
#[must_use]
pub fn is_variable(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.chars().next().is_some_and(|first| !first.is_ascii_digit())
}

/// Returns the warning about a webhook whose repeated deliveries count as new:
/// without an id of the provider's there is no dedup.
#[must_use]
pub fn knows_no_duplicates(def: &WebhookDef) -> Option<String> {
    (def.verification.dedup.is_empty() && def.same_body_within.is_none()).then(|| {
        "a repeated delivery counts as a new one, since nothing says how it is known: add \
         `.dedup_header(..)` or `.dedup_pointer(..)` to `verify`"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use px_sdk::{Form, Inbound, WebhookBuilder, verify};

    use super::*;

    fn hub() -> Arc<WebhookDef> {
        let def = WebhookBuilder::<Form, Form>::new("hub", "A hub")
            .verify(verify::github("HUB"))
            .handler(async |_: Form| Ok(Inbound::<Form>::ignore("never")));
        Arc::new(def)
    }

    fn stored(name: &str) -> Option<StoredSecret> {
        (name == "HUB").then(|| StoredSecret::Values(vec![Key::new("the value of the store".into())]))
    }

    fn configured(env: Option<&str>) -> Endpoint {
        let lookup = |name: &str| env.filter(|_| name == "HUB").map(str::to_owned);
        Endpoint::configured(hub(), &lookup, &stored, Setup::default()).unwrap()
    }

    /// As `HUB_FILE` names one: its text is blank then, and the store is not asked.
    #[test]
    fn rules_62_by_a_file_that_is_gone_nobody_is_believed_though_the_store_has_a_value() {
        let endpoint = configured(Some(""));
        assert!(endpoint.shut().is_some_and(|why| why.contains("its file cannot be read")));
        assert!(!endpoint.is_unverified(), "and this machine is not let in either");
        // At the start it was there.
        let endpoint = configured(Some("the value of the file"));
        assert_eq!(endpoint.shut(), None);
        let gone = |name: &str| (name == "HUB").then(String::new);
        let error = endpoint.renew(&gone, &stored).unwrap_err().to_string();
        assert!(error.contains("webhook 'hub'") && error.contains("its file cannot be read"), "{error}");
        assert!(endpoint.shut().is_some());
        // It is there again.
        let back = |name: &str| (name == "HUB").then(|| "the value of the file".to_owned());
        endpoint.renew(&back, &stored).unwrap();
        assert_eq!(endpoint.shut(), None);
    }

    #[test]
    fn an_earlier_secret_of_the_environment_may_be_blank() {
        let lookup = |name: &str| (name == "HUB_PREVIOUS").then(String::new);
        let endpoint = Endpoint::configured(hub(), &lookup, &stored, Setup::default()).unwrap();
        assert!(endpoint.shut().is_none() && !endpoint.is_unverified());
    }

    #[test]
    fn the_reason_that_nobody_is_believed_is_told_as_it_is() {
        let endpoint = configured(None);
        let nothing = |_: &str| None;
        endpoint.renew(&nothing, &|_: &str| None).unwrap_err();
        let why = endpoint.shut().unwrap();
        assert!(why.contains("HUB") && why.contains("was deleted"), "{why}");
        endpoint.renew(&nothing, &|_: &str| Some(StoredSecret::Unreadable)).unwrap_err();
        assert!(endpoint.shut().unwrap().contains("cannot be decrypted"));
    }
}
