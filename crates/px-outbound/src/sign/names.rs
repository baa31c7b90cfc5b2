//! The headers' names, for the modes whose receivers choose them.

use http::HeaderName;
use http::header;
use serde::{Deserialize, Serialize};

use super::{Error, Mode};

/// Names that a hook gives to its signature headers; absent ones are the
/// mode's own. `stripe` has one to choose, `timestamped` two, the others none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Names {
    /// Instead of `X-Px-Signature` or `Stripe-Signature`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Instead of `X-Px-Timestamp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
}

impl Names {
    /// The modes' own names.
    #[must_use]
    pub const fn own() -> Self {
        Self { signature: None, timestamp: None }
    }

    /// `<prefix>Signature` and `<prefix>Timestamp`, for example `X-Forge-`.
    #[must_use]
    pub fn prefixed(prefix: &str) -> Self {
        Self { signature: Some(format!("{prefix}Signature")), timestamp: Some(format!("{prefix}Timestamp")) }
    }

    /// Refuses names that `mode` would not use: they are a misunderstanding
    /// that the receiver would notice first.
    pub(super) fn fit(&self, mode: Mode) -> Result<(), Error> {
        let fixed = "this signature mode has headers of its own, whose names are fixed";
        let unused = match mode {
            Mode::Timestamped => None,
            Mode::Stripe => self.timestamp.as_ref(),
            _ => self.signature.as_ref().or(self.timestamp.as_ref()),
        };
        if let Some(name) = unused {
            return Err(Error::Header { name: name.clone(), why: fixed });
        }
        if mode == Mode::Timestamped && self.signature_header(mode)? == self.timestamp_header()? {
            let name = self.signature.clone().or_else(|| self.timestamp.clone()).unwrap_or_default();
            return Err(Error::Header { name, why: "it is named for the timestamp and the signature" });
        }
        Ok(())
    }

    pub(super) fn signature_header(&self, mode: Mode) -> Result<HeaderName, Error> {
        match (&self.signature, mode) {
            (Some(name), _) => usable(name),
            (None, Mode::Stripe) => Ok(HeaderName::from_static("stripe-signature")),
            (None, _) => Ok(HeaderName::from_static("x-px-signature")),
        }
    }

    pub(super) fn timestamp_header(&self) -> Result<HeaderName, Error> {
        match &self.timestamp {
            Some(name) => usable(name),
            None => Ok(HeaderName::from_static("x-px-timestamp")),
        }
    }
}

/// Headers that say how the request is read or who may make it. A signature
/// there would break the request, or be broken on the way.
const TAKEN: [HeaderName; 14] = [
    header::ACCEPT,
    header::AUTHORIZATION,
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::DATE,
    header::EXPECT,
    header::HOST,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::USER_AGENT,
];

fn usable(text: &str) -> Result<HeaderName, Error> {
    let refused = |why| Error::Header { name: text.to_owned(), why };
    let name: HeaderName = text.parse().map_err(|_| refused("it is no header's name"))?;
    if TAKEN.contains(&name) {
        return Err(refused("HTTP itself uses that header"));
    }
    Ok(name)
}
