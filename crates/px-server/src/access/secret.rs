//! Text form of a token: `pxt_<the 32 digits of its id>_<64 digits of
//! secret>`, so that one that was found somewhere can be told from other
//! secrets, and revoked by its id. At rest there is a digest of the secret.

use std::fmt::Write as _;

use http::{HeaderMap, header};
use px_core::TokenId;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};

/// Prefix of every token.
const PREFIX: &str = "pxt_";

/// Bytes of a secret.
const SECRET: usize = 32;

/// A new secret, as it is shown once, and its digest.
pub(super) fn make(id: TokenId) -> (SecretString, [u8; 32]) {
    let mut bytes = [0; SECRET];
    px_core::random_bytes(&mut bytes);
    let mut secret = String::with_capacity(2 * SECRET);
    for byte in bytes {
        // Writing into a text cannot fail.
        let _ = write!(secret, "{byte:02x}");
    }
    let digest = digest(&secret);
    let id = id.to_string();
    let id = id.trim_start_matches(TokenId::PREFIX).trim_start_matches('_');
    (format!("{PREFIX}{id}_{secret}").into(), digest)
}

/// The digest of a secret.
pub(super) fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// A token that came with a request.
#[derive(Clone, Copy)]
pub(super) struct Presented<'a> {
    pub(super) id: TokenId,
    pub(super) secret: &'a str,
}

impl<'a> Presented<'a> {
    /// `Authorization: Bearer <token>` (RFC 6750); none if it is said twice.
    pub(super) fn of(headers: &'a HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(header::AUTHORIZATION).iter();
        let line = lines.next()?.to_str().ok()?;
        if lines.next().is_some() {
            return None;
        }
        let (scheme, token) = line.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        Self::parse(token.trim())
    }

    pub(super) fn parse(token: &'a str) -> Option<Self> {
        let (id, secret) = token.strip_prefix(PREFIX)?.split_once('_')?;
        let id = format!("{}_{id}", TokenId::PREFIX).parse().ok()?;
        Some(Self { id, secret })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    #[test]
    fn a_token_is_read_back_and_rests_as_a_digest() {
        let id = TokenId::from_bytes([7; 16]);
        let (text, stored) = make(id);
        let text = text.expose_secret();
        let presented = Presented::parse(text).unwrap();
        assert_eq!((presented.id, digest(presented.secret)), (id, stored));
        assert_eq!(text.len(), 4 + 32 + 1 + 64);
        assert!(Presented::parse("pxt_00_x").is_none() && Presented::parse("").is_none());
    }

    #[test]
    fn one_bearer_token_counts_and_two_are_none() {
        let (text, _) = make(TokenId::from_bytes([7; 16]));
        let line: http::HeaderValue = format!("bearer {}", text.expose_secret()).parse().unwrap();
        let mut headers = HeaderMap::new();
        assert!(Presented::of(&headers).is_none());
        headers.append(header::AUTHORIZATION, line.clone());
        assert!(Presented::of(&headers).is_some());
        headers.append(header::AUTHORIZATION, line);
        assert!(Presented::of(&headers).is_none());
    }
}
