//! Twilio's scheme, which does not fit the declarative form: it signs the URL
//! that it called, and of a form the decoded parameters instead of the bytes.
//! Source: "Webhooks security" on twilio.com/docs, and Twilio's own libraries
//! where that page is silent (repeated parameters, ports).

use std::borrow::Cow;

use crate::Received;
use crate::record::{Algorithm, Encoding, Keyring, Layout};
use http::HeaderName;
use http::header::CONTENT_TYPE;
use secrecy::ExposeSecret;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use super::header::{self, Presented};
use super::keys::Keys;
use super::mac::Mac;
use super::prepared::{Error, Verified};
use super::url::UrlView;
use super::{Place, Refusal, body, form};

/// The header with the signature.
pub(super) const SIGNATURE: HeaderName = HeaderName::from_static("x-twilio-signature");
/// Present where a Webhook Setting signs with a shared key (public beta of
/// 2026) instead of the auth token: which one, and with which algorithm. The
/// key is a secret like the others; what is signed is the same.
const SETTINGS: HeaderName = HeaderName::from_static("x-twilio-webhooks-signature-settings");
/// The query parameter with the hash of a body that is not a form.
pub(super) const BODY_HASH: &str = "bodySHA256";

/// Number of parameters a form may have: they are put in order before it is
/// known who sent them. Twilio sends a few dozen.
const MAX_PARAMETERS: usize = 1_000;

const LAYOUT: Layout = Layout::Plain { prefix: String::new(), separator: None };

/// Twilio's auth tokens and shared keys, made ready.
pub(super) struct Check {
    keys: Keys<Pair>,
}

/// One secret under both algorithms.
struct Pair {
    sha1: Mac,
    sha256: Mac,
}

impl Pair {
    const fn mac(&self, algorithm: Algorithm) -> &Mac {
        match algorithm {
            Algorithm::HmacSha256 => &self.sha256,
            _ => &self.sha1,
        }
    }
}

/// Signed facts beside the URL, and the presented signature.
struct Facts<'a> {
    algorithm: Algorithm,
    presented: Presented,
    urls: [String; 2],
    parameters: Vec<Parameter<'a>>,
    body_hash_matches: bool,
}

type Parameter<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

impl Check {
    pub(super) fn new(variable: &str, keyring: &Keyring) -> Result<Self, Error> {
        let keys = Keys::new(variable, keyring, |secret| {
            let secret = secret.expose_secret().as_bytes();
            let mac = |algorithm| Mac::new(algorithm, secret);
            Ok(Pair { sha1: mac(Algorithm::HmacSha1)?, sha256: mac(Algorithm::HmacSha256)? })
        })?;
        Ok(Self { keys })
    }

    pub(super) fn verify(&self, received: &Received, urls: &UrlView) -> Result<Verified, Refusal> {
        let facts = match facts(received, urls, &self.keys) {
            Ok(facts) => facts,
            Err(refusal) => {
                // as much work as for a request with everything in place
                for (_, pair) in self.keys.active(received.at) {
                    std::hint::black_box(pair.sha1.tag(std::iter::once(&*received.body)));
                }
                return Err(refusal);
            }
        };
        let mut tried = 0;
        let mut found = None;
        for (index, pair) in self.keys.active(received.at) {
            tried += 1;
            for url in &facts.urls {
                let tag = pair.mac(facts.algorithm).tag(signed(url, &facts.parameters));
                if facts.presented.iter().any(|signature| tag.matches(signature)) {
                    found = found.or(Some(index));
                }
            }
        }
        match found {
            Some(index) if facts.body_hash_matches => Ok(Verified::by(index, None)),
            _ if tried == 0 => Err(Refusal::NoActiveKey),
            Some(_) => Err(Refusal::Invalid {
                place: Place::Query(BODY_HASH.to_owned()),
                signatures: 1,
                keys: tried,
                signed_bytes: received.body.len(),
                hint: "the body was changed on the way",
            }),
            None => Err(Refusal::Invalid {
                place: Place::Header(SIGNATURE),
                signatures: facts.presented.len(),
                keys: tried,
                signed_bytes: signed(&facts.urls[0], &facts.parameters).map(<[u8]>::len).sum(),
                hint: if urls.is_guess() {
                    "the URL is signed too, and without `public_url` it was guessed from the request"
                } else {
                    "the auth token may be another one, or `public_url` is not the URL that is entered at Twilio"
                },
            }),
        }
    }
}

fn facts<'a>(received: &'a Received, urls: &UrlView, keys: &Keys<Pair>) -> Result<Facts<'a>, Refusal> {
    let value = header::single(&received.headers, &SIGNATURE)?;
    let settings = settings(received)?;
    if settings.key.is_some_and(|id| !keys.may_have(id)) {
        return Err(Refusal::UnknownKey(Place::Header(SETTINGS)));
    }
    let algorithm = settings.algorithm;
    let length = if algorithm == Algorithm::HmacSha256 { 32 } else { 20 };
    let presented = Presented::read(&SIGNATURE, value, &LAYOUT, Encoding::Base64, Some(length))?;
    let urls = urls.candidates(received)?;
    let (parameters, body_hash_matches) = match body_hash(received)? {
        Some(hash) => (Vec::new(), Sha256::digest(&received.body).as_slice().ct_eq(&hash).into()),
        None if is_form(received) => {
            let count = received.body.iter().filter(|byte| **byte == b'&').count() + 1;
            if count > MAX_PARAMETERS {
                return Err(Refusal::malformed(Place::Body, "it has more than 1000 parameters"));
            }
            (parameters(&received.body), true)
        }
        None if received.body.is_empty() => (Vec::new(), true),
        None => return Err(Refusal::Missing(Place::Query(BODY_HASH.to_owned()))),
    };
    Ok(Facts { algorithm, presented, urls, parameters, body_hash_matches })
}

/// Signing key and algorithm that a request names; without a key it is signed with the auth token.
struct Settings<'a> {
    key: Option<&'a str>,
    algorithm: Algorithm,
}

fn settings(received: &Received) -> Result<Settings<'_>, Refusal> {
    if !received.headers.contains_key(&SETTINGS) {
        return Ok(Settings { key: None, algorithm: Algorithm::HmacSha1 });
    }
    let malformed = |why| Refusal::malformed(Place::Header(SETTINGS), why);
    let value = header::single(&received.headers, &SETTINGS)?;
    let one = |wanted: &str| {
        let mut values = value
            .split(',')
            .filter_map(|part| part.trim().split_once('='))
            .filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Ok(value),
            _ => Err(malformed("it does not name one key and one algorithm")),
        }
    };
    let algorithm = match one("algorithm")? {
        "HMAC_SHA256" => Algorithm::HmacSha256,
        "HMAC_SHA1" => Algorithm::HmacSha1,
        _ => return Err(Refusal::UnknownVersion(Place::Header(SETTINGS))),
    };
    Ok(Settings { key: Some(one("key")?), algorithm })
}

/// The signed bytes: the URL, then each parameter's name and value.
pub(super) fn signed<'a>(url: &'a str, parameters: &'a [Parameter<'a>]) -> impl Iterator<Item = &'a [u8]> {
    let parameters = parameters.iter().flat_map(|(name, value)| [&**name, &**value]);
    std::iter::once(url.as_bytes()).chain(parameters)
}

/// A form's parameters in the order in which they are signed: by name, of a
/// repeated one the distinct values in their order. Empty values stay.
pub(super) fn parameters(body: &[u8]) -> Vec<Parameter<'_>> {
    let mut parameters: Vec<_> = form::pairs(body).collect();
    parameters.sort_unstable();
    parameters.dedup();
    parameters
}

/// The hash of the body that the URL carries.
fn body_hash(received: &Received) -> Result<Option<[u8; 32]>, Refusal> {
    let place = || Place::Query(BODY_HASH.to_owned());
    let query = received.query.as_deref().unwrap_or_default();
    let mut values = form::pairs(query.as_bytes()).filter(|(name, _)| **name == *BODY_HASH.as_bytes());
    let Some((_, text)) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Refusal::Duplicate(place()));
    }
    let mut hash = [0; 32];
    hex::decode_to_slice(&*text, &mut hash)
        .map_err(|_| Refusal::malformed(place(), "it is not 64 hexadecimal digits"))?;
    Ok(Some(hash))
}

fn is_form(received: &Received) -> bool {
    let value = received.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| body::essence(value).eq_ignore_ascii_case(body::FORM))
}
