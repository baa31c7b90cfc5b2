//! The declarative form of a signature: which header, which bytes, which
//! algorithm, which window. Most providers differ in nothing else.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One provider's signature as data.
///
/// In `px.toml` it is the table `scheme.signature` of a record; see
/// [`Verification`](super::Verification) for a whole one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// The header that carries the signature. Header names have no case.
    pub header: String,
    /// Layout of the header's value.
    #[serde(default)]
    pub layout: Layout,
    /// The bytes that are signed, in order. Must name the body.
    #[serde(default = "just_the_body")]
    pub signed: Vec<Part>,
    /// The algorithm.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// Encoding of the signature's bytes in the header.
    #[serde(default)]
    pub encoding: Encoding,
    /// Form of the key in the configured text.
    #[serde(default)]
    pub key: KeyForm,
    /// The header that [`Part::Id`] stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_header: Option<String>,
    /// The header that names the key which signed, where a sender has several:
    /// only a key of that id, and one without an id, are tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id_header: Option<String>,
    /// Source of the time of sending, and its tolerance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
}

impl Signature {
    /// HMAC-SHA256 over the body, lower-case hex, the key is the text itself.
    #[must_use]
    pub fn new(header: impl Into<String>) -> Self {
        Self {
            header: header.into(),
            layout: Layout::default(),
            signed: just_the_body(),
            algorithm: Algorithm::default(),
            encoding: Encoding::default(),
            key: KeyForm::default(),
            id_header: None,
            key_id_header: None,
            window: None,
        }
    }
}

fn just_the_body() -> Vec<Part> {
    vec![Part::Body]
}

/// One piece of the signed bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Part {
    /// Fixed text.
    Literal(String),
    /// The timestamp, exactly as the sender wrote it.
    Timestamp,
    /// The value of [`Signature::id_header`].
    Id,
    /// The value of another header.
    Header(String),
    /// The exact bytes of the body.
    Body,
}

impl Part {
    /// Fixed text.
    #[must_use]
    pub fn literal(text: impl Into<String>) -> Self {
        Self::Literal(text.into())
    }
}

/// Layout of a signature header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Layout {
    /// A prefix, then one signature, or several with a separator between.
    /// Slack: `v0=<hex>`; Outpost: `v0=<hex>,<hex>`.
    Plain {
        /// Prefix of the value; may be empty. A value that begins with
        /// something else of the same shape is an unknown version.
        #[serde(default)]
        prefix: String,
        /// Between several signatures, if the provider sends several.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        separator: Option<char>,
    },
    /// Tokens of `tag`, delimiter, value. Stripe: `t=1,v1=<hex>,v0=<hex>`;
    /// Standard Webhooks: `v1,<base64> v1a,<base64>`. Other tags are skipped.
    Tagged {
        /// Between tokens.
        separator: char,
        /// Between tag and value.
        delimiter: char,
        /// The tag of the signatures that count.
        tag: String,
    },
}

impl Default for Layout {
    fn default() -> Self {
        Self::Plain { prefix: String::new(), separator: None }
    }
}

/// A signature algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC with SHA-1, for providers that offer nothing better.
    HmacSha1,
    /// HMAC with SHA-256.
    #[default]
    HmacSha256,
    /// HMAC with SHA-512.
    HmacSha512,
    /// Ed25519 (RFC 8032). The configured key is the public one.
    Ed25519,
    /// ECDSA over P-256 with SHA-256, the signature in DER. The configured
    /// key is the public one, a `SubjectPublicKeyInfo` in DER.
    EcdsaP256,
}

/// Encoding of bytes as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Encoding {
    /// Hexadecimal; either case is read, lower case is written.
    #[default]
    Hex,
    /// Standard base64 with padding (RFC 4648 section 4).
    Base64,
    /// The alphabet for URLs (RFC 4648 section 5); padding is read, and none is written.
    Base64url,
}

/// Form of a key in the text of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum KeyForm {
    /// The text's own bytes, prefix and all (Stripe's `whsec_…`).
    #[default]
    Text,
    /// Hexadecimal.
    Hex,
    /// Standard base64, after the first of these prefixes that is there
    /// (Standard Webhooks' `whsec_…`, which is not Stripe's). Of an Ed25519 key
    /// the prefix `whsk_` says that it is private: a seed, or a pair.
    Base64 {
        /// Prefixes to take off; none of them has to be there.
        #[serde(default)]
        strip: Vec<String>,
    },
}

/// The time of sending and how far it may be from the time of receipt, before
/// or after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Source of the timestamp.
    pub source: TimeSource,
    /// Unit of the number.
    #[serde(default)]
    pub unit: TimeUnit,
    /// The greatest accepted distance in seconds, both ways.
    #[serde(default = "five_minutes")]
    pub tolerance_secs: u64,
}

impl Window {
    /// Seconds since the epoch, five minutes of tolerance: what Slack, Stripe
    /// and Standard Webhooks recommend.
    #[must_use]
    pub const fn new(source: TimeSource) -> Self {
        Self { source, unit: TimeUnit::Seconds, tolerance_secs: 300 }
    }

    /// The greatest accepted distance.
    #[must_use]
    pub const fn tolerance(&self) -> Duration {
        Duration::from_secs(self.tolerance_secs)
    }
}

const fn five_minutes() -> u64 {
    300
}

/// Source of a timestamp.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TimeSource {
    /// A header. Must be among the signed parts.
    Header(String),
    /// A tag of the signature header ([`Layout::Tagged`]; Stripe's `t`). Must
    /// be among the signed parts.
    Tag(String),
    /// A JSON pointer (RFC 6901) into the signed body (Linear).
    Pointer(String),
}

/// Unit of a timestamp since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TimeUnit {
    /// Seconds.
    #[default]
    Seconds,
    /// Milliseconds.
    Millis,
}
