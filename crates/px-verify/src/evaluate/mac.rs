//! HMAC (RFC 2104) with the key's two blocks hashed once, at the start.

use crate::record::Algorithm;
use hmac::{EagerHash, Hmac, KeyInit, Mac as _};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;

/// A keyed HMAC, ready to be cloned for each request.
#[derive(Clone)]
pub(super) enum Mac {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha512(Box<Hmac<Sha512>>),
}

impl Mac {
    pub(super) fn new(algorithm: Algorithm, key: &[u8]) -> Result<Self, &'static str> {
        match algorithm {
            Algorithm::HmacSha1 => keyed(key).map(Self::Sha1),
            Algorithm::HmacSha256 => keyed(key).map(Self::Sha256),
            Algorithm::HmacSha512 => keyed(key).map(|mac| Self::Sha512(Box::new(mac))),
            _ => Err("the algorithm is no HMAC"),
        }
    }

    /// The MAC of the concatenated pieces.
    pub(super) fn tag<'a>(&self, pieces: impl Iterator<Item = &'a [u8]>) -> Tag {
        match self {
            Self::Sha1(mac) => tag(mac, pieces),
            Self::Sha256(mac) => tag(mac, pieces),
            Self::Sha512(mac) => tag(mac.as_ref(), pieces),
        }
    }
}

fn keyed<D: EagerHash>(key: &[u8]) -> Result<Hmac<D>, &'static str> {
    Hmac::new_from_slice(key).map_err(|_| "HMAC does not take its length")
}

fn tag<'a, D: EagerHash>(mac: &Hmac<D>, pieces: impl Iterator<Item = &'a [u8]>) -> Tag {
    let mut mac = mac.clone();
    for piece in pieces {
        mac.update(piece);
    }
    let output = mac.finalize().into_bytes();
    let mut tag = Tag { bytes: [0; 64], len: 0 };
    for (to, from) in tag.bytes.iter_mut().zip(output.iter()) {
        *to = *from;
        tag.len += 1;
    }
    tag
}

/// A computed MAC. Deliberately without `PartialEq`: compared only by
/// [`Tag::matches`].
pub(super) struct Tag {
    bytes: [u8; 64],
    len: usize,
}

impl Tag {
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Returns whether `other` is the same MAC, in time that depends on nothing but
    /// the lengths.
    pub(super) fn matches(&self, other: &[u8]) -> bool {
        self.as_bytes().ct_eq(other).into()
    }
}
