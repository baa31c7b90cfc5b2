//! Users' code on the way in: a webhook's handler and its own verifier. Both run
//! on the pool, for a bounded time, so that one that blocks costs its own
//! webhook and nobody else.

use std::sync::Arc;
use std::time::Duration;

use px_pool::{Failure, Subject, panic_text};
use px_sdk::{HandlerError, RawInbound, Received};
use serde_json::Value;

use crate::endpoint::Endpoint;
use crate::stage::{Stage, Trouble};
use crate::validate::Violation;
use crate::verify::{Refusal, Verified};

/// The time that a handler, or a webhook's own verifier, may take.
pub(crate) const HANDLER_TIMEOUT: Duration = Duration::from_secs(2);

impl Stage {
    /// Runs users' code of a webhook on the pool.
    async fn call<T: Send + 'static>(
        &self,
        endpoint: &Endpoint,
        code: impl Future<Output = T> + Send + 'static,
    ) -> Result<Result<T, Failure>, Trouble> {
        let subject = Subject::Handler { webhook: endpoint.def.slug.clone() };
        if self.pool.is_crowded(&subject) {
            return Err(Trouble::Crowded);
        }
        let execution = self.pool.run(subject, None, code);
        tokio::time::timeout(HANDLER_TIMEOUT, execution).await.map_err(|_| Trouble::Slow)
    }

    /// Asks the handler what is to become of an event.
    pub(crate) async fn ask_handler(
        &self,
        endpoint: &Endpoint,
        received: &Arc<Received>,
        payload: Value,
    ) -> Result<Vec<RawInbound>, Trouble> {
        let (def, received) = (Arc::clone(&endpoint.def), Arc::clone(received));
        // The call itself is users' code too, and belongs to the first poll.
        match self.call(endpoint, async move { def.handle(received, payload).await }).await? {
            Ok(Ok(inbound)) => Ok(inbound),
            Ok(Err(HandlerError::Payload(why))) => {
                Err(Trouble::Violations(vec![Violation { path: String::new(), message: why }]))
            }
            Ok(Err(HandlerError::Failed(error))) => Err(Trouble::Failed(format!("{error:?}"))),
            Err(Failure::Panicked(panic)) => {
                Err(Trouble::Failed(format!("the handler panicked: {}", panic_text(&*panic))))
            }
            Err(Failure::Closed) => Err(Trouble::Slow),
        }
    }

    /// Verifies the sender: on the pool if that asks users' code, else here.
    pub(crate) async fn verify(
        &self,
        endpoint: &Endpoint,
        received: &Arc<Received>,
    ) -> Result<Result<Verified, Refusal>, Trouble> {
        if !endpoint.verifier.asks_users_code() {
            return Ok(endpoint.verifier.verify(received, &self.urls));
        }
        let (verifier, urls) = (Arc::clone(&endpoint.verifier), self.urls.clone());
        let received = Arc::clone(received);
        match self.call(endpoint, async move { verifier.verify(&received, &urls) }).await? {
            Ok(verdict) => Ok(verdict),
            Err(Failure::Panicked(_)) => Ok(Err(Refusal::Panicked)),
            Err(Failure::Closed) => Err(Trouble::Slow),
        }
    }
}
