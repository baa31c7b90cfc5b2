//! Secrets as steps and handlers read them: `.secrets(["STRIPE_KEY"])` says who may,
//! `cx.secret("STRIPE_KEY")` and [`Resources::secret`](crate::Resources::secret) give
//! them.
//!
//! Here is who may read what. Where a value comes from is a [`SecretSource`]'s
//! business. Tests: below, and `tests/secrets.rs` of px-testkit.

use std::fmt;
use std::sync::Arc;

use px_core::RunId;
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::{Error, Result};

/// The value of a secret. It is shown by [`expose`](Self::expose) alone: `Debug` hides
/// it, it cannot be part of a state, and memory is wiped when it is dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// The value itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<SecretString> for Secret {
    fn from(value: SecretString) -> Self {
        Self(value)
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self(value.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A reader of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretReader<'a> {
    /// A step of a run.
    Step {
        /// The brain's title.
        brain: &'a str,
        /// The step's name.
        step: &'a str,
        /// The run.
        run: RunId,
    },
    /// The handler of the webhook of this slug.
    Handler(&'a str),
}

impl fmt::Display for SecretReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step { brain, step, .. } => write!(f, "step '{step}' of brain '{brain}'"),
            Self::Handler(slug) => write!(f, "webhook '{slug}'"),
        }
    }
}

/// Source of secrets: in a server the environment, files and the store, in a test
/// what the test says.
pub trait SecretSource: Send + Sync + 'static {
    /// The current value of a secret; `None` if it is set nowhere. It is noted who
    /// has read it.
    fn read(&self, name: &str, reader: SecretReader<'_>) -> Option<Secret>;
}

/// The secrets that a brain or a webhook may read.
#[derive(Clone, Default)]
pub(crate) struct Readable {
    pub(crate) names: Arc<[String]>,
    pub(crate) source: Option<Arc<dyn SecretSource>>,
}

impl Readable {
    pub(crate) fn read(&self, name: &str, reader: SecretReader<'_>) -> Result<Secret> {
        if !self.names.iter().any(|readable| readable == name) {
            let (line, place) = match reader {
                SecretReader::Step { brain, .. } => {
                    (format!(".secrets([\"{name}\"])"), format!("`brain(\"{brain}\")`"))
                }
                SecretReader::Handler(_) => {
                    (format!("secrets = [\"{name}\"]"), "its `px::webhook!` or `#[px::handler]`".to_owned())
                }
            };
            return Err(Error::permanent(format_args!(
                "{reader} asks for the secret '{name}' without declaring it: add `{line}` to {place}"
            )));
        }
        self.source.as_ref().and_then(|source| source.read(name, reader)).ok_or_else(|| {
            Error::msg(format_args!(
                "{reader} needs the secret '{name}', which is set nowhere: `px secrets set {name}` sets it, and so do the \
                 variables {name} and {name}_FILE of the environment"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One;

    impl SecretSource for One {
        fn read(&self, name: &str, _: SecretReader<'_>) -> Option<Secret> {
            (name == "STRIPE_KEY").then(|| Secret::from("sk_live_1"))
        }
    }

    fn readable(names: &[&str]) -> Readable {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Readable { names, source: Some(Arc::new(One)) }
    }

    fn step() -> SecretReader<'static> {
        SecretReader::Step { brain: "order", step: "pay", run: RunId::from_bytes([0; 16]) }
    }

    #[test]
    fn only_what_was_declared_is_read_and_nothing_is_shown() {
        let secret = readable(&["STRIPE_KEY"]).read("STRIPE_KEY", step()).unwrap();
        assert_eq!(secret.expose(), "sk_live_1");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        let refused = readable(&["OTHER"]).read("STRIPE_KEY", step()).unwrap_err();
        assert!(refused.is_permanent());
        assert_eq!(
            refused.message(),
            "step 'pay' of brain 'order' asks for the secret 'STRIPE_KEY' without declaring it: add \
             `.secrets([\"STRIPE_KEY\"])` to `brain(\"order\")`"
        );
        let refused = readable(&[]).read("A", SecretReader::Handler("pay")).unwrap_err();
        assert!(
            refused.message().ends_with("add `secrets = [\"A\"]` to its `px::webhook!` or `#[px::handler]`"),
            "{refused}"
        );
    }

    #[test]
    fn what_is_set_nowhere_may_be_set_by_the_next_attempt() {
        let missing = readable(&["OTHER"]).read("OTHER", step()).unwrap_err();
        assert!(!missing.is_permanent() && missing.message().contains("`px secrets set OTHER`"), "{missing}");
    }
}
