//! The token in a link's URL: claims and a MAC over them, under a key that is derived
//! from the store's. It says which run, which registration and until when, and
//! nothing of the question; without the key nobody makes one, and of one that was
//! changed nothing is read.
//!
//! A page's nonce is another MAC, over a token and a time: so a GET leaves nothing
//! behind, and a POST shows that its sender had the page of that token lately.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use px_core::wait::LINK_TOKEN_PREFIX;
use px_core::{LinkId, RunId, Timestamp};
use px_sdk::link::LinkClaims;
use sha2::Sha256;

/// Time for which the buttons of a page can be used.
pub(crate) const NONCE_LIFE: Duration = Duration::from_mins(10);

/// Time by which the clock of the process that made a page may be ahead of this one's.
const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// Bytes of the claims: version, run, link, time of expiry.
const CLAIM_BYTES: usize = 1 + 16 + 16 + 8;
/// Bytes of a MAC: half of what SHA-256 gives (RFC 2104, section 5).
const MAC_BYTES: usize = 16;
/// Bytes of a token behind its prefix, and digits of base64, without a rest.
const TOKEN_BYTES: usize = CLAIM_BYTES + MAC_BYTES;
const TOKEN_DIGITS: usize = TOKEN_BYTES / 3 * 4;
/// Bytes of a nonce.
const NONCE_BYTES: usize = 8 + MAC_BYTES;

/// The form of the claims.
const VERSION: u8 = 1;
/// The time that says that there is none.
const NEVER: u64 = u64::MAX;

/// The keys of tokens and nonces. Clones share nothing but the bytes.
#[derive(Clone)]
pub struct LinkKeys {
    tokens: Hmac<Sha256>,
    nonces: Hmac<Sha256>,
}

impl fmt::Debug for LinkKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkKeys")
    }
}

impl LinkKeys {
    /// Derives the keys from a secret of 32 bytes, one for each use.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        let derived = |label: &[u8]| {
            let mut derivation = keyed(secret);
            derivation.update(label);
            keyed(&derivation.finalize().into_bytes().into())
        };
        Self { tokens: derived(b"px link token, version 1"), nonces: derived(b"px link nonce, version 1") }
    }

    /// Returns the token of these claims.
    #[must_use]
    pub fn token(&self, claims: &LinkClaims) -> String {
        let claims = written(claims);
        let bytes = [&claims[..], &mac(&self.tokens, &[&claims])].concat();
        format!("{LINK_TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads a token. `None` if it is none of this store's: it does not say why.
    #[must_use]
    pub fn read(&self, token: &str) -> Option<LinkClaims> {
        let digits = token.strip_prefix(LINK_TOKEN_PREFIX).filter(|digits| digits.len() == TOKEN_DIGITS)?;
        let bytes = URL_SAFE_NO_PAD.decode(digits).ok()?;
        let (claims, tag) = bytes.split_first_chunk::<CLAIM_BYTES>()?;
        if tag.len() != MAC_BYTES || !is_mac(&self.tokens, &[claims], tag) {
            return None;
        }
        read(claims)
    }

    /// Returns the nonce of a page that is shown now.
    pub(crate) fn nonce(&self, claims: &LinkClaims, now: Timestamp) -> String {
        let at = now.as_millis().to_be_bytes();
        let tag = mac(&self.nonces, &[&written(claims), &at]);
        URL_SAFE_NO_PAD.encode([&at[..], &tag].concat())
    }

    /// Returns whether a nonce is one of this link's pages and was made less than ten
    /// minutes ago.
    pub(crate) fn is_nonce(&self, claims: &LinkClaims, nonce: &str, now: Timestamp) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(nonce) else { return false };
        let Some((at, tag)) = bytes.split_first_chunk::<8>() else { return false };
        if bytes.len() != NONCE_BYTES || !is_mac(&self.nonces, &[&written(claims), at], tag) {
            return false;
        }
        let made = Timestamp::from_millis(u64::from_be_bytes(*at));
        now.since(made) < NONCE_LIFE && made.since(now) < CLOCK_SKEW
    }
}

fn keyed(secret: &[u8; 32]) -> Hmac<Sha256> {
    // A key that is shorter than a block is filled up with zeroes (RFC 2104, section 2).
    let mut block = [0; 64];
    for (to, from) in block.iter_mut().zip(secret) {
        *to = *from;
    }
    Hmac::new(&block.into())
}

fn over(key: &Hmac<Sha256>, parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = key.clone();
    for part in parts {
        mac.update(part);
    }
    mac
}

fn mac(key: &Hmac<Sha256>, parts: &[&[u8]]) -> [u8; MAC_BYTES] {
    let whole: [u8; 32] = over(key, parts).finalize().into_bytes().into();
    let mut tag = [0; MAC_BYTES];
    for (to, from) in tag.iter_mut().zip(whole) {
        *to = from;
    }
    tag
}

/// Takes the same time wherever the two differ. The parts have fixed lengths.
fn is_mac(key: &Hmac<Sha256>, parts: &[&[u8]], tag: &[u8]) -> bool {
    over(key, parts).verify_truncated_left(tag).is_ok()
}

fn written(claims: &LinkClaims) -> [u8; CLAIM_BYTES] {
    let expires = claims.expires.map_or(NEVER, Timestamp::as_millis).to_be_bytes();
    let parts =
        [VERSION].into_iter().chain(claims.run.to_bytes()).chain(claims.link.to_bytes()).chain(expires);
    let mut bytes = [0; CLAIM_BYTES];
    for (to, from) in bytes.iter_mut().zip(parts) {
        *to = from;
    }
    bytes
}

fn read(bytes: &[u8; CLAIM_BYTES]) -> Option<LinkClaims> {
    let (version, rest) = bytes.split_first()?;
    let (run, rest) = rest.split_first_chunk::<16>()?;
    let (link, rest) = rest.split_first_chunk::<16>()?;
    let expires = u64::from_be_bytes(*rest.first_chunk::<8>()?);
    (*version == VERSION).then(|| LinkClaims {
        run: RunId::from_bytes(*run),
        link: LinkId::from_bytes(*link),
        expires: (expires != NEVER).then(|| Timestamp::from_millis(expires)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);

    fn claims(n: u8) -> LinkClaims {
        LinkClaims {
            run: RunId::from_bytes([n; 16]),
            link: LinkId::from_bytes([n + 1; 16]),
            expires: Some(NOW),
        }
    }

    #[test]
    fn a_token_says_its_claims_to_the_key_that_made_it_and_to_no_other() {
        let keys = LinkKeys::new(&[7; 32]);
        for claims in [claims(1), LinkClaims { expires: None, ..claims(2) }] {
            let token = keys.token(&claims);
            assert_eq!((token.len(), keys.read(&token)), (80, Some(claims)), "{token}");
            assert_eq!(LinkKeys::new(&[8; 32]).read(&token), None);
            assert_eq!(LinkKeys::new(&[7; 32]).read(&token), Some(claims), "after a restart");
        }
        assert_ne!(keys.token(&claims(1)), keys.token(&LinkClaims { expires: None, ..claims(1) }));
    }

    #[test]
    fn no_bit_of_a_token_can_be_another() {
        let keys = LinkKeys::new(&[7; 32]);
        let token = keys.token(&claims(1));
        let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix(LINK_TOKEN_PREFIX).unwrap()).unwrap();
        assert_eq!(bytes.len(), TOKEN_BYTES);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let flipped = format!("{LINK_TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(flipped));
            assert_eq!(keys.read(&flipped), None, "bit {bit}");
        }
        for (at, _) in token.char_indices() {
            assert_eq!(keys.read(&token[..at]), None, "cut at {at}");
        }
        for wrong in [
            String::new(),
            LINK_TOKEN_PREFIX.to_owned(),
            format!("{token}A"),
            format!("{token}="),
            format!(" {token}"),
            token.replace(LINK_TOKEN_PREFIX, "pxL_"),
            "é".repeat(40),
            "A".repeat(100_000),
        ] {
            assert_eq!(keys.read(&wrong), None, "{wrong:.90}");
        }
    }

    #[test]
    fn a_nonce_counts_for_its_own_link_and_for_ten_minutes() {
        let keys = LinkKeys::new(&[7; 32]);
        let nonce = keys.nonce(&claims(1), NOW);
        let at = |millis| NOW.after(Duration::from_millis(millis));
        assert!(keys.is_nonce(&claims(1), &nonce, NOW) && keys.is_nonce(&claims(1), &nonce, at(599_999)));
        assert!(!keys.is_nonce(&claims(1), &nonce, at(600_000)));
        assert!(keys.is_nonce(&claims(1), &nonce, NOW.before(Duration::from_secs(59))), "clocks differ");
        assert!(!keys.is_nonce(&claims(1), &nonce, NOW.before(Duration::from_secs(61))));
        assert!(!keys.is_nonce(&claims(2), &nonce, NOW), "of another link");
        assert!(!LinkKeys::new(&[8; 32]).is_nonce(&claims(1), &nonce, NOW));
        let bytes = URL_SAFE_NO_PAD.decode(&nonce).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!keys.is_nonce(&claims(1), &URL_SAFE_NO_PAD.encode(flipped), NOW), "bit {bit}");
        }
        let token = keys.token(&claims(1));
        for wrong in ["", "A", "AAAA", &nonce[..16], &format!("{nonce}AAAA"), &token] {
            assert!(!keys.is_nonce(&claims(1), wrong, NOW), "{wrong}");
        }
    }
}
