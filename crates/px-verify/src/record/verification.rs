//! The whole record of one webhook's provider.

use serde::{Deserialize, Serialize};

use super::{Ack, BodyForm, Custom, Handshake, Signature, Source, Window};

/// Record of how a webhook proves who sent it, and how its provider behaves.
///
/// Records are plain data. A user adds a provider in code by
/// [`hmac`](crate::providers::hmac) and the builder methods, or in `px.toml` like this:
///
/// ```
/// # let record: px_verify::record::Verification = toml::from_str(r#"
/// provider = "acme"
/// secret = "ACME_WEBHOOK_SECRET"            # the name of an environment variable
/// dedup = [{ header = "acme-delivery" }, { pointer = "/id" }]
/// event_type = [{ pointer = "/type" }]
///
/// [scheme.signature]
/// header = "acme-signature"
/// layout = { plain = { prefix = "v1=" } }
/// signed = ["timestamp", { literal = "." }, "body"]
/// algorithm = "hmac-sha256"
/// window = { source = { header = "acme-timestamp" }, tolerance_secs = 300 }
/// # "#).unwrap();
/// # assert_eq!(record, record_in_code());
/// # use px_verify::{providers::hmac, record::{Part, Verification}};
/// # fn record_in_code() -> Verification {
/// #     hmac("acme-signature", "ACME_WEBHOOK_SECRET").provider("acme").prefix("v1=")
/// #         .timestamp_header("acme-timestamp")
/// #         .signed([Part::Timestamp, Part::literal("."), Part::Body])
/// #         .dedup_header("acme-delivery").dedup_pointer("/id").event_pointer("/type")
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verification {
    /// The provider's name, for lists and logs.
    #[serde(default = "custom")]
    pub provider: String,
    /// The environment variable that holds the secret, or the public key of
    /// an asymmetric scheme. While it is absent from the environment the
    /// webhook is unverified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Scheme of the proof.
    pub scheme: Scheme,
    /// The id by which the provider's repetitions are recognised.
    #[serde(default)]
    pub dedup: Vec<Source>,
    /// Minimum time that an id is remembered, in seconds: longer than the
    /// provider sends a delivery again.
    #[serde(default = "a_week")]
    pub remember_secs: u64,
    /// The kind of event.
    #[serde(default)]
    pub event_type: Vec<Source>,
    /// The provider's question before the first delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handshake: Option<Handshake>,
    /// Form of the body, by which it becomes JSON.
    #[serde(default)]
    pub body: BodyForm,
    /// A JSON pointer to an array of events, each an event of its own
    /// (SendGrid: the empty pointer, the whole body). Where a header holds the
    /// delivery's id, the first event has that one, the second `<id>[1]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
    /// The reply that the provider insists on.
    #[serde(default)]
    pub ack: Ack,
    /// True if the provider never sends a delivery again, so that one that is
    /// turned away is lost. px keeps room for such providers.
    #[serde(default)]
    pub never_retries: bool,
    /// True if the provider posts forms where the record takes JSON as well, so that a
    /// sample of it is a form.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub posts_forms: bool,
    /// Other proofs that count as well: a provider that signs in two ways, or one
    /// that is changing from one to the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Alternative>,
    /// Builder methods that were called on a scheme that they do not fit.
    #[serde(skip)]
    pub(super) misapplied: Vec<&'static str>,
}

const fn a_week() -> u64 {
    7 * 24 * 60 * 60
}

fn custom() -> String {
    "custom".to_owned()
}

/// One more proof by which a sender is believed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alternative {
    /// The environment variable that holds its secret; absent for the record's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Scheme of the proof.
    pub scheme: Scheme,
}

/// Scheme of the proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Scheme {
    /// Nothing. Only loopback peers are answered.
    Unverified,
    /// A signature in the declarative form.
    Signature(Signature),
    /// Twilio's signature over URL and parameters.
    Twilio,
    /// Mailgun's signature inside the body, which does not cover the event.
    Mailgun {
        /// Tolerance of the signature's time, seconds.
        #[serde(default = "five_minutes")]
        tolerance_secs: u64,
    },
    /// Atlassian's JSON Web Token in `Authorization`, which covers the URL and
    /// not the body.
    AtlassianJwt,
    /// A shared text, sent along as it is.
    Token(Token),
    /// A verifier in code, which no configuration can name.
    #[serde(skip_deserializing)]
    Custom(Custom),
}

const fn five_minutes() -> u64 {
    300
}

/// Place of a shared text in the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Token {
    /// In a header of its own.
    Header(String),
    /// `Authorization: Bearer <text>` (RFC 6750).
    Bearer,
    /// `Authorization: Basic <base64>` (RFC 7617); the configured text is
    /// `user:password`.
    Basic,
    /// In the query. Query strings end up in logs; prefer a header.
    Query(String),
}

impl Verification {
    /// A record with nothing but a scheme.
    #[must_use]
    pub fn new(provider: impl Into<String>, secret: Option<&str>, scheme: Scheme) -> Self {
        Self {
            provider: provider.into(),
            secret: secret.map(str::to_owned),
            scheme,
            dedup: Vec::new(),
            remember_secs: a_week(),
            event_type: Vec::new(),
            handshake: None,
            body: BodyForm::default(),
            batch: None,
            ack: Ack::default(),
            never_retries: false,
            posts_forms: false,
            also: Vec::new(),
            misapplied: Vec::new(),
        }
    }

    /// Builder methods that were called on a scheme that they do not fit, for
    /// instance `.hex()` on Twilio's. The evaluator refuses to start with such
    /// a record.
    #[must_use]
    pub fn misapplied(&self) -> &[&'static str] {
        &self.misapplied
    }

    /// Returns true if deliveries may come by GET: Twilio can be told to send
    /// them so, and signs their URL with its parameters.
    #[must_use]
    pub fn takes_get(&self) -> bool {
        self.schemes().any(|scheme| *scheme == Scheme::Twilio)
    }

    /// Returns the names of the secrets that verify senders, those before them, which
    /// count during a rotation, and the token of the handshake.
    #[must_use]
    pub fn secret_names(&self) -> Vec<String> {
        let also = self.also.iter().filter_map(|other| other.secret.as_ref());
        let proofs = self.secret.iter().chain(also);
        let token = match &self.handshake {
            Some(Handshake::Subscribe { verify_token, .. }) => Some(verify_token.clone()),
            _ => None,
        };
        proofs.flat_map(|name| [name.clone(), super::keyring::previous(name)]).chain(token).collect()
    }

    /// Returns every scheme that counts, the record's own first.
    pub fn schemes(&self) -> impl Iterator<Item = &Scheme> {
        std::iter::once(&self.scheme).chain(self.also.iter().map(|other| &other.scheme))
    }

    /// Returns true if a header of this name, in any case, holds the scheme's
    /// signature or secret, so that it must not be kept.
    #[must_use]
    pub fn is_secret_header(&self, name: &str) -> bool {
        let is = |header: &str| header.eq_ignore_ascii_case(name);
        self.schemes().any(|scheme| match scheme {
            Scheme::Token(Token::Header(header)) => is(header),
            Scheme::Signature(signature) => is(&signature.header),
            Scheme::Custom(custom) => custom.headers().iter().any(|header| is(header)),
            _ => false,
        })
    }

    /// Returns true if a query parameter of this name holds a scheme's secret, so
    /// that it must not be kept.
    #[must_use]
    pub fn is_secret_parameter(&self, name: &str) -> bool {
        self.schemes().any(|scheme| matches!(scheme, Scheme::Token(Token::Query(secret)) if secret == name))
    }

    /// The signature's window, where the scheme has the declarative form.
    #[must_use]
    pub fn window(&self) -> Option<&Window> {
        match &self.scheme {
            Scheme::Signature(signature) => signature.window.as_ref(),
            _ => None,
        }
    }
}
