//! The stage: a request in, an answer out. Verify, parse, validate, handle,
//! then [`accept`](crate::accept): nothing is answered with 2xx before its
//! commit is durable, and no step code runs here.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use http::header::CONTENT_TYPE;
use px_core::run::Catalog;
use px_core::{Clock, DeliveryId, Ids, Scope, Stopwatch, Timestamp};
use px_pool::Pool;
use px_sdk::verify::Scheme;
use px_sdk::{RawInbound, Received};
use px_store::{Admission, Claimer, Delivery, DeliveryFilter, Draft, InboxEvent, InboxState, Outcome, Store};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Mutex, OnceCell};
use tracing::Instrument as _;
use tracing::field::{Empty, display};

use crate::accept::{AcceptError, Incoming, Occasion};
use crate::answer::Answer;
use crate::endpoint::Endpoint;
use crate::metrics;
use crate::redact;
use crate::rejections::{RejectionLimits, Rejections};
use crate::retention;
use crate::set_aside::{SetAside, SetAsides};
use crate::turns::Turns;
use crate::users::HANDLER_TIMEOUT;
use crate::validate::Violation;
use crate::verify::{Refusal, UrlView};

/// The longest identifier and provider id, bytes.
const MAX_IDENTIFIER: usize = 1_024;

/// How often a delivery that is set aside is written anew when the one that
/// it supersedes changes meanwhile.
const MAX_ROUNDS: usize = 10;

/// How many quarantined deliveries of earlier processes are known to be
/// superseded by their retries.
const SET_ASIDE_READ: usize = 1_000;

/// How many of these are read at once.
const SET_ASIDE_PAGE: usize = 16;

/// How many bytes of the violations the log has; the inbox has them all.
const MAX_LOGGED: usize = 400;

/// How a form says what it is.
const FORM_TYPE: &str = "application/x-www-form-urlencoded";

/// The inbound stage of one process.
pub struct Stage {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<Ids>,
    pub(crate) scope: Scope,
    pub(crate) turns: Turns,
    endpoints: BTreeMap<String, Endpoint>,
    /// There always is one: `form.rs` tests that.
    pub(crate) forms: Option<Endpoint>,
    pub(crate) urls: UrlView,
    /// The threads that users' code runs on.
    pub(crate) pool: Pool,
    /// Whoever runs in this process what a delivery makes ready.
    pub(crate) claimer: Option<Arc<dyn Claimer>>,
    rejected: Rejections,
    /// Deliveries whose body is their id, one at a time.
    pub(crate) bodies: Turns,
    pub(crate) set_aside: SetAsides,
    set_aside_read: OnceCell<()>,
    pub(crate) sweeping: Mutex<retention::Progress>,
    /// Operators' requests, one at a time.
    pub(crate) operator: Mutex<()>,
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage").field("endpoints", &self.endpoints.keys()).finish_non_exhaustive()
    }
}

impl Stage {
    /// A stage that serves these endpoints.
    pub fn new(
        store: Arc<dyn Store>,
        catalog: Arc<dyn Catalog>,
        clock: Arc<dyn Clock>,
        ids: Arc<Ids>,
        endpoints: Vec<Endpoint>,
        urls: UrlView,
    ) -> Self {
        let endpoints = endpoints.into_iter().map(|endpoint| (endpoint.def.slug.clone(), endpoint)).collect();
        Self {
            store,
            catalog,
            clock,
            ids,
            scope: Scope::default(),
            turns: Turns::default(),
            endpoints,
            forms: crate::form::endpoint().ok(),
            urls,
            pool: Pool::inline(),
            claimer: None,
            rejected: Rejections::default(),
            bodies: Turns::default(),
            set_aside: SetAsides::default(),
            set_aside_read: OnceCell::new(),
            sweeping: Mutex::default(),
            operator: Mutex::default(),
        }
    }

    /// How many rejected requests leave a record.
    #[must_use]
    pub fn with_rejections(mut self, limits: RejectionLimits) -> Self {
        self.rejected = Rejections::new(limits);
        self
    }

    /// Runs users' code on the threads of this pool, instead of where it is awaited.
    #[must_use]
    pub fn with_pool(mut self, pool: Pool) -> Self {
        self.pool = pool;
        self
    }

    /// Gives the runs that deliveries make ready to this claimer, as far as it
    /// has places for them.
    #[must_use]
    pub fn with_claimer(mut self, claimer: Arc<dyn Claimer>) -> Self {
        self.claimer = Some(claimer);
        self
    }

    /// The endpoints, by slug.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.values()
    }

    pub(crate) fn endpoint(&self, slug: &str) -> Option<&Endpoint> {
        self.endpoints.get(slug)
    }

    /// Takes one request in.
    pub async fn receive(&self, slug: &str, received: Received) -> Answer {
        let watch = Stopwatch::start();
        let span = tracing::info_span!("receive", slug, delivery = Empty, run = Empty);
        let answer = self.take_in(slug, received, watch).instrument(span.clone()).await;
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

    async fn take_in(&self, slug: &str, received: Received, watch: Stopwatch) -> Answer {
        let Some(endpoint) = self.endpoints.get(slug) else { return Box::pin(self.unknown(slug)).await };
        match endpoint.verifier.greet(&received) {
            Some(Ok(reply)) => return Answer::handshake(reply),
            Some(Err(refusal)) => return Box::pin(self.reject(endpoint, &received, &refusal, watch)).await,
            None => {}
        }
        // Twilio can be told to send its webhooks as GET; nobody else does.
        let takes_get = endpoint.def.verification.scheme == Scheme::Twilio;
        let is_taken = received.method == Method::POST || (takes_get && received.method == Method::GET);
        if !is_taken {
            return Answer::wrong_method(slug);
        }
        let received = Arc::new(received);
        let verified = match self.verify(endpoint, &received).await {
            Ok(Ok(verified)) => verified,
            // Nothing is known of the sender, so nothing of the request is kept.
            Err(trouble) => return unavailable(endpoint, &trouble),
            Ok(Err(refusal)) => return Box::pin(self.reject(endpoint, &received, &refusal, watch)).await,
        };
        let payload = match endpoint.verifier.parse(&received) {
            Ok(payload) => payload,
            Err(error) => return Answer::unreadable(error.kind(), &error.to_string()),
        };
        if let Some(reply) = endpoint.verifier.handshake(&verified, &payload) {
            return Answer::handshake(reply);
        }
        let verdict = match verified.key_index {
            Some(0) => "verified".to_owned(),
            Some(key) => format!("verified by secret {}", key + 1),
            None => "unverified".to_owned(),
        };
        if let Err(error) = self.set_aside_read.get_or_try_init(|| Box::pin(self.read_set_aside())).await {
            tracing::error!(slug, %error, "the inbox could not be read");
            return Answer::unavailable("The delivery could not be stored, try again");
        }
        let mut delivery = self.delivery(endpoint, &received, verdict);
        let provider_id = self.provider_id(endpoint, &received, &payload);
        let handled = self.handle(endpoint, &received, payload, received.at).await;
        delivery.took_us = micros(watch);
        match handled {
            Ok(events) => {
                let (id, spare) = (delivery.id, self.spare(&delivery, &events));
                match self.accept(endpoint, delivery, events, Occasion::Arrival).await {
                    Ok(answer) => answer,
                    // Rare, so that its room is not held by every request.
                    Err(error) => Box::pin(self.not_accepted(endpoint, id, error, spare, provider_id)).await,
                }
            }
            Err(trouble) => {
                let trouble = trouble.of_a_form(&received);
                Box::pin(self.quarantine(endpoint, delivery, trouble, provider_id)).await
            }
        }
    }

    /// A copy of a delivery that may have to be set aside, since its handler
    /// starts a brain that this binary does not have: accepting takes the
    /// delivery. It may not come to that, for where a run waits, none is started.
    pub(crate) fn spare(&self, delivery: &Delivery, events: &[Incoming]) -> Option<Box<Delivery>> {
        let is_unknown = |event: &Incoming| {
            event.raw.start.as_ref().is_some_and(|(brain, _)| self.catalog.brain(brain).is_none())
        };
        events.iter().any(is_unknown).then(|| Box::new(delivery.clone()))
    }

    /// What was quarantined lately, so that its retries supersede it.
    async fn read_set_aside(&self) -> Result<(), px_store::Error> {
        let filter = DeliveryFilter { state: Some(InboxState::Quarantined), ..DeliveryFilter::default() };
        let (mut found, mut before) = (Vec::new(), None);
        // Few at a time, since each comes with its body.
        while found.len() < SET_ASIDE_READ {
            let page = self.store.deliveries(self.scope, &filter, before, SET_ASIDE_PAGE).await?;
            found.extend(page.items.into_iter().map(|delivery| Delivery { body: Bytes::new(), ..delivery }));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        found.iter().rev().for_each(|delivery| self.set_aside.remember(delivery));
        Ok(())
    }

    /// The provider's id of a delivery, or of the first event of a batch.
    pub(crate) fn provider_id(
        &self,
        endpoint: &Endpoint,
        received: &Received,
        payload: &Value,
    ) -> Option<String> {
        if endpoint.def.same_body_within.is_some() {
            return Some(format!("body:{}", hex::encode(Sha256::digest(&received.body))));
        }
        endpoint.verifier.delivery_id(received, endpoint.verifier.events(payload).first()?)
    }

    /// What is answered to a delivery that could not be accepted. One that
    /// starts a brain which this binary does not have is quarantined, as for
    /// any other handler that fails.
    pub(crate) async fn not_accepted(
        &self,
        endpoint: &Endpoint,
        delivery: DeliveryId,
        error: AcceptError,
        spare: Option<Box<Delivery>>,
        provider_id: Option<String>,
    ) -> Answer {
        let slug = endpoint.def.slug.as_str();
        match (error, spare) {
            (AcceptError::UnknownBrain(brain), Some(delivery)) => {
                let reason = format!(
                    "the handler starts a brain that is not registered: '{brain}' needs its `pub mod` and its \
                     `px::brain!(..)`"
                );
                self.quarantine(endpoint, *delivery, Trouble::Failed(reason), provider_id).await
            }
            (error @ AcceptError::QueueFull(_), _) => {
                tracing::warn!(slug, %delivery, %error, "delivery refused");
                Answer::unavailable("Too many events are queued for this identifier")
            }
            (error, _) => {
                tracing::error!(slug, %delivery, %error, "delivery refused");
                Answer::unavailable("The delivery could not be stored, try again")
            }
        }
    }

    /// Validates each event and asks the handler what is to become of it.
    pub(crate) async fn handle(
        &self,
        endpoint: &Endpoint,
        received: &Arc<Received>,
        payload: Value,
        at: Timestamp,
    ) -> Result<Vec<Incoming>, Trouble> {
        let is_batch = endpoint.def.verification.batch.is_some();
        let parts = if is_batch { endpoint.verifier.events(&payload).to_vec() } else { vec![payload] };
        let mut events = Vec::with_capacity(parts.len());
        let parts_count = parts.len();
        for (place, part) in parts.into_iter().enumerate() {
            endpoint.schema.check(&part).map_err(Trouble::Violations)?;
            let provider_id = match endpoint.def.same_body_within {
                // One body for all parts: the place tells them apart.
                Some(_) if parts_count > 1 => {
                    self.provider_id(endpoint, received, &part).map(|id| format!("{id}.{place}"))
                }
                Some(_) => self.provider_id(endpoint, received, &part),
                None => endpoint.verifier.delivery_id(received, &part),
            };
            let said = self.ask_handler(endpoint, received, part).await?;
            let several = said.len() > 1;
            for (index, mut raw) in said.into_iter().enumerate() {
                check_identifier(&raw)?;
                if raw.token.is_none() {
                    raw.token = query_token(received);
                }
                let provider_id = match (raw.provider_id.take(), &provider_id) {
                    (Some(own), _) => Some(own),
                    // One id for several events: the place tells them apart.
                    (None, Some(id)) if several => Some(format!("{id}#{index}")),
                    (None, id) => id.clone(),
                };
                events.push(Incoming { id: self.ids.event(at), provider_id, raw });
            }
        }
        Ok(events)
    }

    pub(crate) fn delivery(&self, endpoint: &Endpoint, received: &Received, verdict: String) -> Delivery {
        Delivery {
            id: self.ids.delivery(received.at),
            slug: endpoint.def.slug.clone(),
            received_at: received.at,
            remote: received.remote.to_string(),
            method: received.method.to_string(),
            target: redact::target(received, &endpoint.def.verification),
            headers: redact::headers(received, &endpoint.def.verification),
            verdict,
            status: 0,
            took_us: 0,
            size: received.body.len() as u64,
            events: Vec::new(),
            emptied: false,
            body: received.body.clone(),
            revision: 0,
        }
    }

    /// Keeps what did not get as far as a route, to be looked at and replayed.
    pub(crate) async fn quarantine(
        &self,
        endpoint: &Endpoint,
        mut delivery: Delivery,
        trouble: Trouble,
        provider_id: Option<String>,
    ) -> Answer {
        let id = delivery.id;
        let slug = endpoint.def.slug.as_str();
        let (answer, reason) = match trouble {
            Trouble::Slow | Trouble::Crowded => return unavailable(endpoint, &trouble),
            Trouble::Violations(violations) => {
                let reason = violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                let told = reason.get(..reason.floor_char_boundary(MAX_LOGGED)).unwrap_or_default();
                tracing::warn!(slug, delivery = %id, reason = told, "the payload does not fit the schema");
                let text = format!("The payload does not fit the schema of webhook '{slug}'");
                (Answer::violations(id, &text, &violations, endpoint.def.accepts_invalid), reason)
            }
            Trouble::Failed(reason) => {
                tracing::error!(slug, delivery = %id, reason, "the handler failed");
                (Answer::handler_failed(id), reason)
            }
        };
        delivery.status = answer.status;
        let event = self.unrouted(InboxState::Quarantined, delivery.received_at, reason);
        // A retry that fails again takes the place of the one before it.
        let earlier = provider_id.as_deref().and_then(|id| self.set_aside.find(slug, id));
        delivery.events.push(InboxEvent { provider_id, ..event });
        let stored = delivery.clone();
        match self.store_delivery(delivery, earlier).await {
            Ok(()) => {
                self.set_aside.remember(&stored);
                answer
            }
            Err(error) => {
                tracing::error!(slug, %error, "a delivery could not be quarantined");
                Answer::unavailable("The delivery could not be stored, try again")
            }
        }
    }

    /// Answers 401, and keeps a record of it while there are not too many.
    async fn reject(
        &self,
        endpoint: &Endpoint,
        received: &Received,
        refusal: &Refusal,
        watch: Stopwatch,
    ) -> Answer {
        let slug = endpoint.def.slug.as_str();
        let answer = Answer::unauthorized(refusal.caller_text());
        if !self.rejected.may_record(
            slug,
            self.urls.client(received.remote.ip(), &received.headers),
            received.at,
        ) {
            return answer;
        }
        tracing::warn!(slug, remote = %received.remote, class = refusal.class(), "rejected: {refusal}");
        let mut delivery = self.delivery(endpoint, received, format!("rejected: {}", refusal.class()));
        delivery.body = bytes::Bytes::new();
        redact::cut(&mut delivery.target, &mut delivery.headers);
        delivery.status = answer.status;
        delivery.took_us = micros(watch);
        delivery.events.push(self.unrouted(InboxState::Rejected, received.at, refusal.to_string()));
        if let Err(error) = self.store_delivery(delivery, None).await {
            tracing::warn!(slug, %error, "a rejected request could not be recorded");
        }
        answer
    }

    /// A slug that this binary does not have: while runs wait on it, a redeploy
    /// has removed it and the sender should come back (RULES 28).
    async fn unknown(&self, slug: &str) -> Answer {
        match self.store.is_awaited(self.scope, slug).await {
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

    fn unrouted(&self, state: InboxState, at: Timestamp, reason: String) -> InboxEvent {
        InboxEvent {
            id: self.ids.event(at),
            state,
            since: at,
            provider_id: None,
            identifier: None,
            token: None,
            response: None,
            start: None,
            run: None,
            wait: None,
            passed: Vec::new(),
            original: None,
            reason: Some(reason),
        }
    }

    async fn store_delivery(
        &self,
        delivery: Delivery,
        earlier: Option<SetAside>,
    ) -> Result<(), px_store::Error> {
        let (id, at) = (delivery.id, delivery.received_at);
        let earlier = earlier.filter(|earlier| earlier.delivery != id);
        for _ in 0..MAX_ROUNDS {
            let mut draft = Draft::new(&*self.store, &*self.catalog, &self.ids, self.scope, at);
            if let Some(earlier) = &earlier {
                draft.mark(earlier.delivery, earlier.event, |entry| entry.leave_to(id)).await?;
            }
            draft.put_delivery(delivery.clone());
            // Only the earlier one can have changed meanwhile.
            if let Outcome::Committed { .. } = self.commit(draft).await? {
                delivery.events.iter().for_each(|event| metrics::entered(event.state));
                return Ok(());
            }
        }
        Err(px_store::Error::Busy)
    }

    pub(crate) async fn commit(&self, draft: Draft<'_>) -> Result<Outcome, px_store::Error> {
        self.store.commit(draft.into_batch(), Admission::Refuse).await
    }
}

/// Why a delivery is not routed.
pub(crate) enum Trouble {
    Violations(Vec<Violation>),
    Failed(String),
    /// Users' code took longer than it may.
    Slow,
    /// Earlier requests of this webhook hold as many threads as it may have.
    Crowded,
}

impl Trouble {
    /// Says of a payload that does not fit, and looks like JSON that was sent
    /// as a form, that it was read as one: curl's `-d` says so where it is
    /// told nothing else, and the fields that are there are then missing.
    fn of_a_form(self, received: &Received) -> Self {
        let Self::Violations(mut violations) = self else { return self };
        let declared =
            received.headers.get(CONTENT_TYPE).and_then(|line| line.to_str().ok()).unwrap_or_default();
        let is_form = declared.trim_start().to_ascii_lowercase().starts_with(FORM_TYPE);
        if is_form && matches!(received.body.trim_ascii_start().first(), Some(b'{' | b'[')) {
            let message = format!(
                "the body was read as a form, as its Content-Type says ({FORM_TYPE}); JSON is sent as \
                 application/json"
            );
            violations.insert(0, Violation { path: String::new(), message });
        }
        Self::Violations(violations)
    }
}

/// The answer where users' code of a webhook gave none: its sender tries again.
fn unavailable(endpoint: &Endpoint, trouble: &Trouble) -> Answer {
    let slug = endpoint.def.slug.as_str();
    if matches!(trouble, Trouble::Crowded) {
        tracing::error!(
            slug,
            "the handler or verifier of the webhook holds threads and does not yield: the webhook is answered \
             503 until it does; such work belongs in a step"
        );
        return Answer::unavailable("The webhook's code is stuck with earlier requests, try again");
    }
    tracing::error!(
        slug,
        "the handler or verifier of the webhook took longer than {HANDLER_TIMEOUT:?}; such work belongs in a step"
    );
    Answer::unavailable("The webhook's handler took too long, try again")
}

fn check_identifier(raw: &RawInbound) -> Result<(), Trouble> {
    let complain =
        |message: String| Err(Trouble::Violations(vec![Violation { path: String::new(), message }]));
    match &raw.identifier {
        Some(identifier) if identifier.is_empty() => complain("the identifier is empty".into()),
        Some(identifier) if identifier.len() > MAX_IDENTIFIER => complain(format!(
            "the identifier has {} bytes, at most {MAX_IDENTIFIER} are taken",
            identifier.len()
        )),
        _ => Ok(()),
    }
}

/// `?token=` (RULES 10).
fn query_token(received: &Received) -> Option<String> {
    let query = received.query.as_deref()?;
    let value = query.split('&').find_map(|pair| pair.strip_prefix("token="))?;
    percent_encoding::percent_decode_str(value).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

pub(crate) fn micros(watch: Stopwatch) -> u64 {
    u64::try_from(watch.elapsed().as_micros()).unwrap_or(u64::MAX)
}
