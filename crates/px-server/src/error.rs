//! Errors at the start, and in a request to the API. This is the one
//! file that maps a domain refusal to a status and a body.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use px_api::{Candidate, Violation};
use px_core::Code;
use px_engine::{ControlError, PositionError};
use px_inbound::OperatorError;
use px_store::DraftError;

/// Reason that a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A webhook is not usable.
    #[error(transparent)]
    Endpoint(#[from] px_inbound::EndpointError),
    /// A webhook is configured that is not there.
    #[error("webhook '{0}' is configured, but is not in this binary")]
    UnknownWebhook(String),
    /// A brain's input schema does not compile.
    #[error("brain '{brain}': the schema of its input does not compile: {why}")]
    Schema {
        /// The brain.
        brain: String,
        /// Reason.
        why: String,
    },
    /// Unverified webhooks, and an address that others can reach.
    #[error(
        "these webhooks are unverified, and {bind} can be reached from other machines: {}; set {}, or bind to 127.0.0.1",
        slugs.join(", "), variables.join(", ")
    )]
    Unverified {
        /// Slugs of the webhooks that verify nobody.
        slugs: Vec<String>,
        /// The variables that would verify them.
        variables: Vec<String>,
        /// The address.
        bind: std::net::SocketAddr,
    },
    /// An API without access control on an address that others can reach.
    #[error(
        "there is no API token, and {0} can be reached from other machines: make one with `px tokens create`, \
         bind to 127.0.0.1, or pass --insecure"
    )]
    Open(std::net::SocketAddr),
    /// No page can have this origin.
    #[error("'{0}' is no origin: write it like https://app.example, with the port if it has one")]
    Origin(String),
    /// There are no threads for callbacks.
    #[error("failed to start the threads that send callbacks: {0}")]
    Threads(#[source] std::io::Error),
    /// The threads of steps and handlers could not be started.
    #[error(
        "failed to start the threads that run steps and handlers; raise the limit of threads (ulimit -u, \
         TasksMax=)"
    )]
    UserThreads(#[source] std::io::Error),
    /// There is no place for the bodies of forms with files while they come.
    #[error("the directory for forms that are received, {}, cannot be used", dir.display())]
    Spill {
        /// The directory.
        dir: std::path::PathBuf,
        /// Reason.
        #[source]
        source: std::io::Error,
    },
    /// A brain or a webhook needs what nobody provides, or it is provided twice.
    #[error("{0}")]
    Needs(String),
    /// A resource of the project could not be made.
    #[error("the resource `{name}`, which {place} provides, could not be made: {why}")]
    Resource {
        /// The type of the resource.
        name: String,
        /// Place of its provider in the sources.
        place: String,
        /// The provider's words.
        why: String,
    },
    /// It was to end before it had started.
    #[error("px was asked to end before it had started")]
    GivenUp,
    /// The store cannot be read.
    #[error(transparent)]
    Store(px_store::Error),
    /// The secrets are too many to be taken out of what leaves px.
    #[error(transparent)]
    Secrets(px_secrets::Unsearchable),
    /// The client of outbound hooks cannot be made.
    #[error(transparent)]
    Hooks(px_outbound::guard::Error),
    /// This process has another key than the secrets of the store.
    #[error(transparent)]
    SecretKey(px_secrets::key::Error),
    /// A hook of the configuration cannot be.
    #[error("a hook of the configuration cannot be: {0}")]
    Hook(px_outbound::operate::Error),
    /// The address cannot be listened on.
    #[error("cannot listen on {bind}: {source}")]
    Bind {
        /// The address.
        bind: std::net::SocketAddr,
        /// The operating system's words.
        source: std::io::Error,
    },
}

/// A request that is not answered with what it asked for.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    // Boxed: an error travels through every handler's result.
    body: Box<px_api::Error>,
    retry_after: bool,
    /// What the request said and nobody heard.
    warnings: Option<Box<HeaderMap>>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: Code, text: impl Into<String>) -> Self {
        Self { status, body: Box::new(px_api::Error::new(code, text)), retry_after: false, warnings: None }
    }

    /// Several brains could be meant.
    pub(crate) fn ambiguous(status: StatusCode, candidates: Vec<Candidate>) -> Self {
        let mut this = Self::new(status, Code::BrainAmbiguous, "Multiple brains match the identifier");
        this.body.match_type = Some("multiple".to_owned());
        this.body.candidates = Some(candidates);
        this
    }

    /// 422, with what does not fit.
    pub(crate) fn unfit(code: Code, text: impl Into<String>, violations: Vec<Violation>) -> Self {
        let mut this = Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, text);
        this.body.violations = Some(violations);
        this
    }

    /// A refusal that another part of px has answered, as it is.
    pub(crate) fn passed_on(status: StatusCode, body: px_api::Error) -> Self {
        let retry_after = status == StatusCode::SERVICE_UNAVAILABLE;
        Self { status, body: Box::new(body), retry_after, warnings: None }
    }

    /// 400, `PX0003` unless another code is said.
    pub(crate) fn bad_request(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::BadRequest, text)
    }

    /// Too much at once; the sender should come back.
    pub(crate) fn overloaded(text: impl Into<String>) -> Self {
        Self { retry_after: true, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, text) }
    }

    /// 404, `PX0008` unless another code is said.
    pub(crate) fn not_found(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, Code::NotFound, text)
    }

    /// 409, `PX0007` unless another code is said.
    pub(crate) fn conflict(text: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, Code::Conflict, text)
    }

    /// The status that it is answered with.
    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    /// The body that it is answered with.
    pub(crate) const fn body(&self) -> &px_api::Error {
        &self.body
    }

    /// Returns whether it is worth asking again in a second.
    pub(crate) const fn comes_back(&self) -> bool {
        self.retry_after
    }

    /// Its sentence.
    #[cfg(test)]
    pub(crate) fn text(&self) -> &str {
        &self.body.error
    }

    /// With headers that name what the request said and nobody heard: that may be why it was refused.
    pub(crate) fn warned(mut self, warnings: HeaderMap) -> Self {
        self.warnings = (!warnings.is_empty()).then(|| Box::new(warnings));
        self
    }

    /// With a code that says more precisely what is wrong.
    pub(crate) fn code(mut self, code: Code) -> Self {
        code.as_str().clone_into(&mut self.body.code);
        self
    }
}

impl From<px_store::Error> for ApiError {
    fn from(error: px_store::Error) -> Self {
        tracing::error!(%error, "a request failed in the store");
        if matches!(error, px_store::Error::Corrupt(_)) {
            let text = "A row of the store that this asks for is damaged; `px audit` names it";
            return Self::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Damaged, text);
        }
        let retry_after = error.is_retryable();
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self { retry_after, ..Self::new(status, Code::Unavailable, error.to_string()) }
    }
}

impl From<ControlError> for ApiError {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::UnknownBrain(brain) => {
                Self::not_found(format!("Brain '{brain}' not found")).code(Code::BrainNotFound)
            }
            ControlError::Draft(DraftError::NoRun(run)) => {
                Self::not_found(format!("Brain run '{run}' not found")).code(Code::RunNotFound)
            }
            ControlError::Draft(DraftError::Refused(refusal)) => {
                Self::conflict(refusal.to_string()).code(Code::WrongRunStatus)
            }
            ControlError::Draft(error @ DraftError::TurnsFull(_)) => Self::overloaded(sentence(&error)),
            ControlError::Draft(DraftError::TooManyHolders(_)) | ControlError::TooManyFiles => {
                Self::conflict(sentence(&error))
            }
            ControlError::Position(why) => {
                let status = match why {
                    PositionError::BeyondEnd { .. } => StatusCode::BAD_REQUEST,
                    PositionError::Unfit { .. } => StatusCode::UNPROCESSABLE_ENTITY,
                    _ => StatusCode::CONFLICT,
                };
                Self::new(status, Code::BadPosition, sentence(&why))
            }
            ControlError::Draft(DraftError::Store(error)) | ControlError::Store(error) => error.into(),
            other => {
                tracing::error!(error = %other, "a request failed");
                Self::overloaded(other.to_string())
            }
        }
    }
}

impl From<OperatorError> for ApiError {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::NoDelivery(_) => Self::not_found(error.to_string()).code(Code::DeliveryNotFound),
            OperatorError::NoRun(_) => Self::not_found(error.to_string()).code(Code::RunNotFound),
            OperatorError::Unfit(violations) => {
                let text = "The response fits nothing that the run waits for";
                let violations =
                    violations.into_iter().map(|one| Violation { path: one.path, message: one.message });
                Self::unfit(Code::PayloadUnfit, text, violations.collect())
            }
            OperatorError::Answered(_) => Self::conflict(error.to_string()).code(Code::WrongRunStatus),
            OperatorError::Refused(why) => Self::conflict(why).code(Code::DeliveryUnfit),
            OperatorError::Store(error) => error.into(),
            other => {
                tracing::error!(error = %other, "a request failed");
                Self::overloaded(other.to_string())
            }
        }
    }
}

impl From<px_outbound::operate::Error> for ApiError {
    fn from(error: px_outbound::operate::Error) -> Self {
        use px_outbound::operate::Error as E;
        match error {
            E::NoHook(id) => Self::not_found(format!("Hook '{id}' not found")).code(Code::HookNotFound),
            E::NoDelivery(id) => {
                Self::not_found(format!("Delivery '{id}' not found")).code(Code::CallbackNotFound)
            }
            E::Url(_) | E::Invalid(_) => Self::bad_request(sentence(&error)).code(Code::HookInvalid),
            E::Egress(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, Code::AddressRefused, sentence(&error))
            }
            E::Conflict(_) | E::TooMany(_) => Self::conflict(sentence(&error)).code(Code::HookConflict),
            E::Store(error) => error.into(),
            _ => Self::overloaded(sentence(&error)),
        }
    }
}

/// An error's fragment as a sentence begins.
fn sentence(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response.headers_mut().extend(self.warnings.map(|warnings| *warnings).unwrap_or_default());
        response
    }
}
