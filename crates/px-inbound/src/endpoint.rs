//! One webhook, made ready at the start: its verifier with the secrets, its
//! compiled schema, its handler.

use std::sync::Arc;

use px_sdk::WebhookDef;
use px_sdk::verify::{Key, Scheme, Verification};

use crate::validate::Schema;
use crate::verify::Prepared;

/// A webhook that can take requests. Clones share what was compiled.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The webhook as its user wrote it.
    pub def: Arc<WebhookDef>,
    /// Decides who may send.
    pub verifier: Arc<Prepared>,
    /// The schema of its payload.
    pub schema: Arc<Schema>,
    /// The schema of its response, for what operators give.
    pub response: Arc<Schema>,
    /// Sentences for the operator about its secrets and its duplicates.
    pub warnings: Vec<String>,
}

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
        Self::configured(def, lookup, Setup::default())
    }

    /// As [`Endpoint::new`], with the operator's configuration.
    ///
    /// # Errors
    /// As [`Endpoint::new`].
    pub fn configured(
        mut def: Arc<WebhookDef>,
        lookup: &dyn Fn(&str) -> Option<String>,
        setup: Setup,
    ) -> Result<Self, EndpointError> {
        if setup.verification.is_some() || !setup.keys.is_empty() {
            def = Arc::new(WebhookDef::clone(&def).configured(setup.verification, setup.keys));
        }
        if let Some(accepts) = setup.accepts_invalid {
            Arc::make_mut(&mut def).accepts_invalid = accepts;
        }
        let error = |why: String| EndpointError { slug: def.slug.clone(), why };
        let keyring = def.keyring(lookup);
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
        Ok(Self {
            verifier: Arc::new(verifier),
            schema: Arc::new(schema),
            response: Arc::new(response),
            warnings,
            def: Arc::clone(&def),
        })
    }

    /// Returns true if anybody on this machine may send.
    #[must_use]
    pub fn is_unverified(&self) -> bool {
        !self.verifier.is_verified()
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
