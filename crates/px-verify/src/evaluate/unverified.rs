//! Webhooks without a secret answer this machine and nobody else (`local`).

use crate::Received;

use super::Refusal;
use super::prepared::Verified;
use super::url::UrlView;
use crate::local::{self, Caller, Rule};

/// Believes this machine. One that forwards for somebody else, as a tunnel on
/// this machine does, is not at the end of the line and is refused; so is the
/// page of another site in a browser on this machine, whose form needs nobody's
/// leave to be sent here.
pub(super) fn verify(
    received: &Received,
    urls: &UrlView,
    variable: Option<&str>,
) -> Result<Verified, Refusal> {
    let caller = Caller {
        peer: received.remote.ip(),
        method: &received.method,
        base: received.base.as_deref(),
        headers: &received.headers,
    };
    match local::admit(Rule::ThisMachine, &caller, &urls.cors_origins) {
        Ok(()) => Ok(Verified::unverified()),
        Err(why) => Err(Refusal::Unverified { variable: variable.map(str::to_owned), why: Some(why) }),
    }
}
