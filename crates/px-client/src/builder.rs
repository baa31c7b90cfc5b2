//! The making of a client.

use std::time::Duration;

use px_api::Secret;
use reqwest::header::HeaderValue;

use crate::client::{Client, chain, is_loopback};
use crate::error::{Error, Kind, Result};

/// Time that a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time that an answer may take, streams excepted.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Makes a [`Client`].
#[derive(Debug, Clone)]
pub struct Builder {
    base: String,
    token: Option<Secret>,
    timeout: Duration,
    user_agent: String,
    redacted: bool,
}

impl Builder {
    pub(crate) fn new(base: String) -> Self {
        let user_agent = concat!("px-client/", env!("CARGO_PKG_VERSION")).to_owned();
        Self { base, token: None, timeout: ANSWER_TIMEOUT, user_agent, redacted: false }
    }

    /// Sends this API token with every request but webhooks.
    #[must_use]
    pub fn token(self, token: impl Into<Secret>) -> Self {
        Self { token: Some(token.into()), ..self }
    }

    /// Sets how long an answer may take; 60 seconds if it is not said. Streams
    /// may take as long as they like.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sets the header `User-Agent`.
    #[must_use]
    pub fn user_agent(self, user_agent: impl Into<String>) -> Self {
        Self { user_agent: user_agent.into(), ..self }
    }

    /// Asks for answers without the values of secrets, whatever the token permits: for
    /// programs that show them to people. Tokens below the scope admin get no others.
    #[must_use]
    pub fn redacted(self) -> Self {
        Self { redacted: true, ..self }
    }

    /// Makes the client. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Kind::Setup`] if the token cannot stand in a header, or the platform's
    /// certificates cannot be read.
    pub fn build(self) -> Result<Client> {
        // A process that has a provider already keeps it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let base = self.base.trim_end_matches('/').to_owned();
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(self.user_agent);
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        let setup = |text: String| Error::new(Kind::Setup, text, false);
        let token = self.token.as_ref().map(bearer).transpose()?;
        let http = builder
            .build()
            .map_err(|error| setup(format!("cannot make an HTTP client: {}", chain(&error))))?;
        Ok(Client::of(base, token, self.timeout, http, self.redacted))
    }
}

fn bearer(token: &Secret) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose().trim()))
        .map_err(|_| Error::new(Kind::Setup, "the API token cannot stand in a header", false))?;
    value.set_sensitive(true);
    Ok(value)
}
