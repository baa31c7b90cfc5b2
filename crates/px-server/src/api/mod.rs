//! The API: one endpoint a file, and the table of all routes (`routes.rs`),
//! of which the router and the OpenAPI document are made.

mod body;
pub(crate) mod brains;
pub(crate) mod bulk;
mod cursor;
pub(crate) mod deliveries;
mod document;
mod door;
pub(crate) mod explain;
mod fields;
pub(crate) mod files;
pub(crate) mod guard;
mod headers;
pub(crate) mod health;
pub(crate) mod hooks;
pub(crate) mod ids;
pub(crate) mod late;
mod lines;
#[cfg(test)]
#[path = "tests/matrix.rs"]
mod matrix;
mod metrics;
mod openapi;
pub(crate) mod operator;
pub(crate) mod overview;
pub(crate) mod payload;
mod query;
pub(crate) mod redacted;
#[cfg(test)]
mod reference;
pub(crate) mod rerun;
mod routes;
pub(crate) mod run_list;
pub(crate) mod runs;
pub(crate) mod secrets;
pub(crate) mod send_test;
pub(crate) mod signals;
pub(crate) mod start_run;
mod status;
pub(crate) mod store;
mod table;
pub(crate) mod tokens;
pub(crate) mod waits;
mod watch;
mod watch_brains;
pub(crate) mod webhooks;

use std::collections::HashMap;

use axum::Router;
use px_core::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

pub(crate) use health::UnsignableHooks;

use crate::app::Shared;
use crate::error::ApiError;

/// Serves every route of the table.
pub(crate) fn router(app: Shared) -> Router {
    table::router(routes::all(), app)
}

/// The body as a JSON object of a type.
fn read_json<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, ApiError> {
    let wrong = |why: &dyn std::fmt::Display| {
        ApiError::bad_request(format!("The request's body is not what it should be: {why}"))
    };
    // Else an array would do, with the fields in the order of their declaration.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(wrong(&"it is no JSON object"));
    }
    serde_json::from_slice(body).map_err(|error| misread(&error))
}

/// Reads a body that holds somebody's own JSON, such as a state.
fn read_values<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, ApiError> {
    let read = read_json(body)?;
    check_values(body)?;
    Ok(read)
}

/// Holds the values of a body's fields to what a sender's are held to (docs/rules.md#51): in one that has a key
/// twice, nobody knows which is meant.
fn check_values(body: &[u8]) -> Result<(), ApiError> {
    let fields: HashMap<String, &RawValue> = serde_json::from_slice(body).unwrap_or_default();
    for (name, value) in fields {
        px_inbound::verify::parse_json(value.get().as_bytes()).map_err(|error| {
            ApiError::bad_request(format!("The request's body is not what it should be: in {name}, {error}"))
        })?;
    }
    Ok(())
}

/// A body, or a part of one, that is not of its type.
fn misread(error: &serde_json::Error) -> ApiError {
    let text = without_value(&error.to_string());
    let wrong = || format!("The request's body is not what it should be: {text}");
    ApiError::bad_request(fields::reworded(&text).unwrap_or_else(wrong))
}

/// serde's "invalid type: string "x", expected a sequence" without what was found: it may be a
/// secret that stands in the place of something else.
fn without_value(text: &str) -> String {
    for prefix in ["invalid type: ", "invalid value: "] {
        let Some((found, expected)) =
            text.strip_prefix(prefix).and_then(|rest| rest.rsplit_once(", expected "))
        else {
            continue;
        };
        // `string "…"`, `integer `…``, and without a value `map`.
        let kind = found.split(['"', '`']).next().unwrap_or_default().trim_end();
        return format!("{prefix}{kind}, expected {expected}");
    }
    text.to_owned()
}

/// The longest name that a caller gives to something, characters.
const MAX_KEY: usize = 255;

/// Checks a name that a caller gave.
fn bounded(what: &str, key: Option<&str>) -> Result<(), ApiError> {
    let length = key.map(|key| key.chars().count());
    match length {
        Some(0) => Err(ApiError::bad_request(format!("{what} is empty; it has 1 to {MAX_KEY} characters"))),
        Some(length) if length > MAX_KEY => {
            Err(ApiError::bad_request(format!("{what} has {length} characters; it has 1 to {MAX_KEY}")))
        }
        _ => Ok(()),
    }
}

/// A time of a query or body. What can only be seconds is refused: it would be
/// 1970, and so mean everything.
fn since(millis: Option<u64>) -> Result<Option<Timestamp>, ApiError> {
    moment("since", millis)
}

/// The same of a field of this name.
fn moment(name: &str, millis: Option<u64>) -> Result<Option<Timestamp>, ApiError> {
    const SECONDS: std::ops::Range<u64> = 100_000_000..100_000_000_000;
    match millis {
        Some(seconds) if SECONDS.contains(&seconds) => Err(ApiError::bad_request(format!(
            "{name} is in milliseconds since 1970-01-01 UTC, and {seconds} looks like seconds: that is {}",
            seconds * 1_000
        ))),
        millis => Ok(millis.map(Timestamp::from_millis)),
    }
}

/// A misfit as the wire has it.
fn violation(violation: px_inbound::Violation) -> px_api::Violation {
    px_api::Violation { path: violation.path, message: violation.message }
}

/// Number of entries a page has, if the caller does not say, and at most.
const PAGE: usize = 50;
const MAX_PAGE: usize = 1_000;

fn page_size(limit: Option<usize>) -> usize {
    limit.unwrap_or(PAGE).clamp(1, MAX_PAGE)
}

/// Bytes as JSON, or as a text if they are none.
fn json_or_text(bytes: &[u8]) -> Value {
    px_inbound::verify::parse_json(bytes)
        .unwrap_or_else(|_| String::from_utf8_lossy(bytes).into_owned().into())
}

/// The trace that a request belongs to (docs/rules.md#32).
fn traceparent(headers: &http::HeaderMap) -> Option<String> {
    let header = headers.get("traceparent")?.to_str().ok()?;
    px_core::trace::parent(header).map(str::to_owned)
}
