//! A shared text, sent along as it is: in a header, as Bearer or Basic
//! credentials, or in the query.
//!
//! Texts are compared by their SHA-256, so that neither content nor length
//! shows in the time it takes.

use crate::Received;
use crate::record::{Keyring, Token};
use http::HeaderName;
use http::header::AUTHORIZATION;
use secrecy::ExposeSecret;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use super::keys::Keys;
use super::prepared::{Error, Verified};
use super::{Place, Refusal, base64_of, form, header, signature};

/// A [`Token`] with hashed secrets.
pub(super) struct Check {
    token: Token,
    header: HeaderName,
    keys: Keys<[u8; 32]>,
}

impl Check {
    pub(super) fn new(token: &Token, variable: &str, keyring: &Keyring) -> Result<Self, Error> {
        let header = match token {
            Token::Header(name) => signature::name(name)?,
            _ => AUTHORIZATION,
        };
        let keys = Keys::new(variable, keyring, |secret| Ok(hash(secret.expose_secret().as_bytes())))?;
        Ok(Self { token: token.clone(), header, keys })
    }

    pub(super) fn verify(&self, received: &Received) -> Result<Verified, Refusal> {
        let presented = self.presented(received);
        let presented_hash = hash(presented.as_deref().unwrap_or_default());
        let mut tried = 0;
        let mut found = None;
        for (index, expected) in self.keys.active(received.at) {
            tried += 1;
            if bool::from(expected.ct_eq(&presented_hash)) {
                found = found.or(Some(index));
            }
        }
        let length = presented?.len();
        if tried == 0 {
            return Err(Refusal::NoActiveKey);
        }
        found.map(|index| Verified::by(index, None)).ok_or_else(|| Refusal::Invalid {
            place: self.place(),
            signatures: 1,
            keys: tried,
            signed_bytes: length,
            hint: "the sender's token is another one",
        })
    }

    fn presented(&self, received: &Received) -> Result<Vec<u8>, Refusal> {
        let malformed = |why| Refusal::malformed(self.place(), why);
        if let Token::Query(name) = &self.token {
            let query = received.query.as_deref().unwrap_or_default();
            let mut values = form::pairs(query.as_bytes()).filter(|(key, _)| **key == *name.as_bytes());
            let (_, value) = values.next().ok_or_else(|| Refusal::Missing(self.place()))?;
            return match values.next() {
                Some(_) => Err(Refusal::Duplicate(self.place())),
                None => Ok(value.into_owned()),
            };
        }
        let value = header::single(&received.headers, &self.header)?;
        match self.token {
            Token::Header(_) => Ok(value.as_bytes().to_vec()),
            Token::Bearer => {
                let token = credentials(value, "bearer")
                    .ok_or_else(|| malformed("it is not of the Bearer scheme"))?;
                Ok(token.as_bytes().to_vec())
            }
            Token::Basic => credentials(value, "basic")
                .and_then(base64_of)
                .ok_or_else(|| malformed("it is not of the Basic scheme")),
            _ => Err(malformed("this place is not known to this version")),
        }
    }

    fn place(&self) -> Place {
        match &self.token {
            Token::Query(name) => Place::Query(name.clone()),
            _ => Place::Header(self.header.clone()),
        }
    }
}

/// Returns what follows the scheme, whose name has no case (RFC 9110 section 11.1).
fn credentials<'a>(value: &'a str, scheme: &str) -> Option<&'a str> {
    let (given, rest) = value.split_once(' ')?;
    given.eq_ignore_ascii_case(scheme).then(|| rest.trim_start())
}

fn hash(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}
