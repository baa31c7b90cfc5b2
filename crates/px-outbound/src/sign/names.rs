//! The headers' names, for the modes whose receivers choose them.

use http::HeaderName;
use http::header;

use super::Error;

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

/// A name that may carry a signature or its timestamp.
pub(super) fn usable(text: &str) -> Result<HeaderName, Error> {
    let refused = |why| Error::Header { name: text.to_owned(), why };
    let name: HeaderName = text.parse().map_err(|_| refused("it is no header's name"))?;
    if TAKEN.contains(&name) {
        return Err(refused("HTTP itself uses that header"));
    }
    Ok(name)
}
