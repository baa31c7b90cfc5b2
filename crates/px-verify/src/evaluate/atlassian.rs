//! Atlassian's JSON Web Tokens, which come with the webhooks of Connect and
//! OAuth 2.0 apps. Source: "Understanding JWT for Connect apps" and "Webhooks"
//! on developer.atlassian.com/cloud/jira; the token is RFC 7519 with HS256.
//!
//! A token does not cover the body: it proves who called this URL, and when.

use crate::Received;
use crate::record::{Algorithm, Keyring, TimeUnit};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::AUTHORIZATION;
use px_core::Timestamp;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use super::keys::Keys;
use super::mac::Mac;
use super::prepared::{Error, Verified};
use super::window::point;
use super::{Place, Refusal, form, header};

/// Maximum lead of Atlassian's clock over ours, seconds.
const SKEW_SECS: u64 = 60;

/// Time that a token that is made here counts, seconds: as long as Atlassian's.
const LIFE_SECS: u64 = 180;

/// The secrets, made ready.
pub(super) struct Check {
    keys: Keys<Mac>,
}

/// The claims that count; others are none of our business.
#[derive(Debug, Deserialize)]
struct Claims {
    /// The installation that signs.
    iss: Option<String>,
    /// Time of its issue, seconds since the epoch.
    iat: Option<u64>,
    /// Time of its expiry, seconds since the epoch.
    exp: Option<u64>,
    /// The hash of method, path and query.
    qsh: Option<String>,
}

/// A token, taken apart.
struct Token<'a> {
    /// Signed text: head and claims as they were sent.
    signed: &'a str,
    tag: Vec<u8>,
    claims: Claims,
    /// True if it has to name the URL that it is for.
    needs_url: bool,
}

impl Check {
    pub(super) fn new(variable: &str, keyring: &Keyring) -> Result<Self, Error> {
        let keys = Keys::new(variable, keyring, |secret| {
            Mac::new(Algorithm::HmacSha256, secret.expose_secret().as_bytes())
        })?;
        Ok(Self { keys })
    }

    pub(super) fn verify(&self, received: &Received) -> Result<Verified, Refusal> {
        let token = token(received);
        let signed = token.as_ref().map_or("", |token| token.signed);
        let mut tried = 0;
        let mut found = None;
        for (index, mac) in self.keys.active(received.at) {
            tried += 1;
            let tag = mac.tag(std::iter::once(signed.as_bytes()));
            if token.as_ref().is_ok_and(|token| tag.matches(&token.tag)) {
                found = found.or(Some(index));
            }
        }
        let token = token?;
        let invalid = |hint| Refusal::Invalid {
            place: place(),
            signatures: 1,
            keys: tried,
            signed_bytes: token.signed.len(),
            hint,
        };
        if tried == 0 {
            return Err(Refusal::NoActiveKey);
        }
        if token.claims.iss.as_deref().is_some_and(|id| !self.keys.may_have(id)) {
            return Err(Refusal::UnknownKey(place()));
        }
        let index = found.ok_or_else(|| invalid("the app's shared secret may be another one"))?;
        match &token.claims.qsh {
            Some(hash) if is_for(hash, received) => {}
            Some(_) => return Err(invalid("the token is for another method, path or query")),
            None if token.needs_url => {
                return Err(Refusal::malformed(place(), "its token has no `qsh`"));
            }
            None => {}
        }
        in_time(&token, received.at)?;
        let sent = token.claims.iat.map(|secs| point(secs, TimeUnit::Seconds));
        Ok(Verified::by(index, sent))
    }
}

fn place() -> Place {
    Place::Header(AUTHORIZATION)
}

/// Returns whether the token counts at `now`.
fn in_time(token: &Token<'_>, now: Timestamp) -> Result<(), Refusal> {
    let skew = std::time::Duration::from_secs(SKEW_SECS);
    if let Some(expires) = token.claims.exp.map(|secs| point(secs, TimeUnit::Seconds)) {
        let age = now.since(expires);
        if age > skew {
            return Err(Refusal::TooOld { age, tolerance: skew });
        }
    } else if token.needs_url {
        return Err(Refusal::malformed(place(), "its token has no `exp`"));
    }
    let ahead = token.claims.iat.map(|secs| point(secs, TimeUnit::Seconds).since(now)).unwrap_or_default();
    if ahead > skew {
        return Err(Refusal::TooNew { ahead, tolerance: skew });
    }
    Ok(())
}

fn token(received: &Received) -> Result<Token<'_>, Refusal> {
    let malformed = |why| Refusal::malformed(place(), why);
    let value = header::single(&received.headers, &AUTHORIZATION)?;
    let (scheme, text) = value.split_once(' ').ok_or_else(|| malformed("it has no scheme"))?;
    // `JWT` is Connect's, and names the URL; `Bearer` is OAuth's, and does not.
    let needs_url = if scheme.eq_ignore_ascii_case("jwt") {
        true
    } else if scheme.eq_ignore_ascii_case("bearer") {
        false
    } else {
        return Err(malformed("it is neither of the scheme JWT nor of Bearer"));
    };
    let text = text.trim_start();
    let (signed, tag) = text.rsplit_once('.').ok_or_else(|| malformed("it is no JSON Web Token"))?;
    let (head, claims) = signed.split_once('.').ok_or_else(|| malformed("it is no JSON Web Token"))?;
    let decoded =
        |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed("its token is not base64url"));
    let head: Value =
        serde_json::from_slice(&decoded(head)?).map_err(|_| malformed("its token's head is no JSON"))?;
    // Never what the token wishes: `none` and keys in the token are how these are broken.
    if head.get("alg").and_then(Value::as_str) != Some("HS256") {
        return Err(Refusal::UnknownVersion(place()));
    }
    let claims: Claims = serde_json::from_slice(&decoded(claims)?)
        .map_err(|_| malformed("its token's claims are unreadable"))?;
    Ok(Token { signed, tag: decoded(tag)?, claims, needs_url })
}

/// Returns whether a `qsh` is that of this request. The path is taken from the app's
/// base URL on, which may itself have a path, so every tail of ours counts.
fn is_for(hash: &str, received: &Received) -> bool {
    let query = canonical_query(received.query.as_deref().unwrap_or_default());
    let path = received.path.trim_end_matches('/');
    let tails = path.match_indices('/').filter_map(|(at, _)| path.get(at..)).chain(["/"]);
    let mut found = false;
    for tail in tails {
        found |=
            bool::from(hash_of(received.method.as_str(), tail, &query).as_bytes().ct_eq(hash.as_bytes()));
    }
    found
}

fn hash_of(method: &str, path: &str, query: &str) -> String {
    let canonical = format!("{}&{}&{query}", method.to_ascii_uppercase(), path.replace('&', "%26"));
    hex::encode(Sha256::digest(canonical))
}

/// The query as it is hashed: names and values in RFC 3986's encoding, by name,
/// the values of a repeated one sorted and joined by commas, without `jwt`.
fn canonical_query(query: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    let encode = |bytes: &[u8]| percent_encoding::percent_encode(bytes, KEPT).to_string();
    let mut fields = std::collections::BTreeMap::<String, Vec<String>>::new();
    for (name, value) in form::pairs(query.as_bytes()).filter(|(name, _)| **name != *b"jwt") {
        fields.entry(encode(&name)).or_default().push(encode(&value));
    }
    let fields = fields.into_iter().map(|(name, mut values)| {
        values.sort_unstable();
        format!("{name}={}", values.join(","))
    });
    fields.collect::<Vec<_>>().join("&")
}

/// The header that a Connect webhook to this URL would have at `now`.
pub(super) fn authorization(mac: &Mac, method: &str, url: &str, now: Timestamp) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let tail = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/");
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    let path = path.trim_end_matches('/');
    let hash = hash_of(method, if path.is_empty() { "/" } else { path }, &canonical_query(query));
    let issued = now.as_secs();
    let claims = json!({"iss": "px", "iat": issued, "exp": issued + LIFE_SECS, "qsh": hash});
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&json!({"alg": "HS256", "typ": "JWT"})), encode(&claims));
    let tag = mac.tag(std::iter::once(signed.as_bytes()));
    format!("JWT {signed}.{}", URL_SAFE_NO_PAD.encode(tag.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_hashed_in_one_form() {
        assert_eq!(canonical_query(""), "");
        assert_eq!(canonical_query("b=2&a=1&jwt=x"), "a=1&b=2");
        assert_eq!(canonical_query("a=z&a=b+c&a=%7E"), "a=b%20c,z,~");
        assert_eq!(canonical_query("k%5B%5D=*&e"), "e=&k%5B%5D=%2A");
    }
}
