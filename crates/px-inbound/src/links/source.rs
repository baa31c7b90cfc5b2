//! Makes the URLs that steps send.

use std::sync::Arc;

use px_core::{Clock, Ids, LinkId, Timestamp};
use px_sdk::link::{LinkClaims, LinkSource};
use px_sdk::{Error, Result};

use super::token::LinkKeys;

/// Path of a link's page, before its token.
pub const LINK_PATH: &str = "/webhooks/system/link/";

/// The maker of a process's links.
pub struct LinkSigner {
    keys: LinkKeys,
    base: Option<String>,
    clock: Arc<dyn Clock>,
    ids: Arc<Ids>,
}

impl LinkSigner {
    /// Makes links below this URL. `None` makes none, since nobody knows by which URL
    /// people reach this server.
    #[must_use]
    pub fn new(keys: LinkKeys, base: Option<String>, clock: Arc<dyn Clock>, ids: Arc<Ids>) -> Self {
        Self { keys, base, clock, ids }
    }
}

impl LinkSource for LinkSigner {
    fn draw(&self) -> (LinkId, Timestamp) {
        let now = self.clock.now();
        (self.ids.link(now), now)
    }

    fn url(&self, claims: &LinkClaims) -> Result<String> {
        let base = self.base.as_deref().ok_or_else(|| {
            Error::msg(
                "a link needs the URL by which people reach this server, and nothing says it: set `public_url` below \
                 [server] in px.toml, or PX_PUBLIC_URL, to `https://px.example.com` for instance",
            )
        })?;
        Ok(format!("{}{LINK_PATH}{}", base.trim_end_matches('/'), self.keys.token(claims)))
    }
}
