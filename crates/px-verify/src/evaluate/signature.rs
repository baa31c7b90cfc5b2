//! The declarative form, evaluated: read the header, compute over the exact
//! bytes, compare, look at the clock.

use crate::Received;
use crate::record::{Algorithm, Encoding, Keyring, Layout, Part, Signature, TimeSource, Window};
use http::{HeaderMap, HeaderName};
use px_core::Timestamp;
use secrecy::SecretString;

use super::header::{self, Presented};
use super::keys::{self, Keys};
use super::mac::Mac;
use super::prepared::{Error, Verified};
use super::{Place, Refusal, ecdsa, ed25519, window};

/// A [`Signature`] with parsed header names and keys made ready.
pub(super) struct Check {
    pub(super) shape: Shape,
    keys: Keys<Material>,
}

/// A [`Signature`] with parsed header names.
pub(super) struct Shape {
    pub(super) header: HeaderName,
    pub(super) layout: Layout,
    pub(super) encoding: Encoding,
    pub(super) id_header: Option<HeaderName>,
    key_id_header: Option<HeaderName>,
    pub(super) window: Option<Window>,
    time_header: Option<HeaderName>,
    length: Option<usize>,
    pieces: Vec<Piece>,
}

enum Piece {
    Literal(String),
    Timestamp,
    Id,
    Header(HeaderName),
    Body,
}

/// A key that signatures are checked with.
enum Material {
    Mac(Mac),
    Ed25519(ed25519::PublicKey),
    Ecdsa(ecdsa::PublicKey),
}

/// Facts of a request about its signature.
pub(super) struct Facts<'a> {
    presented: Presented,
    timestamp: &'a str,
    sent: Option<Timestamp>,
    id: &'a str,
    key_id: Option<&'a str>,
}

impl<'a> Facts<'a> {
    /// Returns what is known of a request that is yet to be signed.
    pub(super) const fn to_sign(timestamp: &'a str, id: &'a str) -> Self {
        Self { presented: Presented::none(), timestamp, sent: None, id, key_id: None }
    }
}

impl Check {
    pub(super) fn new(record: &Signature, variable: &str, keyring: &Keyring) -> Result<Self, Error> {
        let ready = |secret: &SecretString| {
            let bytes = keys::bytes(&record.key, secret)?;
            match record.algorithm {
                Algorithm::Ed25519 => {
                    ed25519::PublicKey::new(&bytes, keys::is_private(secret)).map(Material::Ed25519)
                }
                Algorithm::EcdsaP256 => ecdsa::PublicKey::new(&bytes).map(Material::Ecdsa),
                algorithm => Mac::new(algorithm, &bytes).map(Material::Mac),
            }
        };
        Ok(Self { shape: Shape::new(record)?, keys: Keys::new(variable, keyring, ready)? })
    }

    pub(super) fn verify(&self, received: &Received) -> Result<Verified, Refusal> {
        // A request that is refused before its MAC matters costs as much as
        // one whose MAC is wrong: the facts are replaced by empty ones, and
        // the first refusal is remembered.
        let (facts, refused) = match self.shape.facts(&received.headers) {
            Ok(facts) => (facts, None),
            Err(refusal) => (Facts::to_sign("", ""), Some(refusal)),
        };
        let found = self.matching_key(&facts, received);
        if let Some(refusal) = refused {
            return Err(refusal);
        }
        let key_index = found?;
        // Only now is the body believed, and the clock asked: "too old" tells
        // something to nobody but the holder of a key.
        let sent = match &self.shape.window {
            None => None,
            Some(window) => {
                let sent = match &window.source {
                    TimeSource::Pointer(pointer) => window::in_body(pointer, window.unit, &received.body)?,
                    _ => facts.sent.unwrap_or_default(),
                };
                window::check(sent, received.at, window.tolerance())?;
                Some(sent)
            }
        };
        Ok(Verified::by(key_index, sent))
    }

    /// The first key under which one of the presented signatures is right.
    fn matching_key(&self, facts: &Facts<'_>, received: &Received) -> Result<usize, Refusal> {
        let pieces = || self.shape.pieces(facts, &received.headers, &received.body);
        let mut message: Option<Vec<u8>> = None;
        let mut tried = 0;
        for (index, key) in self.keys.active_of(received.at, facts.key_id) {
            tried += 1;
            let matches = match key {
                Material::Mac(mac) => {
                    let tag = mac.tag(pieces());
                    facts.presented.iter().any(|signature| tag.matches(signature))
                }
                // Public keys: nothing here is secret, so nothing has to be
                // constant.
                Material::Ed25519(key) => {
                    let message = message.get_or_insert_with(|| concatenated(pieces()));
                    facts.presented.iter().any(|signature| key.verify(message, signature))
                }
                Material::Ecdsa(key) => {
                    let message = message.get_or_insert_with(|| concatenated(pieces()));
                    facts.presented.iter().any(|signature| key.verify(message, signature))
                }
            };
            if matches {
                return Ok(index);
            }
        }
        if tried == 0 {
            return Err(match &self.shape.key_id_header {
                Some(name) if self.keys.active(received.at).next().is_some() => {
                    Refusal::UnknownKey(Place::Header(name.clone()))
                }
                _ => Refusal::NoActiveKey,
            });
        }
        Err(Refusal::Invalid {
            place: Place::Header(self.shape.header.clone()),
            signatures: facts.presented.len(),
            keys: tried,
            signed_bytes: pieces().map(<[u8]>::len).sum(),
            hint: "the secret may be another one, or the body may have been changed on the way",
        })
    }

    /// The MAC of `text` under one key, in hexadecimal. `None` for schemes
    /// without a MAC.
    pub(super) fn hex_mac(&self, key_index: usize, text: &[u8]) -> Option<String> {
        match self.keys.get(key_index)? {
            Material::Mac(mac) => Some(hex::encode(mac.tag(std::iter::once(text)).as_bytes())),
            _ => None,
        }
    }
}

impl Shape {
    pub(super) fn new(record: &Signature) -> Result<Self, Error> {
        let timestamp_signed = record.signed.contains(&Part::Timestamp);
        let source = record.window.as_ref().map(|window| &window.source);
        if !record.signed.contains(&Part::Body) {
            return Err(Error::Record("the body is not among the signed parts"));
        }
        match source {
            Some(TimeSource::Header(_) | TimeSource::Tag(_)) if !timestamp_signed => {
                return Err(Error::Record(
                    "the timestamp is not among the signed parts, so anybody could change it",
                ));
            }
            None | Some(TimeSource::Pointer(_)) if timestamp_signed => {
                return Err(Error::Record(
                    "a timestamp is signed, but the record does not say in which header it is",
                ));
            }
            Some(TimeSource::Tag(_)) if !matches!(record.layout, Layout::Tagged { .. }) => {
                return Err(Error::Record("a timestamp tag needs the tagged layout"));
            }
            _ => {}
        }
        if record.signed.contains(&Part::Id) && record.id_header.is_none() {
            return Err(Error::Record("an id is signed, but the record does not say in which header it is"));
        }
        Ok(Self {
            header: name(&record.header)?,
            layout: record.layout.clone(),
            encoding: record.encoding,
            id_header: record.id_header.as_deref().map(name).transpose()?,
            key_id_header: record.key_id_header.as_deref().map(name).transpose()?,
            time_header: match source {
                Some(TimeSource::Header(header)) => Some(name(header)?),
                _ => None,
            },
            window: record.window.clone(),
            length: match record.algorithm {
                Algorithm::HmacSha1 => Some(20),
                Algorithm::HmacSha256 => Some(32),
                Algorithm::HmacSha512 | Algorithm::Ed25519 => Some(64),
                _ => None,
            },
            pieces: record.signed.iter().map(Piece::new).collect::<Result<_, _>>()?,
        })
    }

    /// Reads what the request says about its signature, strictly.
    fn facts<'a>(&self, headers: &'a HeaderMap) -> Result<Facts<'a>, Refusal> {
        let value = header::single(headers, &self.header)?;
        let presented = Presented::read(&self.header, value, &self.layout, self.encoding, self.length)?;
        let (timestamp, place) = match (&self.time_header, &self.layout, &self.window) {
            (Some(name), ..) => (header::single(headers, name)?, name),
            (
                None,
                Layout::Tagged { separator, delimiter, .. },
                Some(Window { source: TimeSource::Tag(tag), .. }),
            ) => {
                let text = header::only_tag(value, *separator, *delimiter, tag)
                    .map_err(|why| Refusal::malformed(Place::Header(self.header.clone()), why))?;
                (text, &self.header)
            }
            _ => ("", &self.header),
        };
        let sent = match &self.window {
            Some(window) if !matches!(window.source, TimeSource::Pointer(_)) => {
                let number = window::integer(timestamp).ok_or_else(|| {
                    Refusal::malformed(
                        Place::Header(place.clone()),
                        "its timestamp is not a plain decimal integer",
                    )
                })?;
                Some(window::point(number, window.unit))
            }
            _ => None,
        };
        let id = match &self.id_header {
            Some(name) => header::single(headers, name)?,
            None => "",
        };
        for piece in &self.pieces {
            if let Piece::Header(name) = piece {
                header::single(headers, name)?;
            }
        }
        // A sender with one key need not name it.
        let key_id = match &self.key_id_header {
            Some(name) if headers.contains_key(name) => Some(header::single(headers, name)?),
            _ => None,
        };
        Ok(Facts { presented, timestamp, sent, id, key_id })
    }

    /// Returns whether a request says about its signature what it has to, in the right form.
    pub(super) fn is_presented(&self, headers: &HeaderMap) -> bool {
        self.facts(headers).is_ok()
    }

    /// The signed bytes, in order.
    pub(super) fn pieces<'a>(
        &'a self,
        facts: &'a Facts<'_>,
        headers: &'a HeaderMap,
        body: &'a [u8],
    ) -> impl Iterator<Item = &'a [u8]> {
        self.pieces.iter().map(move |piece| match piece {
            Piece::Literal(text) => text.as_bytes(),
            Piece::Timestamp => facts.timestamp.as_bytes(),
            Piece::Id => facts.id.as_bytes(),
            Piece::Header(name) => headers.get(name).map(http::HeaderValue::as_bytes).unwrap_or_default(),
            Piece::Body => body,
        })
    }
}

impl Piece {
    fn new(part: &Part) -> Result<Self, Error> {
        Ok(match part {
            Part::Literal(text) => Self::Literal(text.clone()),
            Part::Timestamp => Self::Timestamp,
            Part::Id => Self::Id,
            Part::Header(header) => Self::Header(name(header)?),
            Part::Body => Self::Body,
        })
    }
}

/// The signed bytes in one piece, for algorithms that read them twice.
pub(super) fn concatenated<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    pieces.fold(Vec::new(), |mut message, piece| {
        message.extend_from_slice(piece);
        message
    })
}

pub(super) fn name(text: &str) -> Result<HeaderName, Error> {
    text.parse().map_err(|_| Error::Header(text.to_owned()))
}
