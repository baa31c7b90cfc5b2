//! Users' code on the way in: a webhook's handler and its own verifier. Both run
//! on the pool, for a bounded time, so that one that blocks costs its own
//! webhook and nobody else.

use std::sync::Arc;
use std::time::Duration;

use px_pool::{Failure, Subject, panic_text};
use px_sdk::{HandlerError, RawInbound, Received as Request};
use serde_json::Value;

use crate::answer::Answer;
use crate::context::InboundContext;
use crate::endpoint::Endpoint;
use crate::quarantine::Trouble;
use crate::validate::Violation;
use crate::verify::{Prepared, Refusal, Verified};

/// Maximum time of a handler, or of a webhook's own verifier.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Largest body that is verified where its request is served, bytes: of a larger one a thread
/// that serves others would be busy for a while.
const VERIFIED_AT_ONCE: usize = 1024 * 1024;

/// The cause for which users' code gave no result; its sender tries again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stuck {
    /// The code took longer than it may.
    Slow,
    /// Earlier requests of this webhook hold as many threads as it may have.
    Crowded,
}

impl Stuck {
    /// Answers 503 and logs the cause for the operator.
    pub(crate) fn answer(self, endpoint: &Endpoint) -> Answer {
        let slug = endpoint.def.slug.as_str();
        match self {
            Self::Crowded => {
                tracing::error!(
                    slug,
                    "the handler or verifier of the webhook holds threads and does not yield: the webhook is \
                     answered 503 until it does; such work belongs in a step"
                );
                Answer::unavailable("The webhook's code is stuck with earlier requests, try again")
            }
            Self::Slow => {
                tracing::error!(
                    slug,
                    "the handler or verifier of the webhook took longer than {TIMEOUT:?}; such work belongs in a \
                     step"
                );
                Answer::unavailable("The webhook's handler took too long, try again")
            }
        }
    }
}

/// Runs users' code of a webhook on the pool.
async fn call<T: Send + 'static>(
    context: &InboundContext,
    endpoint: &Endpoint,
    code: impl Future<Output = T> + Send + 'static,
) -> Result<Result<T, Failure>, Stuck> {
    let subject = Subject::Handler { webhook: endpoint.def.slug.clone() };
    if context.pool.is_crowded(&subject) {
        return Err(Stuck::Crowded);
    }
    let execution = context.pool.run(subject, None, code);
    tokio::time::timeout(TIMEOUT, execution).await.map_err(|_| Stuck::Slow)
}

/// Asks the handler what is to become of an event.
pub(crate) async fn ask_handler(
    context: &InboundContext,
    endpoint: &Endpoint,
    request: &Arc<Request>,
    payload: Value,
) -> Result<Vec<RawInbound>, Trouble> {
    let (def, request) = (Arc::clone(&endpoint.def), Arc::clone(request));
    let resources = context.resources.clone();
    // The call itself is users' code too, and belongs to the first poll.
    match call(context, endpoint, async move { def.handle(&resources, request, payload).await }).await? {
        Ok(Ok(inbound)) => Ok(inbound),
        Ok(Err(HandlerError::Payload(misfit))) => {
            Err(Trouble::Violations(vec![Violation { path: misfit.path, message: misfit.why }]))
        }
        Ok(Err(HandlerError::Failed(error))) => Err(Trouble::Failed(format!("{error:?}"))),
        Err(Failure::Panicked(panic)) => {
            Err(Trouble::Failed(format!("the handler panicked: {}", panic_text(&*panic))))
        }
        Err(Failure::Closed) => Err(Stuck::Slow.into()),
    }
}

/// Verifies the sender: on the pool if that asks users' code or the body is large, else here.
pub(crate) async fn verify(
    context: &InboundContext,
    endpoint: &Endpoint,
    verifier: &Arc<Prepared>,
    request: &Arc<Request>,
) -> Result<Result<Verified, Refusal>, Stuck> {
    if !verifier.asks_users_code() {
        return Ok(verify_here(context, endpoint, verifier, request).await);
    }
    let (verifier, urls) = (Arc::clone(verifier), context.urls.clone());
    let request = Arc::clone(request);
    match call(context, endpoint, async move { verifier.verify(&request, &urls) }).await? {
        Ok(verdict) => Ok(verdict),
        Err(Failure::Panicked(_)) => Ok(Err(Refusal::Panicked)),
        Err(Failure::Closed) => Err(Stuck::Slow),
    }
}

/// Verifies the sender by code of px's own, which ends.
async fn verify_here(
    context: &InboundContext,
    endpoint: &Endpoint,
    verifier: &Arc<Prepared>,
    request: &Arc<Request>,
) -> Result<Verified, Refusal> {
    if request.body.len() <= VERIFIED_AT_ONCE {
        return verifier.verify(request, &context.urls);
    }
    let (checked, asked, urls) = (Arc::clone(verifier), Arc::clone(request), context.urls.clone());
    let subject = Subject::Handler { webhook: endpoint.def.slug.clone() };
    match context.pool.run(subject, None, async move { checked.verify(&asked, &urls) }).await {
        Ok(verdict) => verdict,
        Err(Failure::Panicked(_)) => Err(Refusal::Panicked),
        Err(Failure::Closed) => verifier.verify(request, &context.urls),
    }
}
