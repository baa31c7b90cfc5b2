//! Behaviour of a provider around its signature: the id of a delivery, the
//! handshake, the form of the body and the reply it insists on.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Source of a short text about a delivery. Of several sources the first
/// that yields something counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Source {
    /// A header.
    Header(String),
    /// One header under several names, of which the sender uses any (Standard
    /// Webhooks' `webhook-id`, Svix's `svix-id`). If several are there they have
    /// to agree.
    Headers(Vec<String>),
    /// A JSON pointer (RFC 6901) into the parsed body. A form is parsed into
    /// an object, so `/MessageSid` is the form field of that name.
    Pointer(String),
    /// Several, joined with `:`. Yields nothing if one of them is absent.
    Joined(Vec<Source>),
}

impl Source {
    /// A header.
    #[must_use]
    pub fn header(name: impl Into<String>) -> Self {
        Self::Header(name.into())
    }

    /// A JSON pointer into the parsed body.
    #[must_use]
    pub fn pointer(pointer: impl Into<String>) -> Self {
        Self::Pointer(pointer.into())
    }

    /// Several pointers into the parsed body that only together are an id.
    #[must_use]
    pub fn pointers<const N: usize>(pointers: [&str; N]) -> Self {
        Self::Joined(pointers.into_iter().map(Self::pointer).collect())
    }

    /// Returns whether a header has a say in the text.
    pub(crate) fn asks_headers(&self) -> bool {
        match self {
            Self::Header(_) | Self::Headers(_) => true,
            Self::Pointer(_) => false,
            Self::Joined(sources) => sources.iter().any(Self::asks_headers),
        }
    }
}

/// A question about the parsed body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// A JSON pointer (RFC 6901).
    pub pointer: String,
    /// Value that must be there.
    pub equals: Value,
}

impl When {
    /// True for a body with `equals` at `pointer`.
    #[must_use]
    pub fn new(pointer: impl Into<String>, equals: impl Into<Value>) -> Self {
        Self { pointer: pointer.into(), equals: equals.into() }
    }
}

/// A request that asks whether this endpoint is what it says. It is answered,
/// and is no delivery. All but [`Handshake::Subscribe`],
/// [`Handshake::Origin`] and [`Handshake::Probe`] are signed and answered only after verification, or
/// the endpoint would be an echo for anybody.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Handshake {
    /// Answers 200 with `{<the pointer's last name>: <what is there>}`
    /// (Slack's `url_verification`: `{"challenge": …}`).
    Echo {
        /// Condition on the body that makes it this handshake.
        when: When,
        /// Pointer to the challenge.
        pointer: String,
    },
    /// Answers with fixed content (Discord's PING).
    Fixed {
        /// Condition on the body that makes it this handshake.
        when: When,
        /// The reply's status.
        status: u16,
        /// The reply's content type.
        content_type: String,
        /// The reply's body.
        body: String,
    },
    /// Answers 200 with `{plainToken, encryptedToken}`, the latter the hex
    /// HMAC of the former under the webhook's key (Zoom's
    /// `endpoint.url_validation`).
    Hmac {
        /// Condition on the body that makes it this handshake.
        when: When,
        /// Pointer to the token.
        pointer: String,
    },
    /// A GET with `hub.mode=subscribe`, `hub.verify_token` and
    /// `hub.challenge`: the challenge is echoed as text if the token is the
    /// configured one (Meta; WebSub).
    Subscribe {
        /// The environment variable that holds the verify token.
        verify_token: String,
    },
    /// An `OPTIONS` with `WebHook-Request-Origin`, answered with
    /// `WebHook-Allowed-Origin` and `WebHook-Allowed-Rate` if that origin may
    /// send ("HTTP 1.1 Web Hooks for Event Delivery", section 4). It says
    /// that deliveries are wanted, and authorizes nobody.
    Origin {
        /// The origins that may; empty for all.
        #[serde(default)]
        origins: Vec<String>,
    },
    /// A GET with this query parameter is answered 200 without a body
    /// (Slack's `ssl_check=1`).
    Probe {
        /// The parameter's name.
        query: String,
    },
}

/// Form of the body, by which it becomes JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum BodyForm {
    /// JSON; another content type is refused.
    Json,
    /// An urlencoded form. `k[]` and repeated keys become arrays.
    Form,
    /// By the content type: JSON, or an urlencoded form.
    ByContentType {
        /// The form field that holds the whole body as JSON (GitHub's and
        /// Slack's `payload`). A form without it does not fit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payload_field: Option<String>,
    },
    /// CloudEvents: a whole event as JSON, a batch of them, each of which is an
    /// event of its own, or in binary mode the data alone, which is JSON, a text
    /// that becomes a string, or nothing, which becomes null.
    CloudEvents,
}

impl Default for BodyForm {
    fn default() -> Self {
        Self::ByContentType { payload_field: None }
    }
}

/// Answer that the provider insists on. Absent fields leave px's own
/// reply.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ack {
    /// The status of every accepted delivery, instead of 200 or 201.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The body of every accepted delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<AckBody>,
    /// Answer to a duplicate.
    pub duplicates: Duplicates,
}

/// A pinned reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AckBody {
    /// The content type; empty for none.
    pub content_type: String,
    /// The body.
    pub text: String,
}

/// Answer to a duplicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Duplicates {
    /// A reply that says that it is a duplicate, and names the original.
    #[default]
    Report,
    /// The original's reply, byte for byte.
    Repeat,
}
