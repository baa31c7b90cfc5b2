//! Signed links of a world: opened and answered as a browser does.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderName, ORIGIN, REFERER};
use http::{HeaderMap, HeaderValue, Method};
use px_core::key::LINK_SLUG;
use px_core::wait::Ask;
use px_core::{Clock, Ids, RunId};
use px_inbound::{LINK_PATH, LinkAnswer, LinkKeys, LinkSigner};
use px_sdk::Received;
use px_sdk::link::{LinkClaims, LinkSource as _};

use super::World;
use crate::error::WorldError;

/// Host and port at which the links of every world lie.
const AUTHORITY: &str = "127.0.0.1:8787";

/// Origin of the pages of a world.
pub(crate) const ORIGIN_OF_WORLDS: &str = "http://127.0.0.1:8787";

/// The secret of every world's links: they stay good over a restart.
const SECRET: [u8; 32] = *b"links of a world in virtual time";

/// The keys of a world's links.
pub(super) fn keys() -> LinkKeys {
    LinkKeys::new(&SECRET)
}

/// The maker of a world's links.
pub(super) fn signer(clock: Arc<dyn Clock>, ids: Arc<Ids>) -> LinkSigner {
    LinkSigner::new(keys(), Some(ORIGIN_OF_WORLDS.to_owned()), clock, ids)
}

impl World {
    /// The links that a run can be answered by now, each with its question.
    ///
    /// # Errors
    /// The store fails.
    pub async fn links(&self, run: RunId) -> Result<Vec<(String, Ask)>, WorldError> {
        let Some(found) = self.run(run).await? else { return Ok(Vec::new()) };
        let signer = signer(Arc::new(self.clock.clone()), Arc::clone(&self.ids));
        let registrations = found.waits.into_iter().flat_map(|wait| wait.registrations);
        let links = registrations.filter(|one| *one.key.slug == *LINK_SLUG).filter_map(|one| {
            let ask = *one.ask?;
            let claims = LinkClaims { run, link: one.key.identifier.parse().ok()?, expires: ask.expires };
            Some((signer.url(&claims).ok()?, ask))
        });
        Ok(links.collect())
    }

    /// Opens a link, as a person or a mail scanner does.
    ///
    /// # Errors
    /// The process dies.
    pub async fn open_link(&self, url: &str) -> Result<LinkAnswer, WorldError> {
        self.alive(Box::pin(self.stage.show_link(token(url), self.now()))).await
    }

    /// Posts a form to a link, from a page of this origin if one is given.
    ///
    /// # Errors
    /// The process dies.
    pub async fn post_link(
        &self,
        url: &str,
        origin: Option<&str>,
        form: &str,
    ) -> Result<LinkAnswer, WorldError> {
        let path = format!("{LINK_PATH}{}", token(url));
        let lines = [
            (HOST, Some(AUTHORITY)),
            (CONTENT_TYPE, Some("application/x-www-form-urlencoded")),
            (ORIGIN, origin),
            // As a proxy writes what it was asked for, and a browser where it comes from.
            (HeaderName::from_static("x-original-uri"), Some(&*path)),
            (REFERER, Some(&*path)),
        ];
        let headers: HeaderMap = lines
            .into_iter()
            .filter_map(|(name, value): (HeaderName, _)| Some((name, HeaderValue::try_from(value?).ok()?)))
            .collect();
        let received = Received {
            method: Method::POST,
            path,
            query: None,
            base: None,
            headers,
            body: Bytes::copy_from_slice(form.as_bytes()),
            remote: SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000)),
            at: self.now(),
        };
        self.alive(Box::pin(self.stage.answer_link(token(url), received))).await
    }
}

/// The token of a link's URL.
fn token(url: &str) -> &str {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    path.rsplit('/').next().unwrap_or(path)
}
