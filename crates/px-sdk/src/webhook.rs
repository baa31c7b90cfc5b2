//! Webhooks: what `px::webhook!` makes of a payload type, a response type, a
//! verifier and a handler.

mod handler;
mod types;

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use px_verify::Received;
use serde_json::Value;

use crate::dedup::{Dedup, Rule};
use crate::error::{Error, Result};
use crate::file::Files;
use crate::inbound::RawInbound;
use crate::layer;
use crate::read::Misfit;
use crate::resource::{Need, Provided, Resource, Resources};
use crate::verify::{Key, Keyring, Source, Verification};

pub use handler::{Borrowing, Handler, TakesBoth, TakesPayload, TakesReceived, TakesResources};
pub use types::{Payload, Response};

/// Time that an event is kept for a wait to come, if the webhook does not say (docs/rules.md#6).
pub const DEFAULT_EARLY: Duration = Duration::from_hours(24);

/// Number of events one key queues, if the webhook does not say.
pub const DEFAULT_QUEUE_LIMIT: u32 = 1_000;

/// Reason that a handler gave no answer.
#[derive(Debug)]
pub enum HandlerError {
    /// The payload does not read as the webhook's type.
    Payload(Misfit),
    /// The handler's own error.
    Failed(Error),
}

/// A handler's future, types gone.
pub type HandlerFuture = Pin<Box<dyn Future<Output = Result<Vec<RawInbound>, HandlerError>> + Send>>;
type ErasedHandler = Arc<dyn Fn(Arc<Asked>, Value) -> HandlerFuture + Send + Sync>;

/// Everything that a handler may borrow.
#[doc(hidden)]
#[derive(Debug)]
pub struct Asked {
    resources: Resources,
    received: Arc<Received>,
}

/// A webhook, types gone: what the inbound stage serves and the registry lists.
#[derive(Clone)]
pub struct WebhookDef {
    /// The last part of its URL, unique in the project.
    pub slug: String,
    /// Its purpose.
    pub description: String,
    /// The JSON Schema of its payload; `None` takes anything.
    pub payload_schema: Value,
    /// The JSON Schema of its response.
    pub response_schema: Value,
    /// Verification of senders, and the behaviour of their provider.
    pub verification: Verification,
    /// Time that an event is kept for a wait to come; `None` keeps nothing.
    pub early: Option<Duration>,
    /// Number of events one key queues.
    pub queue_limit: u32,
    /// True if a payload that does not fit is answered 202 instead of 422.
    pub accepts_invalid: bool,
    /// Equal bodies within this time are one delivery (docs/rules.md#19). Ids of the
    /// provider's do not count then.
    pub same_body_within: Option<Duration>,
    /// Secrets that the operator configured beside those of the environment.
    pub keys: Vec<Key>,
    /// Bounds of the files that it takes in forms; `None` takes none.
    pub files: Option<Files>,
    /// The user's own middleware, the outermost first.
    pub layers: Vec<layer::Erased>,
    /// Resources that its handler uses.
    pub needs: Vec<Need>,
    /// Secrets that its handler may read.
    pub secrets: Vec<String>,
    handler: ErasedHandler,
    reads_response: fn(&Value) -> Result<(), Misfit>,
}

impl std::fmt::Debug for WebhookDef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookDef").field("slug", &self.slug).finish_non_exhaustive()
    }
}

impl WebhookDef {
    /// Every secret that it accepts: those of the environment first, which
    /// `lookup` knows, then the operator's.
    #[must_use]
    pub fn keyring(&self, lookup: &dyn Fn(&str) -> Option<String>) -> Keyring {
        self.keyring_with(lookup, &|_| Vec::new())
    }

    /// As [`keyring`](Self::keyring), with the store's values of names that the
    /// environment does not know.
    #[must_use]
    pub fn keyring_with(
        &self,
        lookup: &dyn Fn(&str) -> Option<String>,
        stored: &dyn Fn(&str) -> Vec<Key>,
    ) -> Keyring {
        let resolved = self.verification.resolve_with(lookup, stored);
        self.keys.iter().cloned().fold(resolved, Keyring::with_key)
    }

    /// As the operator configures it: another verification instead of the
    /// code's, and secrets beside those of the environment.
    #[must_use]
    pub fn configured(mut self, verification: Option<Verification>, keys: Vec<Key>) -> Self {
        if let Some(verification) = verification {
            self.verification = verification;
        }
        self.keys.extend(keys);
        self
    }

    /// The names of all secrets that it may ask for: those that verify its senders, and
    /// those of its handler.
    #[must_use]
    pub fn secret_names(&self) -> Vec<String> {
        self.verification.secret_names().into_iter().chain(self.secrets.iter().cloned()).collect()
    }

    /// Tells whether a value reads as the webhook's response type, as the step that
    /// waits for it will read it.
    ///
    /// # Errors
    /// Where and why it does not.
    pub fn reads_response(&self, response: &Value) -> Result<(), Misfit> {
        (self.reads_response)(response)
    }

    /// Runs the handler on a payload that fits the schema, with those of the
    /// resources that it needs.
    #[must_use]
    pub fn handle(&self, provided: &Provided, received: Arc<Received>, payload: Value) -> HandlerFuture {
        let resources = provided.grant(&self.needs, &self.secrets).of_webhook(&self.slug);
        (self.handler)(Arc::new(Asked { resources, received }), payload)
    }
}

/// A webhook in the making; [`webhook!`](crate::webhook) fills it.
#[derive(Debug)]
pub struct WebhookBuilder<P, R> {
    payload_schema: Value,
    response_schema: Value,
    read: fn(Value) -> Result<P, Misfit>,
    reads_response: fn(&Value) -> Result<(), Misfit>,
    slug: &'static str,
    description: Option<String>,
    verification: Option<Verification>,
    early: Option<Duration>,
    queue_limit: u32,
    accepts_invalid: bool,
    dedup: Option<Dedup>,
    files: Option<Files>,
    layers: Vec<layer::Erased>,
    needs: Vec<Need>,
    secrets: Vec<String>,
    types: PhantomData<fn(P) -> R>,
}

impl<P: 'static, R> WebhookBuilder<P, R> {
    #[doc(hidden)]
    #[must_use]
    pub fn new(slug: &'static str, docs: &str) -> Self
    where
        P: Payload,
        R: Response,
    {
        let docs = docs.trim();
        Self {
            payload_schema: schemars::schema_for!(P).to_value(),
            response_schema: schemars::schema_for!(R).to_value(),
            read: crate::read::payload,
            reads_response: crate::read::fits::<R>,
            slug,
            description: (!docs.is_empty()).then(|| one_line(docs)),
            verification: None,
            early: Some(DEFAULT_EARLY),
            queue_limit: DEFAULT_QUEUE_LIMIT,
            accepts_invalid: false,
            dedup: None,
            files: None,
            layers: Vec::new(),
            needs: Vec::new(),
            secrets: Vec::new(),
            types: PhantomData,
        }
    }

    /// Says what the webhook is for; else the doc comment in the macro does,
    /// else that of the response type.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets how senders are verified.
    #[must_use]
    pub fn verify(mut self, verification: Verification) -> Self {
        self.verification = Some(verification);
        self
    }

    /// Sets how long an event is kept for a wait to come. [`Duration::ZERO`] keeps nothing.
    #[must_use]
    pub fn early(mut self, window: Duration) -> Self {
        self.early = (!window.is_zero()).then_some(window);
        self
    }

    /// Sets how many events one key queues before the sender is told to come back:
    /// 1,000 if not said, and at most, since one commit may have to look at all.
    #[must_use]
    pub fn queue_limit(mut self, events: u32) -> Self {
        self.queue_limit = events.min(DEFAULT_QUEUE_LIMIT);
        self
    }

    /// Answers 202 to a payload that does not fit, for senders that stop
    /// sending after a 422. The delivery is quarantined all the same.
    #[must_use]
    pub fn accepts_invalid(mut self, accepts: bool) -> Self {
        self.accepts_invalid = accepts;
        self
    }

    /// Sets what makes two deliveries the same one, instead of the provider's id:
    /// `px::dedup::path("/id")` or `px::dedup::body(window)` (docs/rules.md#19).
    #[must_use]
    pub fn dedup(mut self, dedup: Dedup) -> Self {
        self.dedup = Some(dedup);
        self
    }

    /// Takes forms with files (`multipart/form-data`), within these bounds. Texts of a
    /// form become fields of the payload, and each file a [`File`](crate::File) at its
    /// field's name; names that come more than once become lists. The files are in the
    /// store before the sender is answered.
    ///
    /// Such a form is refused by a webhook that does not say this.
    #[must_use]
    pub fn files(mut self, files: Files) -> Self {
        self.files = Some(files);
        self
    }

    /// Puts middleware of your own around the webhook: a `tower` layer over
    /// [`layer::Request`], or a function by [`layer::from_fn`]. May be said
    /// several times; the first is the outermost.
    ///
    /// It runs after px has counted the request ([`layer`]) and before px reads
    /// its body and verifies its sender. What it answers itself is no
    /// delivery; px keeps no record of it. If it fails, the sender is told to
    /// come back (503).
    ///
    /// ```
    /// # mod answers {
    /// # use px_sdk::{Inbound, Result};
    /// # #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    /// # pub struct Answer { question: String }
    /// # async fn receive(answer: Answer) -> Result<Inbound<Answer>> {
    /// #     Ok(Inbound::resume(answer.question.clone(), answer))
    /// # }
    /// use px_sdk::layer::{self, BoxError, Next, Request, Response};
    ///
    /// px_sdk::webhook! {
    ///     slug = "answers",
    ///     payload = Answer,
    ///     response = Answer,
    ///     verify = px_sdk::verify::github("ANSWERS_SECRET"),
    ///     handler = receive,
    ///     layer = layer::from_fn(only_json),
    /// }
    ///
    /// async fn only_json(request: Request, next: Next) -> Result<Response, BoxError> {
    ///     if request.headers().get("content-type").is_none_or(|kind| kind != "application/json") {
    ///         return Ok(http::Response::builder().status(415).body(layer::body("JSON, please"))?);
    ///     }
    ///     next.run(request).await
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn layer<L, B>(mut self, layer: L) -> Self
    where
        L: tower::Layer<layer::Route> + Send + Sync + 'static,
        L::Service:
            tower::Service<layer::Request, Response = http::Response<B>> + Clone + Send + Sync + 'static,
        <L::Service as tower::Service<layer::Request>>::Error: Into<layer::BoxError>,
        <L::Service as tower::Service<layer::Request>>::Future: Send + 'static,
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<layer::BoxError>,
    {
        self.layers.push(layer::Erased::new(layer));
        self
    }

    #[doc(hidden)]
    #[must_use]
    pub fn need<T: Resource>(mut self) -> Self {
        self.needs.push(Need::of::<T>());
        self
    }

    /// Lets the handler read these secrets, by
    /// [`Resources::secret`](crate::Resources::secret).
    #[must_use]
    pub fn secrets<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.secrets.extend(names.into_iter().map(Into::into));
        self
    }

    /// The handler, which completes the webhook.
    pub fn handler<H, M>(self, handler: H) -> WebhookDef
    where
        H: Handler<P, R, M>,
    {
        let (response_schema, read) = (self.response_schema, self.read);
        let described = || response_schema.get("description").and_then(Value::as_str).map(one_line);
        let handler = Arc::new(handler);
        let mut verification = self.verification.unwrap_or_else(crate::verify::unverified);
        let same_body_within = match self.dedup {
            Some(Dedup(Rule::Path(pointer))) => {
                verification.dedup = vec![Source::Pointer(pointer)];
                None
            }
            Some(Dedup(Rule::Body(window))) => {
                verification.dedup = Vec::new();
                Some(window)
            }
            None => None,
        };
        WebhookDef {
            slug: self.slug.to_owned(),
            description: self
                .description
                .or_else(described)
                .unwrap_or_else(|| format!("{} webhook", self.slug)),
            payload_schema: self.payload_schema,
            response_schema,
            verification,
            same_body_within,
            early: self.early,
            queue_limit: self.queue_limit,
            accepts_invalid: self.accepts_invalid,
            keys: Vec::new(),
            files: self.files,
            layers: self.layers,
            needs: self.needs,
            secrets: self.secrets,
            reads_response: self.reads_response,
            handler: Arc::new(move |asked, payload| {
                let handler = Arc::clone(&handler);
                Box::pin(async move {
                    let payload = read(payload).map_err(HandlerError::Payload)?;
                    handler.call(asked, payload).await.map_err(HandlerError::Failed)
                })
            }),
        }
    }
}

/// The first paragraph of a doc comment on one line, without its full stop.
fn one_line(docs: &str) -> String {
    let first = docs.split("\n\n").next().unwrap_or(docs);
    let line = first.split_whitespace().collect::<Vec<_>>().join(" ");
    line.strip_suffix('.').map_or(line.clone(), str::to_owned)
}
