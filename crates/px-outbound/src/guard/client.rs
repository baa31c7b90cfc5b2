//! The one HTTP client of callbacks. There is one for each policy: a pooled
//! connection that one hook may have is never another's that may not.

use std::sync::Arc;
use std::time::Duration;

use px_store::BoxFuture;
use reqwest::RequestBuilder;
use reqwest::dns::Resolve;
use tower::util::MapFutureLayer;

use super::{Guarded, Policy, Refused, Target};

/// Time that names, connections and TLS may take together.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time that an idle connection is kept for the next callback to the same host.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Number of idle connections that are kept for one host: as many as an endpoint has
/// in flight by default, and some more.
const MAX_IDLE_PER_HOST: usize = 32;

/// A connection that is being made.
type Connecting<C, E> = BoxFuture<'static, Result<C, E>>;

/// Reason that there is no client.
#[derive(Debug, thiserror::Error)]
#[error("failed to make an HTTP client for callbacks: {0}")]
pub struct Error(#[source] reqwest::Error);

/// Number of header lines that an answer may have.
const MAX_HEADER_LINES: usize = 256;

/// An HTTP client that goes only where its policy says. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    /// Makes a connection of its own for each request.
    unpooled: reqwest::Client,
    policy: Arc<Policy>,
}

impl Client {
    /// A client that asks `resolver`, usually [`System`](super::System), for
    /// names. It follows no redirect, uses no proxy and sends no `Referer`.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(policy: Policy, resolver: Arc<dyn Resolve>) -> Result<Self, Error> {
        // A second installation is the first one's loss of nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = |idle: usize| {
            reqwest::Client::builder()
                .dns_resolver(Guarded::new(Arc::clone(&resolver), policy.clone()))
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                .no_proxy()
                .retry(reqwest::retry::never())
                .connect_timeout(CONNECT_TIMEOUT)
                .connector_layer(MapFutureLayer::new(noted))
                .pool_idle_timeout(IDLE_TIMEOUT)
                .pool_max_idle_per_host(idle)
                .http1_max_headers(MAX_HEADER_LINES)
                .user_agent(crate::USER_AGENT)
                .build()
                .map_err(Error)
        };
        Ok(Self { http: client(MAX_IDLE_PER_HOST)?, unpooled: client(0)?, policy: Arc::new(policy) })
    }

    /// The same client, for requests that take no connection which was there.
    #[must_use]
    pub(crate) fn on_new_connections(&self) -> Self {
        Self { http: self.unpooled.clone(), ..self.clone() }
    }

    /// Begins a POST to `target`.
    ///
    /// # Errors
    /// If its host is an address that the policy refuses. A name that is
    /// refused is the error of sending; [`refusal`] finds it there.
    pub fn post(&self, target: &Target) -> Result<RequestBuilder, Refused> {
        target.check(&self.policy)?;
        Ok(self.http.post(target.url().clone()))
    }

    /// Begins a GET of `target`.
    ///
    /// # Errors
    /// As for [`post`](Self::post).
    pub fn get(&self, target: &Target) -> Result<RequestBuilder, Refused> {
        target.check(&self.policy)?;
        Ok(self.http.get(target.url().clone()))
    }

    /// Its policy.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }
}

/// Takes note of a connection that a request made for itself, or could not make.
fn noted<C, E>(connecting: Connecting<C, E>) -> Connecting<C, E>
where
    C: Send + 'static,
    E: Send + 'static,
{
    Box::pin(async move {
        let made = connecting.await;
        super::resolve::connected();
        made
    })
}

/// The refusal that an error of sending comes from, if the policy was its
/// cause: the attempt's class is then `egress_denied`.
#[must_use]
pub fn refusal<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Refused> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref::<Refused>() {
            return Some(refused);
        }
        cause = error.source();
    }
    None
}
