//! Cookies of the page, and the marks of its forms: what each says, and how it is kept
//! from being made by others.
//!
//! A session names the token that opened it and its end, under a key that is derived
//! from the store's and bound to the token's digest. So it outlives a restart, and ends
//! with the token. It holds no secret of the token.
//!
//! The cookies' names have a mark of the store in them. Browsers tell cookies of one host apart by their
//! names alone, and not by ports: two servers of different stores on one host do not overwrite each other's
//! cookies, and those that serve one store behind one name, whatever their ports, know each other's sessions.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use px_core::{Timestamp, TokenId};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// Bytes of a MAC that are kept.
const MAC: usize = 16;

/// Bytes that a session says: the token's id, its end, its number.
const SAID: usize = 16 + 8 + 8;

/// Bytes of a session, with the MAC.
const SESSION: usize = SAID + MAC;

/// Digits of the store's mark in the names of cookies.
const NAME_DIGITS: usize = 8;

/// Bytes by which a browser without a session is told from others.
const VISITOR: usize = 16;

/// Keys of the page, each for one use.
#[derive(Clone)]
pub(crate) struct PageKeys {
    sessions: Hmac<Sha256>,
    forms: Hmac<Sha256>,
    /// Mark of the store, for names.
    store: String,
}

/// Claims of a session's cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) token: TokenId,
    pub(super) expires: Timestamp,
    /// A number by which it is told from other sessions of the token.
    pub(super) number: u64,
}

impl Claims {
    /// A new session.
    pub(super) fn new(token: TokenId, expires: Timestamp) -> Self {
        let mut number = [0; 8];
        px_core::random_bytes(&mut number);
        Self { token, expires, number: u64::from_be_bytes(number) }
    }
}

impl PageKeys {
    /// Derives the keys from the secret of the store's links, under labels of their own.
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        let derived = |label: &[u8]| {
            let mut derivation = keyed(secret);
            derivation.update(label);
            keyed(&derivation.finalize().into_bytes().into())
        };
        let store = hex::encode(tag(&keyed(secret), &[b"px page cookie, version 1".as_slice()]));
        let store = store.get(..NAME_DIGITS).unwrap_or_default().to_owned();
        let (sessions, forms) = (derived(b"px page session, version 2"), derived(b"px page form, version 1"));
        Self { sessions, forms, store }
    }

    /// The name of a cookie of this store.
    pub(super) fn cookie_name(&self, what: &str) -> String {
        format!("px_{what}_{}", self.store)
    }

    /// The cookie's value for a session by a token of this digest.
    pub(super) fn session(&self, claims: Claims, digest: &[u8; 32]) -> String {
        let said = said(claims);
        URL_SAFE_NO_PAD.encode([&said[..], &self.session_mac(&said, digest)].concat())
    }

    /// Reads a cookie's value. Whose digest it has to be made with, `digest_of` says.
    /// `None` for one that is none, is over, or was not made here for that token.
    pub(super) fn read(
        &self,
        value: &str,
        now: Timestamp,
        digest_of: impl FnOnce(TokenId) -> Option<[u8; 32]>,
    ) -> Option<Claims> {
        let bytes: [u8; SESSION] = URL_SAFE_NO_PAD.decode(value).ok()?.try_into().ok()?;
        let (id, rest) = bytes.split_first_chunk::<16>()?;
        let (expires, rest) = rest.split_first_chunk::<8>()?;
        let (number, mac) = rest.split_first_chunk::<8>()?;
        let claims = Claims {
            token: TokenId::from_bytes(*id),
            expires: Timestamp::from_millis(u64::from_be_bytes(*expires)),
            number: u64::from_be_bytes(*number),
        };
        let wanted = self.session_mac(&said(claims), &digest_of(claims.token)?);
        (bool::from(mac.ct_eq(&wanted)) && now < claims.expires).then_some(claims)
    }

    fn session_mac(&self, said: &[u8], digest: &[u8; 32]) -> [u8; MAC] {
        tag(&self.sessions, &[said, digest])
    }

    /// The mark of a form on a page that goes to whoever has this cookie. Each is another
    /// text, so that none can be guessed from the length of compressed answers.
    pub(super) fn mark(&self, cookie: &str) -> String {
        let mut mask = [0; MAC];
        px_core::random_bytes(&mut mask);
        let masked = xor(mask, tag(&self.forms, &[cookie.as_bytes()]));
        URL_SAFE_NO_PAD.encode([mask, masked].concat())
    }

    /// Returns whether a form's mark was made for this cookie.
    pub(super) fn is_mark(&self, cookie: &str, mark: &str) -> bool {
        let bytes = URL_SAFE_NO_PAD.decode(mark).ok();
        let Some(bytes) = bytes.and_then(|bytes| <[u8; 2 * MAC]>::try_from(bytes).ok()) else { return false };
        let Some((mask, masked)) = bytes.split_first_chunk::<MAC>() else { return false };
        let Ok(masked) = <[u8; MAC]>::try_from(masked) else { return false };
        xor(*mask, masked).ct_eq(&tag(&self.forms, &[cookie.as_bytes()])).into()
    }
}

/// A cookie's value for a browser that has no session: so a form's mark is bound to it all the same.
pub(super) fn visitor() -> String {
    let mut bytes = [0; VISITOR];
    px_core::random_bytes(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Returns whether a cookie's value looks like one of a session or of [`visitor`].
pub(super) fn is_ours(value: &str) -> bool {
    URL_SAFE_NO_PAD.decode(value).is_ok_and(|bytes| matches!(bytes.len(), VISITOR | SESSION))
}

fn said(claims: Claims) -> [u8; SAID] {
    let mut said = [0; SAID];
    let parts = claims.token.to_bytes().into_iter().chain(claims.expires.as_millis().to_be_bytes());
    let parts = parts.chain(claims.number.to_be_bytes());
    for (to, from) in said.iter_mut().zip(parts) {
        *to = from;
    }
    said
}

fn xor(one: [u8; MAC], other: [u8; MAC]) -> [u8; MAC] {
    let mut result = one;
    for (to, from) in result.iter_mut().zip(other) {
        *to ^= from;
    }
    result
}

fn keyed(secret: &[u8; 32]) -> Hmac<Sha256> {
    // A key that is shorter than a block is filled up with zeroes (RFC 2104, section 2).
    let mut block = [0; 64];
    for (to, from) in block.iter_mut().zip(secret) {
        *to = *from;
    }
    Hmac::new(&block.into())
}

/// The parts before the last one have fixed lengths.
fn tag(key: &Hmac<Sha256>, parts: &[&[u8]]) -> [u8; MAC] {
    let mut mac = key.clone();
    for part in parts {
        mac.update(part);
    }
    let whole: [u8; 32] = mac.finalize().into_bytes().into();
    let mut tag = [0; MAC];
    for (to, from) in tag.iter_mut().zip(whole) {
        *to = from;
    }
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);
    const LATER: Timestamp = Timestamp::from_millis(1_767_225_601_000);

    fn claims() -> Claims {
        Claims { token: TokenId::from_bytes([3; 16]), expires: LATER, number: 7 }
    }

    #[test]
    fn a_session_is_read_by_its_key_and_digest_until_it_is_over() {
        let keys = PageKeys::new(&[7; 32]);
        let value = keys.session(claims(), &[1; 32]);
        let read = |keys: &PageKeys, now, digest| keys.read(&value, now, |_| digest);
        assert_eq!(read(&keys, NOW, Some([1; 32])), Some(claims()));
        assert_eq!(read(&PageKeys::new(&[7; 32]), NOW, Some([1; 32])), Some(claims()), "after a restart");
        assert_eq!(read(&keys, LATER, Some([1; 32])), None, "it is over");
        assert_eq!(read(&keys, NOW, Some([2; 32])), None, "a token of another secret");
        assert_eq!(read(&keys, NOW, None), None, "the token is revoked");
        assert_eq!(read(&PageKeys::new(&[8; 32]), NOW, Some([1; 32])), None, "another store");
    }

    #[test]
    fn cookies_of_one_store_have_one_name_and_two_sessions_are_two() {
        let name = |secret| PageKeys::new(&secret).cookie_name("ui");
        assert_eq!(name([7; 32]), name([7; 32]));
        assert_ne!(name([7; 32]), name([8; 32]));
        assert_eq!(name([7; 32]).len(), "px_ui_".len() + NAME_DIGITS);
        let new = || Claims::new(TokenId::from_bytes([3; 16]), LATER);
        assert_ne!(new(), new());
    }

    #[test]
    fn no_bit_of_a_session_can_be_another() {
        let keys = PageKeys::new(&[7; 32]);
        let bytes = URL_SAFE_NO_PAD.decode(keys.session(claims(), &[1; 32])).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let value = URL_SAFE_NO_PAD.encode(flipped);
            assert_eq!(keys.read(&value, NOW, |_| Some([1; 32])), None, "bit {bit}");
        }
        for wrong in ["", "AAAA", "=", "ä"] {
            assert_eq!(keys.read(wrong, NOW, |_| Some([1; 32])), None);
        }
    }

    #[test]
    fn a_forms_mark_is_another_each_time_and_of_one_cookie() {
        let keys = PageKeys::new(&[7; 32]);
        let (one, other) = (visitor(), visitor());
        assert!(is_ours(&one) && one != other && !is_ours("x"));
        let (first, second) = (keys.mark(&one), keys.mark(&one));
        assert_ne!(first, second);
        assert!(keys.is_mark(&one, &first) && keys.is_mark(&one, &second));
        assert!(!keys.is_mark(&other, &first) && !PageKeys::new(&[8; 32]).is_mark(&one, &first));
        for wrong in ["", "AAAA", first.get(1..).unwrap()] {
            assert!(!keys.is_mark(&one, wrong));
        }
    }
}
