//! The way in which requests are signed, as a word and the names of headers;
//! px-outbound makes the signatures.

use serde::{Deserialize, Serialize};

/// Signature scheme of requests, with the names of the headers where those can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case")]
pub enum Signing {
    /// Standard Webhooks, HMAC: `v1,`.
    #[default]
    Standard,
    /// Standard Webhooks, Ed25519: `v1a,`.
    StandardAsymmetric,
    /// As GitHub does: `X-Hub-Signature-256`.
    Github,
    /// A timestamp header, and a signature over `timestamp.body`.
    Timestamped {
        /// The header of the timestamp, `X-Px-Timestamp` by default.
        timestamp_header: String,
        /// The header of the signature, `X-Px-Signature` by default.
        signature_header: String,
    },
    /// As Stripe does: `t=…,v1=…` in one header.
    Stripe {
        /// Name of the header that bears time and signature, `Stripe-Signature` by default.
        header: String,
    },
}

impl Signing {
    /// The word in the configuration and on the wire.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::StandardAsymmetric => "standard-asymmetric",
            Self::Github => "github",
            Self::Timestamped { .. } => "timestamped",
            Self::Stripe { .. } => "stripe",
        }
    }

    /// The mode of this name, with the default names of its headers.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "standard" => Self::Standard,
            "standard-asymmetric" => Self::StandardAsymmetric,
            "github" => Self::Github,
            "timestamped" => Self::Timestamped {
                timestamp_header: "X-Px-Timestamp".into(),
                signature_header: "X-Px-Signature".into(),
            },
            "stripe" => Self::Stripe { header: "Stripe-Signature".into() },
            _ => return None,
        })
    }
}
