//! The API: one endpoint a file, and the table of all routes (`routes.rs`),
//! of which the router and the OpenAPI document are made.

mod body;
mod brains;
mod deliveries;
mod document;
mod door;
mod guard;
mod headers;
mod health;
mod hooks;
#[cfg(test)]
#[path = "tests/matrix.rs"]
mod matrix;
mod metrics;
mod openapi;
mod operator;
#[cfg(test)]
mod reference;
mod rerun;
mod routes;
mod runs;
mod signals;
mod start_run;
mod status;
mod table;
mod tokens;
mod unknown;
mod watch;
mod watch_brains;
mod webhooks;

use axum::Router;
use serde::Deserialize;
use serde_json::Value;

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
    serde_json::from_slice(body).map_err(|error| wrong(&error))
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
