//! The user's own verifier: asked once for each valid secret, whatever it
//! answered for the others, so that all refusals cost the same.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::Received;
use crate::record::{Custom, Keyring, Refused};
use secrecy::{ExposeSecret, SecretString};

use super::Refusal;
use super::keys::Keys;
use super::prepared::{Error, Verified};

pub(super) struct Check {
    custom: Custom,
    keys: Keys<SecretString>,
}

impl Check {
    pub(super) fn new(custom: &Custom, variable: &str, keyring: &Keyring) -> Result<Self, Error> {
        let keys = Keys::new(variable, keyring, |secret| Ok(secret.clone()))?;
        Ok(Self { custom: custom.clone(), keys })
    }

    pub(super) fn verify(&self, received: &Received) -> Result<Verified, Refusal> {
        let mut found = None;
        let mut refused = Refusal::NoActiveKey;
        for (index, secret) in self.keys.active(received.at) {
            let asked = AssertUnwindSafe(|| self.custom.check(received, secret.expose_secret()));
            match catch_unwind(asked) {
                Ok(Ok(())) => found = found.or(Some(index)),
                // What is closest to being right says most: a wrong time comes
                // after a right proof.
                Ok(Err(why)) if !matches!(refused, Refusal::Own(Refused::TooOld(_) | Refused::TooNew(_))) => {
                    refused = Refusal::Own(why);
                }
                Ok(Err(_)) => {}
                Err(_) => refused = Refusal::Panicked,
            }
        }
        found.map(|index| Verified::by(index, None)).ok_or(refused)
    }
}
