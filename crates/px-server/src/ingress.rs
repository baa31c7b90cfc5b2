//! The way in of webhooks: `POST /webhooks/{slug}` (and GET, for handshakes).
//! The body is read as raw bytes, up to a limit that is checked before it is
//! buffered, and handed to the inbound stage.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Body as HttpBody;
use px_core::Code;
use px_core::event::TestMark;
use px_core::key::FORM_SLUG;
use px_inbound::verify::{Disagreement, local};
use px_inbound::{AdmissionDenied, Answer, Permit};
use px_sdk::layer::BoxError;
use px_sdk::{Received, Timestamp};
use tokio::runtime::Handle;

use crate::api::redacted;
use crate::app::{App, Shared};
use crate::body_limit::BodyLimit;
use crate::error::ApiError;
use crate::layered;
use crate::links;
use crate::run_to_completion::run_to_completion;
use crate::spill::{self, SpillError};
use crate::too_large::TooLarge;

static ACTION: HeaderName = HeaderName::from_static("px-action");
static RUN: HeaderName = HeaderName::from_static("px-run-id");
static ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");
static ALLOWED_RATE: HeaderName = HeaderName::from_static("webhook-allowed-rate");
static DELIVERY: HeaderName = HeaderName::from_static("px-delivery-id");

pub(crate) async fn receive(
    State(app): State<Shared>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    Path(slug): Path<String>,
    request: Request,
) -> Response {
    enter(app, remote, slug, Door::Webhook, request).await
}

/// `POST /webhooks/system/page-form`.
pub(crate) async fn receive_form(
    State(app): State<Shared>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    enter(app, remote, FORM_SLUG.to_owned(), Door::Form, request).await
}

/// Door by which a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Webhook,
    Form,
    Link,
}

/// Lets a request through the gate, or refuses it.
pub(crate) fn admit(
    app: &App,
    slug: &str,
    remote: SocketAddr,
    headers: &HeaderMap,
    at: Timestamp,
) -> Result<Permit, Box<Response>> {
    let client = app.urls.sender(remote.ip(), headers);
    let client = client.map_err(|why| Box::new(two_senders(slug, remote, &why)))?;
    let permit = app.gate.enter(slug, client, at).map_err(|turned| Box::new(turned_away(turned)))?;
    if headers.len() > app.max_headers {
        let text = format!("The request has more than {} header lines", app.max_headers);
        let error = ApiError::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, Code::TooManyHeaders, text);
        return Err(Box::new(error.into_response()));
    }
    Ok(permit)
}

/// Takes in a request that came by one of these doors.
pub(crate) async fn enter(
    app: Shared,
    remote: SocketAddr,
    slug: String,
    door: Door,
    mut request: Request,
) -> Response {
    // The answer is the handler's own, and whoever wants it without secrets says so.
    if redacted::is_asked(request.headers()) {
        request.headers_mut().remove(&redacted::ASKED);
        let redaction = app.secrets.redaction().clone();
        let answer = Box::pin(let_in(app, remote, slug, door, request)).await;
        return redacted::answer(&redaction, answer).await;
    }
    let_in(app, remote, slug, door, request).await
}

/// Takes in a test event that px has made and signed itself, by the way of all others.
pub(crate) async fn enter_test(app: Shared, slug: String, request: Request, mark: TestMark) -> Response {
    let (at, remote) = (app.clock().now(), SocketAddr::from(([127, 0, 0, 1], app.port)));
    let permit = match app.gate.enter_own(&slug, remote.ip(), at) {
        Ok(permit) => permit,
        Err(turned) => return turned_away(turned),
    };
    admitted(app, (remote, at), slug, (Door::Webhook, Some(mark)), permit, request).await
}

async fn let_in(app: Shared, remote: SocketAddr, slug: String, door: Door, request: Request) -> Response {
    let at = app.clock().now();
    let permit = match admit(&app, &slug, remote, request.headers(), at) {
        Ok(permit) => permit,
        Err(refused) => return *refused,
    };
    admitted(app, (remote, at), slug, (door, None), permit, request).await
}

/// Reads a request that has passed the gate, through the webhook's layers if it has any.
async fn admitted(
    app: Shared,
    (remote, at): (SocketAddr, Timestamp),
    slug: String,
    (door, test): (Door, Option<TestMark>),
    permit: Permit,
    request: Request,
) -> Response {
    let headers = request.headers();
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.parse::<usize>().ok());
    let limit = BodyLimit::of(&app, &slug, door, headers);
    if declared.is_some_and(|length| length > limit.bytes()) {
        TooLarge::note(&app, &slug, &limit, declared, (remote, at));
        return limit.exceeded();
    }
    let layered = app.layered.get(&slug).cloned();
    let entered = Entered { app, slug, door, test, remote, at, permit, limit, runtime: None };
    match layered {
        Some(route) => layered::run(route, entered, request).await,
        None => take(entered, request).await,
    }
}

fn two_senders(slug: &str, remote: SocketAddr, why: &Disagreement) -> Response {
    tracing::warn!(slug, %remote, "a request is refused: {why}");
    let text = "Two headers of the request name two senders";
    ApiError::new(StatusCode::FORBIDDEN, Code::AddressNotAllowed, text).into_response()
}

/// A request that has passed the gate.
pub(crate) struct Entered {
    pub(crate) app: Shared,
    pub(crate) slug: String,
    door: Door,
    /// Set if px sends it to itself.
    test: Option<TestMark>,
    remote: SocketAddr,
    at: Timestamp,
    permit: Permit,
    pub(crate) limit: BodyLimit,
    /// The server's runtime, for whoever goes on from a thread of users' code.
    pub(crate) runtime: Option<Handle>,
}

/// Reads a request that has passed the gate, and hands it to the stage.
pub(crate) async fn take<B>(entered: Entered, request: http::Request<B>) -> Response
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let Entered { app, slug, door, test, remote, at, mut permit, limit, runtime } = entered;
    let (head, body) = request.into_parts();
    let mut received = Received {
        base: local::base(&head.uri),
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: head.headers,
        body: Bytes::new(),
        remote,
        at,
    };
    // Strangers need not send their files to hear that they are not believed.
    let is_stranger = limit.files.is_some() && !app.stage.may_be_believed(&slug, &received);
    let spilled = limit.files.map(|_| app.spills.body(runtime.clone().unwrap_or_else(Handle::current)));
    let patience = app.body_timeout;
    let read = match spilled {
        _ if is_stranger => Ok(Bytes::new()),
        Some(spilled) => read_form(body, &limit, spilled, &mut permit, patience).await,
        None => match tokio::time::timeout(patience, read(body, &limit, &mut permit)).await {
            Ok(read) => read,
            Err(_) => Err(too_slow()),
        },
    };
    received.body = match read {
        Ok(body) => body,
        Err(response) => {
            if response.status() == StatusCode::PAYLOAD_TOO_LARGE {
                TooLarge::note(&app, &slug, &limit, None, (remote, at));
            }
            return response;
        }
    };
    // A sender that hangs up does not stop half-way what it has sent whole.
    let work = async move {
        let answer = match (door, test) {
            (Door::Webhook, None) => respond(app.stage.receive(&slug, received).await),
            (Door::Webhook, Some(mark)) => respond(app.stage.receive_test(&slug, received, mark).await),
            (Door::Form, _) => respond(app.stage.receive_form(received).await),
            (Door::Link, _) => {
                let token = links::token(&received.path);
                links::respond(app.stage.answer_link(&token, received).await)
            }
        };
        drop(permit);
        answer
    };
    let taken = match runtime {
        // Its task goes on as well.
        Some(runtime) => runtime.spawn(work).await.map_err(|error| error.to_string()),
        None => run_to_completion(work).await.map_err(|error| error.to_string()),
    };
    match taken {
        Ok(answer) => answer,
        Err(error) => {
            tracing::error!(error, "a webhook request failed");
            failed()
        }
    }
}

/// Returns what a sender is told whose request went wrong here.
pub(crate) fn failed() -> Response {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, Code::HandlerFailed, "Failed to process webhook")
        .into_response()
}

/// Reads the body piece by piece, so that what it holds counts while it comes.
async fn read<B>(body: B, limit: &BodyLimit, permit: &mut Permit) -> Result<Bytes, Response>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let mut body = std::pin::pin!(Limited::new(body, limit.bytes()));
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| limit.unread(&*error))?;
        let Ok(data) = frame.into_data() else { continue };
        permit.hold(data.len()).map_err(turned_away)?;
        if first.is_empty() && rest.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&std::mem::take(&mut first));
            }
            rest.extend_from_slice(&data);
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

fn too_slow() -> Response {
    let text = "The request's body took too long";
    ApiError::new(StatusCode::REQUEST_TIMEOUT, Code::TooSlow, text).into_response()
}

/// Reads the body of a form with files, which waits for its rest on the disk. The more has
/// come, the longer it may take.
async fn read_form<B>(
    body: B,
    limit: &BodyLimit,
    mut spilled: spill::Body,
    permit: &mut Permit,
    patience: Duration,
) -> Result<Bytes, Response>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let mut body = std::pin::pin!(Limited::new(body, limit.bytes()));
    // By the clock of timers, which tests turn.
    let first = tokio::time::sleep(patience).deadline();
    let mut came = 0;
    loop {
        let next = async {
            let Some(frame) = body.frame().await else { return Ok(None) };
            let Ok(data) = frame.map_err(|error| limit.unread(&*error))?.into_data() else {
                return Ok(Some(0));
            };
            spilled.push(&data, permit).await.map_err(|error| not_spilled(&error))?;
            Ok(Some(data.len()))
        };
        let until = first + limit.more_time(came);
        match tokio::time::timeout_at(until, next).await {
            Ok(Ok(Some(more))) => came += more,
            Ok(Ok(None)) => break,
            Ok(Err(response)) => return Err(response),
            Err(_) => return Err(too_slow()),
        }
    }
    spilled.finish(permit).await.map_err(|error| not_spilled(&error))
}

fn not_spilled(error: &SpillError) -> Response {
    match error {
        SpillError::Denied(turned) => turned_away(*turned),
        SpillError::Io(_) => {
            tracing::error!(%error, "a form with files is refused");
            ApiError::overloaded("Not now, try again").into_response()
        }
    }
}

fn turned_away(turned: AdmissionDenied) -> Response {
    match turned {
        AdmissionDenied::NotAllowed => {
            ApiError::new(StatusCode::FORBIDDEN, Code::AddressNotAllowed, turned.to_string()).into_response()
        }
        _ => ApiError::overloaded(turned.to_string()).into_response(),
    }
}

/// `OPTIONS /webhooks/{slug}`: what may be sent there, and whether the origin
/// that asks may send (CloudEvents).
pub(crate) async fn options(
    State(app): State<Shared>,
    Path(slug): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(endpoint) = app.stage.endpoints().find(|endpoint| endpoint.def.slug == slug) else {
        let text = format!("Webhook '{slug}' not found");
        return ApiError::not_found(text).code(Code::WebhookNotFound).into_response();
    };
    let mut response = (StatusCode::NO_CONTENT, [(header::ALLOW, METHODS)]).into_response();
    if let Some(origin) = endpoint.verifier.permits(&headers) {
        let rate = app.gate.per_minute(&slug).map_or("*".to_owned(), |rate| rate.to_string());
        for (name, text) in [(&ALLOWED_ORIGIN, origin), (&ALLOWED_RATE, &rate)] {
            if let Ok(value) = HeaderValue::from_str(text) {
                response.headers_mut().insert(name, value);
            }
        }
        *response.status_mut() = StatusCode::OK;
    }
    response
}

/// The methods of a webhook's URL: GET for handshakes.
const METHODS: &str = "POST, GET, OPTIONS";

pub(crate) fn respond(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if let Ok(content_type) = HeaderValue::from_str(&answer.content_type)
        && !content_type.is_empty()
    {
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    if let Some(action) = answer.action {
        headers.insert(&ACTION, HeaderValue::from_static(action));
    }
    for (name, id) in
        [(&RUN, answer.run.map(|id| id.to_string())), (&DELIVERY, answer.delivery.map(|id| id.to_string()))]
    {
        if let Some(value) = id.and_then(|id| HeaderValue::try_from(id).ok()) {
            headers.insert(name, value);
        }
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, HeaderValue::from_static("POST, OPTIONS"));
    }
    if let Some(seconds) = answer.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

#[cfg(test)]
mod tests;
