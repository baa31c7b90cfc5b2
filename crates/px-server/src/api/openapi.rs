//! The OpenAPI 3.1 document, made of the route table and the types. What
//! every route of a kind answers is added here, once.

use std::collections::BTreeMap;

use http::Method;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::door::Door;
use super::routes;
use super::table::{Answer, Body, Route};

/// Adds what a route answers for what it is: behind the API's guard, with a
/// body, with something in its path.
pub(super) fn with_usual_answers(mut route: Route) -> Route {
    if route.has_parameters() {
        route = route.refuses(400, "The path cannot be read");
        if route.may_miss {
            route = route.refuses(404, "There is no such thing");
        }
    }
    match route.door {
        Door::Public => {}
        Door::Webhook | Door::Form | Door::Link => {
            route = route
                .refuses(403, "The webhook takes no requests from this address")
                .refuses(431, "There are too many header lines");
        }
        Door::Read | Door::Stream | Door::Operate | Door::Admin | Door::FirstToken => {
            route = route
                .refuses(401, "The request has no API token, or none that counts")
                .refuses(403, "The API token may not do this, or there is none and the request is not local");
        }
    }
    if route.wants_json() {
        route = route.refuses(415, "The body is not application/json");
    }
    if route.method != Method::OPTIONS {
        route = route
            .refuses(400, "The body cannot be read")
            .refuses(408, "The body took too long")
            .refuses(413, "The body is too large")
            .refuses(503, "Not now; the header Retry-After says when");
    }
    route
}

/// The document.
pub(super) fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = SchemaGenerator::new(settings);
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in routes::all() {
        let operation = operation(&route, &mut generator);
        paths.entry(route.path).or_default().insert(route.method.as_str().to_lowercase(), operation);
    }
    let mut schemas: Map<String, Value> = generator.take_definitions(true);
    schemas.values_mut().for_each(tidy);
    let mut paths = json!(paths);
    tidy(&mut paths);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "px",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Durable workflows that wait for webhooks. Times are milliseconds since 1970-01-01 UTC.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "This server" }],
        "security": [{ "token": [] }, {}],
        "tags": [
            { "name": "px", "description": "The server itself" },
            { "name": "brains", "description": "Brains and their runs" },
            { "name": "webhooks", "description": "What comes in" },
            { "name": "hooks", "description": "What goes out" },
            { "name": "secrets", "description": "Values that brains, webhooks and hooks read by name" },
        ],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {
                    "type": "http", "scheme": "bearer",
                    "description": "An API token, once there is one; until then the API is for this machine only.",
                },
            },
        },
    })
}

fn operation(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let answers: Map<String, Value> =
        route.answers.iter().map(|answer| (answer.status.to_string(), response(answer, generator))).collect();
    let mut out = json!({
        "operationId": route.name,
        "summary": route.what,
        "tags": [tag(route.path)],
        "responses": answers,
    });
    let mut parameters = path_parameters(route.path);
    if let Some(query) = route.query {
        parameters.extend(query_parameters(query(generator), generator));
    }
    if let Value::Object(fields) = &mut out {
        if !parameters.is_empty() {
            fields.insert("parameters".into(), parameters.into());
        }
        if let Some(body) = &route.body {
            fields.insert("requestBody".into(), request_body(body, generator));
        }
        match route.door.scope() {
            None => fields.insert("security".into(), json!([])),
            Some(scope) => fields.insert("x-px-scope".into(), scope.as_str().into()),
        };
    }
    out
}

fn tag(path: &str) -> &'static str {
    match path.split('/').nth(1) {
        Some("brains" | "waits") => "brains",
        Some("webhooks") => "webhooks",
        Some("secrets") => "secrets",
        Some("hooks" | "deliveries" | ".well-known") => "hooks",
        _ => "px",
    }
}

fn response(answer: &Answer, generator: &mut SchemaGenerator) -> Value {
    let mut out = json!({ "description": answer.what });
    if let (Some((content_type, shape)), Value::Object(fields)) = (answer.body, &mut out) {
        let mut content = Map::new();
        content.insert(content_type.into(), json!({ "schema": shape(generator) }));
        fields.insert("content".into(), content.into());
    }
    out
}

fn request_body(body: &Body, generator: &mut SchemaGenerator) -> Value {
    let content: Map<String, Value> = body
        .forms
        .iter()
        .map(|(content_type, shape)| ((*content_type).to_owned(), json!({ "schema": shape(generator) })))
        .collect();
    json!({ "required": body.required, "content": content })
}

fn path_parameters(path: &str) -> Vec<Value> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "minLength": 1 } }))
        .collect()
}

/// The fields of a query's type, a parameter each.
fn query_parameters(query: schemars::Schema, generator: &SchemaGenerator) -> Vec<Value> {
    let query = query.to_value();
    let query = match query.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next()) {
        Some(name) => generator.definitions().get(name).cloned().unwrap_or_default(),
        None => query,
    };
    let fields = query.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let required = query.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    fields
        .into_iter()
        .map(|(name, mut schema)| {
            let is_required = required.iter().any(|one| one == name.as_str());
            let mut parameter = json!({ "name": name, "in": "query", "required": is_required });
            not_null(&mut schema);
            if let (Value::Object(fields), Value::Object(out)) = (&mut schema, &mut parameter) {
                fields.remove("default");
                if fields.get("type").is_some_and(|kind| kind == "integer") {
                    fields.entry("maximum").or_insert(u64::MAX.into());
                }
                if let Some(what) = fields.remove("description") {
                    out.insert("description".into(), what);
                }
                out.insert("schema".into(), schema);
            }
            parameter
        })
        .collect()
}

/// A field that may be left out is never null.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            let required: Vec<String> = fields
                .get("required")
                .and_then(Value::as_array)
                .map(|names| names.iter().filter_map(Value::as_str).map(str::to_owned).collect())
                .unwrap_or_default();
            if let Some(Value::Object(properties)) = fields.get_mut("properties") {
                for (name, schema) in properties {
                    if !required.contains(name) {
                        not_null(schema);
                    }
                }
            }
            fields.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

fn not_null(schema: &mut Value) {
    let Value::Object(fields) = schema else { return };
    if fields.get("default").is_some_and(Value::is_null) {
        fields.remove("default");
    }
    if let Some(Value::Array(kinds)) = fields.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [only] = kinds.as_slice() {
            let only = only.clone();
            fields.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(kinds)) = fields.get_mut("anyOf") {
        kinds.retain(|kind| kind.get("type").is_none_or(|kind| kind != "null"));
        if let [only] = kinds.as_slice()
            && let Value::Object(only) = only.clone()
        {
            fields.remove("anyOf");
            fields.extend(only);
        }
    }
}
