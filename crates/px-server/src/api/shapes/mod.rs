//! The types of what the API answers, for its document. A field that may be
//! left out is an `Option`; one that is always there and may be null is a
//! [`Nullable`]. Each type says every field that there is: the tests of the
//! whole contract hold each answer of the real binary against them.

#![expect(dead_code, reason = "these types are described and never made")]

mod hooks;
mod inbox;
mod runs;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

pub(super) use hooks::*;
pub(super) use inbox::*;
pub(super) use runs::*;

/// Something that is always there, and may be null.
pub(super) struct Nullable<T>(T);

impl<T: JsonSchema> JsonSchema for Nullable<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Nullable_{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Option::<T>::json_schema(generator)
    }
}

/// Any JSON object.
pub(super) type Object = Map<String, Value>;

/// Milliseconds since 1970-01-01 UTC.
pub(super) struct Millis;

impl JsonSchema for Millis {
    fn schema_name() -> Cow<'static, str> {
        "Millis".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let what = "Milliseconds since 1970-01-01 UTC";
        json!({ "type": "integer", "minimum": 0, "description": what }).try_into().unwrap_or_default()
    }
}

/// What a request is answered that is not carried out.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Error {
    /// What is wrong, in a sentence.
    error: String,
    /// What is wrong, as a code that stays the same: `px explain` has a page about each.
    #[schemars(regex(pattern = r"^PX\d{4}$"))]
    code: String,
    /// What of the payload or the state does not fit.
    violations: Option<Vec<Violation>>,
    /// The quarantined delivery.
    delivery_id: Option<String>,
    /// `multiple` if several brains could be meant.
    match_type: Option<String>,
    /// The brains that could be meant.
    candidates: Option<Vec<Candidate>>,
}

/// What does not fit a schema.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Violation {
    /// Where, as a JSON pointer; the empty text is the whole.
    path: String,
    /// What is wrong there.
    message: String,
}

/// A brain that could be meant.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Candidate {
    title: String,
    filename: String,
    path: String,
    description: String,
}

/// The server takes requests.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Status {
    ready: bool,
}

/// How the server is.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Health {
    /// `live`, `ready` or `not ready`.
    status: String,
    /// Why it is not ready.
    reason: Option<String>,
}

/// An API token, without its secret.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Token {
    id: String,
    name: String,
    /// `read`, `operate` or `admin`.
    scope: String,
    created_at: Millis,
}

/// An API token that was just made.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct MadeToken {
    id: String,
    name: String,
    scope: String,
    created_at: Millis,
    /// The token itself: it is shown this once.
    token: String,
}

/// Every API token, oldest first.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Tokens {
    count: u64,
    tokens: Vec<Token>,
}
