//! `POST /brains/runs`.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use px_api::{StartRun, StartedRun};
use px_core::Code;
use px_engine::{StartRequest, Started};
use serde_json::{Map, Value};

use crate::app::Shared;
use crate::error::ApiError;
use crate::resolve;

/// The fields that are known.
const KNOWN: &[&str] = &[
    "identifier",
    "brainTitle",
    "options",
    "initialState",
    "webhookUrl",
    "webhookSecret",
    "idempotencyKey",
    "requestId",
];

pub(super) async fn start(
    State(app): State<Shared>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, ApiError> {
    let body: StartRun = super::read_json(&bytes)?;
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
    check_state(&app, &title, &initial_state)?;
    let unknown = super::unknown::fields(&bytes, KNOWN)?;
    let idempotency_key = idempotency_key(&headers, body.idempotency_key)?;
    let hook = app.run_hook(body.webhook_url, body.webhook_secret.map(Into::into))?;
    let request = StartRequest {
        brain: title,
        initial_state,
        options: body.options.unwrap_or_else(|| Value::Object(Map::new())),
        request_id: body.request_id,
        traceparent: super::traceparent(&headers),
        idempotency_key,
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
    };
    Ok(unknown.warn((status, Json(StartedRun { brain_run_id: run }))))
}

/// Returns the key of the body, or of the header `Idempotency-Key`, which means
/// the same.
fn idempotency_key(headers: &HeaderMap, of_body: Option<String>) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(first) = values.next() else { return Ok(of_body) };
    if values.any(|other| other != first) {
        return Err(ApiError::bad_request("The header Idempotency-Key came with different values"));
    }
    let text = std::str::from_utf8(first.as_bytes())
        .map_err(|_| ApiError::bad_request("The header Idempotency-Key is not UTF-8"))?;
    // Some clients write a structured header's string, in quotation marks.
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    if bare.is_empty() {
        return Err(ApiError::bad_request("The header Idempotency-Key is empty"));
    }
    if of_body.as_deref().is_some_and(|key| key != bare) {
        let text = "The header Idempotency-Key and idempotencyKey in the request body are different";
        return Err(ApiError::bad_request(text));
    }
    Ok(Some(bare.to_owned()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_means_the_key_of_the_body() {
        for (lines, of_body, expected) in [
            (&[][..], None, Ok(None)),
            (&[], Some("a"), Ok(Some("a"))),
            (&["a"], None, Ok(Some("a"))),
            (&["\"a\""], None, Ok(Some("a"))),
            (&["a"], Some("a"), Ok(Some("a"))),
            (&["a", "a"], None, Ok(Some("a"))),
            (&["a"], Some("b"), Err(())),
            (&["a", "b"], None, Err(())),
            (&[""], None, Err(())),
            (&["\"\""], Some("a"), Err(())),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("idempotency-key", http::HeaderValue::from_static(line));
            }
            let found = idempotency_key(&headers, of_body.map(str::to_owned)).map_err(|_| ());
            assert_eq!(
                found,
                expected.map(|key: Option<&str>| key.map(str::to_owned)),
                "{lines:?} {of_body:?}"
            );
        }
    }

    #[test]
    fn the_known_fields_are_those_of_the_type() {
        let whole = StartRun {
            identifier: Some(String::new()),
            brain_title: Some(String::new()),
            options: Some(Value::Null),
            initial_state: Some(Value::Null),
            webhook_url: Some(String::new()),
            webhook_secret: Some(String::new().into()),
            idempotency_key: Some(String::new()),
            request_id: Some(String::new()),
        };
        let written = serde_json::to_value(whole).unwrap();
        let mut names: Vec<_> = written.as_object().unwrap().keys().cloned().collect();
        let mut known: Vec<_> = KNOWN.iter().map(|name| (*name).to_owned()).collect();
        names.sort();
        known.sort();
        assert_eq!(names, known);
    }
}
