//! Webhooks without a secret answer this machine and nobody else (RULES 26).

use px_sdk::Received;

use super::Refusal;
use super::prepared::Verified;

/// Believes loopback peers. One that forwards for somebody else, as a tunnel
/// on this machine does, is not at the end of the line and is refused.
pub(super) fn verify(received: &Received, variable: Option<&str>) -> Result<Verified, Refusal> {
    let local = received.remote.ip().to_canonical().is_loopback();
    let forwarded = received
        .headers
        .keys()
        .any(|name| name == http::header::FORWARDED || name.as_str().starts_with("x-forwarded-"));
    if local && !forwarded {
        Ok(Verified::unverified())
    } else {
        Err(Refusal::Unverified { variable: variable.map(str::to_owned) })
    }
}
