//! The stage: its parts put together, and the way of a request through them.
//! Nothing is answered with 2xx before its commit is durable, and no step code
//! runs here.

use std::sync::Arc;

use px_core::event::TestMark;
use px_core::run::Place;
use px_core::{DeliveryId, RunId, Stopwatch, Timestamp};
use px_sdk::{RawInbound, Received as Request};
use serde_json::Value;
use tracing::Instrument as _;
use tracing::field::{Empty, display};

use crate::accept::Acceptor;
use crate::answer::Answer;
use crate::context::InboundContext;
use crate::endpoint::{Door, Endpoint};
use crate::endpoints::Endpoints;
use crate::form::Forms;
use crate::links::{LinkAnswer, Links};
use crate::metrics;
use crate::operator::{Binding, Operator, OperatorError};
use crate::phases::{Received, Unparsed, Unverified};
use crate::quarantine::Quarantine;
use crate::rejections::{RejectionLimits, Rejections};
use crate::retention::{Retention, Sweeper, Swept};
use crate::users;

/// The inbound stage of one process.
pub struct Stage {
    context: Arc<InboundContext>,
    endpoints: Arc<Endpoints>,
    acceptor: Arc<Acceptor>,
    quarantine: Arc<Quarantine>,
    rejections: Rejections,
    forms: Forms,
    links: Links,
    operator: Operator,
    sweeper: Sweeper,
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}

impl Stage {
    /// Returns a stage that serves these endpoints.
    #[must_use]
    pub fn new(context: InboundContext, endpoints: Vec<Endpoint>) -> Self {
        let context = Arc::new(context);
        let endpoints = Arc::new(Endpoints::new(endpoints));
        let quarantine = Arc::new(Quarantine::new(Arc::clone(&context)));
        let acceptor = Arc::new(Acceptor::new(Arc::clone(&context), Arc::clone(&quarantine)));
        let operator = Operator::new(
            Arc::clone(&context),
            Arc::clone(&endpoints),
            Arc::clone(&acceptor),
            Arc::clone(&quarantine),
        );
        Self {
            rejections: Rejections::new(Arc::clone(&context), RejectionLimits::default()),
            forms: Forms::new(Arc::clone(&context), Arc::clone(&acceptor)),
            links: Links::new(Arc::clone(&context), Arc::clone(&acceptor)),
            sweeper: Sweeper::new(Arc::clone(&context), Arc::clone(&endpoints)),
            context,
            endpoints,
            acceptor,
            quarantine,
            operator,
        }
    }

    /// Bounds the records of rejected requests.
    #[must_use]
    pub fn with_rejections(mut self, limits: RejectionLimits) -> Self {
        self.rejections = Rejections::new(Arc::clone(&self.context), limits);
        self
    }

    /// Returns the endpoints, by slug.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.iter()
    }

    /// Reads what the first request would else wait for: the deliveries that a px
    /// without the index of quarantine has left. Nothing depends on this call; a
    /// request that comes while it works waits for its end.
    ///
    /// # Errors
    /// The store could not be read or written. The next request tries again.
    pub async fn prepare(&self) -> Result<(), px_store::Error> {
        self.quarantine.ready().await
    }

    /// Returns false if the head of a request, whose body need not be there, is enough
    /// to see that its sender is not going to be believed: see [`Prepared::may_be_believed`](
    /// crate::verify::Prepared::may_be_believed).
    #[must_use]
    pub fn may_be_believed(&self, slug: &str, head: &Request) -> bool {
        let Some(endpoint) = self.endpoints.get(slug) else { return true };
        match endpoint.door() {
            Door::Shut(_) => false,
            Door::Open(verifier) => verifier.may_be_believed(head, &self.context.urls),
        }
    }

    /// Takes one request in.
    pub async fn receive(&self, slug: &str, request: Request) -> Answer {
        self.receive_as(slug, request, None).await
    }

    /// Takes a test event in that px has made and signed itself: the same way, and marked as what it is.
    pub async fn receive_test(&self, slug: &str, request: Request, mark: TestMark) -> Answer {
        self.receive_as(slug, request, Some(mark)).await
    }

    async fn receive_as(&self, slug: &str, request: Request, test: Option<TestMark>) -> Answer {
        let watch = Stopwatch::start();
        let span = tracing::info_span!(
            "receive",
            slug,
            delivery = Empty,
            run = Empty,
            test = Empty,
            tested_by = Empty
        );
        if let Some(mark) = &test {
            span.record("test", true);
            if let Some(by) = &mark.by {
                span.record("tested_by", by.as_str());
            }
        }
        let answer = self.take_in(slug, request, (watch, test)).instrument(span.clone()).await;
        if let Some(delivery) = answer.delivery {
            metrics::ACK.observe(watch.elapsed());
            span.record("delivery", display(delivery));
        }
        if let Some(run) = answer.run {
            span.record("run", display(run));
        }
        let action = answer.action.unwrap_or("-");
        tracing::debug!(parent: &span, status = answer.status, action, "answered");
        answer
    }

    async fn take_in(
        &self,
        slug: &str,
        request: Request,
        (watch, test): (Stopwatch, Option<TestMark>),
    ) -> Answer {
        let Some(endpoint) = self.endpoints.get(slug) else { return Box::pin(self.unknown(slug)).await };
        let received = Received { endpoint, request: Arc::new(request), watch, test };
        let verified = match received.verify(&self.context).await {
            Ok(verified) => verified,
            Err(Unverified::Answered(answer)) => return answer,
            // Rare ends, so that their room is not held by every request.
            Err(Unverified::Refused(refused)) => return Box::pin(self.rejections.reject(*refused)).await,
        };
        let parsed = match verified.parse(&self.context).await {
            Ok(parsed) => Ok(parsed),
            Err(Unparsed::Answered(answer)) => return answer,
            Err(Unparsed::Unreadable(unreadable)) => {
                return Box::pin(self.rejections.keep_unreadable(*unreadable)).await;
            }
            Err(Unparsed::Unhandled(unhandled)) => Err(unhandled),
        };
        if let Err(error) = self.quarantine.ready().await {
            tracing::error!(slug, %error, "the inbox could not be read");
            return Answer::not_stored(&error);
        }
        let handled = match parsed {
            Ok(parsed) => parsed.handle(&self.context).await,
            Err(unhandled) => Err(unhandled),
        };
        match handled {
            Ok(handled) => self.acceptor.accept(handled).await,
            Err(unhandled) => Box::pin(self.quarantine.keep(*unhandled)).await,
        }
    }

    /// Asks a webhook's handler what it would make of a payload, without taking anything in. Nothing if
    /// it refuses the payload, fails, or takes too long.
    pub async fn ask_handler(&self, slug: &str, request: Request, payload: Value) -> Option<Vec<RawInbound>> {
        let endpoint = self.endpoints.get(slug)?;
        users::ask_handler(&self.context, endpoint, &Arc::new(request), payload).await.ok()
    }

    /// Answers for a slug that this binary does not have: while runs wait on it, a
    /// redeploy has removed it, or is bringing it if another member of the cluster
    /// has it; then the sender should come back.
    async fn unknown(&self, slug: &str) -> Answer {
        match self.context.is_elsewhere(|member| member.slugs.contains(slug)).await {
            Ok(false) => {}
            Ok(true) => {
                tracing::warn!(slug, "another build serves this webhook");
                return Answer::unavailable(&format!(
                    "Webhook '{slug}' is served by another build, try again"
                ));
            }
            Err(error) => {
                tracing::error!(slug, %error, "the other members of the cluster could not be read");
                return Answer::unavailable("Not now, try again");
            }
        }
        match self.context.store.is_awaited(self.context.scope, slug).await {
            Ok(false) => Answer::unknown_slug(slug),
            Ok(true) => {
                tracing::warn!(slug, "runs wait on a webhook that is not in this binary");
                Answer::unavailable(&format!("Webhook '{slug}' is not served now, and runs wait on it"))
            }
            Err(error) => {
                tracing::error!(slug, %error, "the waiting runs could not be read");
                Answer::unavailable("Not now, try again")
            }
        }
    }

    /// Takes one form of a page in.
    pub async fn receive_form(&self, request: Request) -> Answer {
        self.forms.receive(request).await
    }

    /// Shows the page of a signed link. Changes nothing.
    pub async fn show_link(&self, token: &str, now: Timestamp) -> LinkAnswer {
        self.links.show(token, now).await
    }

    /// Takes in the answer that the page of a signed link posts.
    pub async fn answer_link(&self, token: &str, request: Request) -> LinkAnswer {
        self.links.answer(token, request).await
    }

    /// Runs the handler again on a kept delivery, without looking for
    /// duplicates. A quarantined delivery is done over in its own row; of any
    /// other one the replay is a delivery of its own, and events of the old one
    /// that are still queued leave the queue.
    ///
    /// The sender is not verified again: the verdict of the receipt counts.
    ///
    /// # Errors
    /// See [`OperatorError`]. A payload that still does not fit is an answer.
    pub async fn replay(&self, delivery: DeliveryId) -> Result<Answer, OperatorError> {
        self.operator.replay(delivery).await
    }

    /// Gives a kept event of a delivery (queued, late or expired) to a run
    /// that waits on its webhook, for any identifier and token.
    ///
    /// # Errors
    /// See [`OperatorError`].
    pub async fn bind(&self, delivery: DeliveryId, run: RunId) -> Result<Binding, OperatorError> {
        self.operator.bind(delivery, run).await
    }

    /// Gives a run a response by hand: to the oldest registration of the webhook
    /// `slug`, else to the first whose response it can be. While the run works, it
    /// is kept for the next wait that it fits, unless a place in a wait is asked for:
    /// then it is for that one alone, also while the run is paused there.
    ///
    /// # Errors
    /// See [`OperatorError`]. Nothing is consumed then.
    pub async fn answer(
        &self,
        run: RunId,
        response: Value,
        slug: Option<&str>,
        asked: Option<Place>,
    ) -> Result<(), OperatorError> {
        self.operator.answer(run, response, (slug, asked)).await
    }

    /// Forgets a bounded number of deliveries.
    ///
    /// # Errors
    /// The store could not be read or written; the next sweep does it.
    pub async fn sweep(&self, retention: &Retention) -> Result<Swept, px_store::Error> {
        self.sweeper.sweep(retention).await
    }
}
