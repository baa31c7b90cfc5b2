//! Strict reading of headers: one line, visible ASCII, decoded signatures.

use crate::record::{Encoding, Layout};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName};

use super::{Place, Refusal};

/// More signatures of the known version than this are malformed. Standard
/// Webhooks senders sign with up to eleven keys during rotations.
const MAX_SIGNATURES: usize = 16;

/// Longest decoded signature: SHA-512 and Ed25519 have 64 bytes, a P-256
/// signature in DER at most 72.
const MAX_SIGNATURE_BYTES: usize = 96;

/// The only line of `name`, as text.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a str, Refusal> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next().ok_or_else(|| Refusal::Missing(Place::Header(name.clone())))?;
    if lines.next().is_some() {
        return Err(Refusal::Duplicate(Place::Header(name.clone())));
    }
    line.to_str().map_err(|_| Refusal::malformed(Place::Header(name.clone()), "it is not visible ASCII"))
}

/// The signatures of a header, decoded, without an allocation.
pub(super) struct Presented {
    slots: [([u8; MAX_SIGNATURE_BYTES], usize); MAX_SIGNATURES],
    count: usize,
}

impl Presented {
    /// None, for requests that are refused whatever the MAC is.
    pub(super) const fn none() -> Self {
        Self { slots: [([0; MAX_SIGNATURE_BYTES], 0); MAX_SIGNATURES], count: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.count
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.slots.iter().take(self.count).filter_map(|(bytes, len)| bytes.get(..*len))
    }

    /// Reads `value`; signatures of other versions are skipped. `length` is
    /// what a decoded signature must have, if the algorithm has one.
    pub(super) fn read(
        name: &HeaderName,
        value: &str,
        layout: &Layout,
        encoding: Encoding,
        length: Option<usize>,
    ) -> Result<Self, Refusal> {
        let malformed = |why| Refusal::malformed(Place::Header(name.clone()), why);
        let mut presented = Self::none();
        let mut known = 0_usize;
        let mut take = |text: &str| {
            known += 1;
            if known > MAX_SIGNATURES {
                return;
            }
            if let Some(slot) = presented.slots.get_mut(presented.count)
                && let Some(len) = decode(encoding, text, &mut slot.0)
                && length.is_none_or(|expected| expected == len)
            {
                slot.1 = len;
                presented.count += 1;
            }
        };
        match layout {
            Layout::Plain { prefix, separator } => {
                let Some(rest) = value.strip_prefix(prefix.as_str()) else {
                    return Err(if looks_versioned(value) {
                        Refusal::UnknownVersion(Place::Header(name.clone()))
                    } else {
                        let begins = format!("it does not begin with '{prefix}'");
                        Refusal::malformed(Place::Header(name.clone()), begins)
                    });
                };
                match separator {
                    Some(separator) => rest.split(*separator).for_each(take),
                    None => take(rest),
                }
            }
            Layout::Tagged { separator, delimiter, tag, .. } => {
                tagged(value, *separator, *delimiter)
                    .filter(|(name, _)| name == tag)
                    .for_each(|(_, text)| take(text));
            }
        }
        if known == 0 {
            return Err(Refusal::UnknownVersion(Place::Header(name.clone())));
        }
        if known > MAX_SIGNATURES {
            return Err(malformed("it has too many signatures"));
        }
        if presented.count == 0 {
            return Err(malformed("no signature in it has the right alphabet and length"));
        }
        Ok(presented)
    }
}

/// The only value of `wanted` in a tagged header. `Err` says why there is
/// none.
pub(super) fn only_tag<'a>(
    value: &'a str,
    separator: char,
    delimiter: char,
    wanted: &str,
) -> Result<&'a str, &'static str> {
    let mut values = tagged(value, separator, delimiter).filter(|(tag, _)| *tag == wanted);
    let (_, text) = values.next().ok_or("it has no timestamp")?;
    if values.next().is_some() {
        return Err("it has more than one timestamp");
    }
    Ok(text)
}

/// Tokens with a tag; white space around them is not significant.
fn tagged(value: &str, separator: char, delimiter: char) -> impl Iterator<Item = (&str, &str)> {
    value.split(separator).filter_map(move |token| token.trim().split_once(delimiter))
}

/// `v2=…`, `sha512=…`: the right shape with another version.
fn looks_versioned(value: &str) -> bool {
    value.split_once('=').is_some_and(|(tag, rest)| {
        !rest.is_empty()
            && (1..=16).contains(&tag.len())
            && tag.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// Decodes into `buffer` and gives the length.
fn decode(encoding: Encoding, text: &str, buffer: &mut [u8; MAX_SIGNATURE_BYTES]) -> Option<usize> {
    match encoding {
        Encoding::Hex => {
            let len = text.len() / 2;
            hex::decode_to_slice(text, buffer.get_mut(..len)?).ok()?;
            Some(len)
        }
        Encoding::Base64 => STANDARD.decode_slice(text, buffer).ok(),
        Encoding::Base64url => URL_SAFE_NO_PAD.decode_slice(text.trim_end_matches('='), buffer).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str, layout: &Layout) -> Result<Vec<Vec<u8>>, &'static str> {
        let name = HeaderName::from_static("x-signature");
        Presented::read(&name, value, layout, Encoding::Hex, Some(2))
            .map(|presented| presented.iter().map(<[u8]>::to_vec).collect())
            .map_err(|refusal| refusal.class())
    }

    #[test]
    fn plain_values() {
        let layout = Layout::Plain { prefix: "v0=".into(), separator: Some(',') };
        assert_eq!(read("v0=0102", &layout), Ok(vec![vec![1, 2]]));
        assert_eq!(read("v0=0102,ABcd", &layout), Ok(vec![vec![1, 2], vec![0xab, 0xcd]]));
        assert_eq!(read("v0=0102,zz", &layout), Ok(vec![vec![1, 2]]));
        assert_eq!(read("v1=0102", &layout), Err("unknown_version"));
        assert_eq!(read("0102", &layout), Err("malformed"));
        assert_eq!(read("v0=", &layout), Err("malformed"));
        assert_eq!(read("v0=010203", &layout), Err("malformed"));
        assert_eq!(read("v0=010", &layout), Err("malformed"));
        assert_eq!(read("", &layout), Err("malformed"));
        assert_eq!(read(&format!("v0={}", "0102,".repeat(17)), &layout), Err("malformed"));
        assert_eq!(read(&format!("v0={}", "01".repeat(4000)), &layout), Err("malformed"));
    }

    #[test]
    fn tagged_values() {
        let layout = Layout::Tagged { separator: ' ', delimiter: ',', tag: "v1".into() };
        assert_eq!(read("v1a,ffff v1,0102  v1,0304 junk", &layout), Ok(vec![vec![1, 2], vec![3, 4]]));
        assert_eq!(read("v2,0102", &layout), Err("unknown_version"));
        assert_eq!(read("0102", &layout), Err("unknown_version"));
        assert_eq!(read("", &layout), Err("unknown_version"));
        assert_eq!(read("v1,xyz", &layout), Err("malformed"));
        assert_eq!(only_tag("t=1,v1=ff", ',', '=', "t"), Ok("1"));
        assert!(only_tag("t=1,t=1", ',', '=', "t").is_err());
        assert!(only_tag("v1=ff", ',', '=', "t").is_err());
    }
}
