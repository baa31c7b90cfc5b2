//! `POST /tests`: a webhook event that the server makes as the webhook's provider would send it, signs
//! with the secret that it has, and takes in by the same way as everything that comes from outside.
//!
//! What follows from it is real, and marked as a test: the delivery, its log lines, the cause of a run that it
//! starts and the callbacks about that carry `test` and the name of the token that asked.

use axum::Extension;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use px_api::{Action, SendTest, SentTest};
use px_core::Code;
use px_core::event::TestMark;
use px_inbound::{Endpoint, StoredSecret};
use px_sample::{Request, Wish};
use px_sdk::verify::Keyring;

use crate::access::Right;
use crate::app::{App, Shared};
use crate::error::ApiError;
use crate::ingress;

/// Largest answer of a webhook that is passed on, bytes; handlers' own replies are small.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

pub(crate) async fn send(
    State(app): State<Shared>,
    Extension(right): Extension<Right>,
    body: Bytes,
) -> Result<Json<SentTest>, ApiError> {
    let asked: SendTest = super::read_values(&body)?;
    send_test(&app, right, &asked).await.map(Json)
}

/// Reason that a webhook takes no test events, if that is so.
pub(crate) fn refusal(app: &App, endpoint: &Endpoint) -> Option<String> {
    let slug = endpoint.def.slug.as_str();
    let is_guarded = !endpoint.is_unverified() && app.urls.public_url.is_some();
    if app.allow_test.get(slug).copied().unwrap_or(!is_guarded) {
        return None;
    }
    let why = match app.allow_test.contains_key(slug) {
        true => "its configuration says so",
        false => "its senders are verified and public_url is set, and what follows from a test event is real",
    };
    Some(format!(
        "Webhook '{slug}' takes no test events: {why}. `allow_test = true` in [webhooks.{slug}] of px.toml allows \
         them"
    ))
}

/// Sends a webhook a test event.
pub(crate) async fn send_test(app: &Shared, by: Right, asked: &SendTest) -> Result<SentTest, ApiError> {
    let slug = asked.slug.as_deref().filter(|slug| !slug.is_empty());
    let slug = slug.ok_or_else(|| ApiError::bad_request("Missing slug in request body"))?;
    let endpoint = app.stage.endpoints().find(|endpoint| endpoint.def.slug == slug);
    let endpoint = endpoint.ok_or_else(|| {
        ApiError::not_found(format!("Webhook '{slug}' not found")).code(Code::WebhookNotFound)
    })?;
    if let Some(why) = refusal(app, endpoint) {
        return Err(ApiError::new(StatusCode::FORBIDDEN, Code::TestNotAllowed, why));
    }
    if let Some(why) = endpoint.shut() {
        return Err(ApiError::conflict(format!("Webhook '{slug}' refuses every request: {why}")));
    }
    let body = asked.payload.as_ref().map(ToString::to_string);
    let wish = Wish {
        identifier: asked.identifier.as_deref().filter(|identifier| !identifier.is_empty()),
        event: asked.event.as_deref(),
        token: asked.token.as_deref(),
        body: body.as_deref().map(str::as_bytes),
        ..Wish::default()
    };
    let draft = app.draft(&endpoint.def, wish).await.map_err(unmade)?;
    let payload = draft.payload().unwrap_or_default();
    let url = format!("{}/webhooks/{slug}", app.base_url);
    let now = app.clock().now();
    // As providers' own ids, and never the same twice.
    let id = app.parts.ids.delivery(now).to_string();
    let id = id.rsplit('_').next().unwrap_or(&id);
    let sealed = draft.seal(&endpoint.def, &url, &keyring(app, endpoint), id, now, false);
    let request = sealed.map_err(|error| ApiError::conflict(sentence(&error)))?;
    let signed = request.signed;
    let request = as_sent(app, slug, request)?;
    let token = match by {
        Right::Token(id) => app.tokens.known_token(id).map(|token| token.name.clone()),
        Right::Owner | Right::First => None,
    };
    let answer = ingress::enter_test(app.clone(), slug.to_owned(), request, TestMark { by: token }).await;
    let said = Answered::read(answer).await?;
    said.into_sent(slug, signed, payload)
}

/// The secrets that the webhook's senders are verified by now.
fn keyring(app: &App, endpoint: &Endpoint) -> Keyring {
    let slug = endpoint.def.slug.as_str();
    let stored = |name: &str| match app.secrets.of_webhook(slug, name) {
        Some(StoredSecret::Values(keys)) => keys,
        Some(StoredSecret::Unreadable) | None => Vec::new(),
    };
    endpoint.def.keyring_with(&|name| app.secrets.env_of_webhook(slug, name), &stored)
}

/// The request as it would have come: with a path and the `Host` of the URL that is signed. An unsigned
/// one is one of this machine's, whatever the server's URL is.
fn as_sent(app: &App, slug: &str, sealed: Request) -> Result<http::Request<Body>, ApiError> {
    let internal = |what: String| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, what);
    let Request { method, url, headers, body, signed } = sealed;
    let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    let host = rest.split(['/', '?']).next().unwrap_or(rest);
    let host = if signed { host.to_owned() } else { format!("127.0.0.1:{}", app.port) };
    let query = url.split_once('?').map_or(String::new(), |(_, query)| format!("?{query}"));
    let mut request = http::Request::new(Body::from(body));
    *request.method_mut() = method;
    let target = format!("/webhooks/{slug}{query}").parse();
    *request.uri_mut() = target.map_err(|error| internal(format!("The test's path cannot be: {error}")))?;
    *request.headers_mut() = headers;
    let host = HeaderValue::from_str(&host);
    let host = host.map_err(|error| internal(format!("The test's host cannot be: {error}")))?;
    request.headers_mut().insert(header::HOST, host);
    Ok(request)
}

/// A test that cannot be made: nobody was asked to take it.
fn unmade(error: px_sample::Error) -> ApiError {
    let text = format!("{}; send the payload along", sentence(&error));
    ApiError::unfit(Code::PayloadUnfit, text, Vec::new())
}

/// What is wrong, as a sentence of its own.
fn sentence(error: &px_sample::Error) -> String {
    let mut letters = error.message.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What a webhook answered.
struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answered {
    async fn read(answer: Response) -> Result<Self, ApiError> {
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(|error| {
            let text =
                format!("The webhook's answer, of {MAX_ANSWER} bytes at most, cannot be read: {error}");
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, Code::HandlerFailed, text)
        })?;
        Ok(Self { status: head.status, headers: head.headers, body: body.to_bytes() })
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// What became of the test. A refusal is one of the API's too; that a signature of px's own is not believed
    /// says nothing of the caller's token.
    fn into_sent(self, slug: &str, signed: bool, payload: serde_json::Value) -> Result<SentTest, ApiError> {
        if self.status.is_success() || self.status.is_redirection() {
            return Ok(SentTest {
                slug: slug.to_owned(),
                signed,
                payload,
                status: self.status.as_u16(),
                action: self.header("px-action").map(Action::from),
                delivery_id: self.header("px-delivery-id").and_then(|id| id.parse().ok()),
                brain_run_id: self.header("px-run-id").and_then(|id| id.parse().ok()),
                answer: super::json_or_text(&self.body),
            });
        }
        let status = match self.status {
            StatusCode::UNAUTHORIZED => StatusCode::CONFLICT,
            status => status,
        };
        let said = serde_json::from_slice::<px_api::Error>(&self.body).unwrap_or_else(|_| {
            let text = format!("The webhook answered {}", self.status);
            px_api::Error::new(Code::HandlerFailed, text)
        });
        Err(ApiError::passed_on(status, said))
    }
}
