//! `POST /brains/runs`.

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use px_api::{StartRun, StartedRun};
use px_core::Code;
use px_core::hook::Hook;
use px_engine::{StartRequest, Started};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::fields::Unknown;
use crate::app::Shared;
use crate::error::ApiError;
use crate::resolve;

pub(crate) async fn start(
    State(app): State<Shared>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(HeaderMap, (StatusCode, Json<StartedRun>)), ApiError> {
    let unknown = Unknown::of::<StartRun>(&body);
    let body: StartRun = super::read_values(&body)?;
    unknown.named_in(started(&app, &headers, body, &unknown).await)
}

async fn started(
    app: &Shared,
    headers: &HeaderMap,
    body: StartRun,
    unknown: &Unknown,
) -> Result<(StatusCode, Json<StartedRun>), ApiError> {
    let identifier = body
        .identifier
        .or(body.brain_title)
        .filter(|identifier| !identifier.is_empty())
        .ok_or_else(|| ApiError::bad_request("Missing identifier or brainTitle in request body"))?;
    let brain = resolve::one(app.registry(), &identifier, StatusCode::CONFLICT)?;
    let title = brain.def.title.clone();
    let initial_state = match body.initial_state {
        None | Some(Value::Null) => Value::Object(Map::new()),
        Some(state) => state,
    };
    unknown.refuse_slips()?;
    check_state(app, &title, &initial_state)?;
    let key = idempotency_key(body.idempotency_key, headers)?;
    super::bounded("requestId", body.request_id.as_deref())?;
    let secret: Option<SecretString> = body.webhook_secret.map(Into::into);
    let hook = app.run_hook(body.webhook_url, secret.clone())?;
    let callback = key.as_deref().map(|key| callback(key, hook.as_ref(), secret.as_ref()));
    let request = StartRequest {
        brain: title,
        initial_state,
        options: body.options.unwrap_or_else(|| Value::Object(Map::new())),
        request_id: body.request_id,
        traceparent: super::traceparent(headers),
        idempotency_key: key,
        callback,
        hook,
    };
    let (status, run) = match app.parts.start_run(request).await? {
        Started::New(run) => (StatusCode::CREATED, run),
        Started::Known(run) => (StatusCode::OK, run),
        Started::OtherInput(run) => {
            return Err(ApiError::conflict(format!(
                "The idempotency key was used for '{run}', which was started with another input"
            ))
            .code(Code::IdempotencyKeyUsed));
        }
        Started::OtherCallback(run) => {
            return Err(ApiError::conflict(format!(
                "The idempotency key was used for '{run}', which was started with another webhookUrl or \
                 webhookSecret"
            ))
            .code(Code::IdempotencyKeyUsed));
        }
    };
    Ok((status, Json(StartedRun { brain_run_id: run })))
}

/// Returns the key of a start: of the body, or of the header `Idempotency-Key`,
/// which means the same.
fn idempotency_key(of_body: Option<String>, headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let key = match (of_body, key_of(headers)?) {
        (Some(body), Some(header)) if body != header => {
            let text = "The header Idempotency-Key and idempotencyKey in the request body are different";
            return Err(ApiError::bad_request(text));
        }
        (body, header) => body.or(header),
    };
    super::bounded("idempotencyKey", key.as_deref())?;
    Ok(key)
}

fn key_of(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(first) = values.next() else { return Ok(None) };
    if values.any(|other| other != first) {
        return Err(ApiError::bad_request("The header Idempotency-Key came with different values"));
    }
    let text = std::str::from_utf8(first.as_bytes())
        .map_err(|_| ApiError::bad_request("The header Idempotency-Key is not UTF-8"))?
        .trim();
    // Some clients write a structured header's string, in quotation marks.
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    if bare.is_empty() {
        return Err(ApiError::bad_request("The header Idempotency-Key is empty"));
    }
    Ok(Some(bare.to_owned()))
}

/// Digest of what two starts by one key have to have in common beside their input:
/// where they call, and with which secret. Sealed secrets cannot be compared.
fn callback(key: &str, hook: Option<&Hook>, secret: Option<&SecretString>) -> String {
    let mut digest = Sha256::new();
    for part in [Some(key), hook.map(|hook| hook.url.as_str()), secret.map(ExposeSecret::expose_secret)] {
        // A part that is missing is no empty one.
        digest.update(part.map_or(u64::MAX, |part| part.len() as u64).to_be_bytes());
        digest.update(part.unwrap_or_default());
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check_state(app: &Shared, title: &str, state: &Value) -> Result<(), ApiError> {
    // `Brain<()>` has the schema of null, and is started with the empty object (docs/rules.md#30).
    let is_empty = state.as_object().is_some_and(Map::is_empty);
    let Some(schema) = app.inputs.get(title) else { return Ok(()) };
    if is_empty && schema.check(&Value::Null).is_ok() {
        return Ok(());
    }
    schema.check(state).map_err(|violations| {
        let text = format!("The initial state does not fit the input of brain '{title}'");
        let violations = violations.into_iter().map(super::violation).collect();
        ApiError::unfit(Code::StateUnfit, text, violations)
    })
}
