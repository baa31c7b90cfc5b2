//! The body of a request, in the form in which its provider posts it.

use bytes::Bytes;
use px_sdk::WebhookDef;
use px_sdk::verify::{BodyForm, Scheme, Verification};
use serde_json::{Map, Value};

use super::{FORM, JSON, encode};

/// The content type that the provider would use.
pub(super) fn content_type(verification: &Verification, payload: &Value) -> &'static str {
    let is_flat = payload.as_object().is_some_and(|fields| fields.values().all(Value::is_string));
    match (&verification.body, &verification.scheme) {
        (BodyForm::Form, _) => FORM,
        // The fields of a form are texts, unless one of them holds the whole payload.
        (BodyForm::ByContentType { payload_field }, _)
            if verification.posts_forms && (is_flat || payload_field.is_some()) =>
        {
            FORM
        }
        (_, Scheme::Twilio) if is_flat => FORM,
        _ => JSON,
    }
}

/// A payload as bytes, inside the array that a provider with batches wraps it in.
pub(super) fn body(def: &WebhookDef, payload: &Value, kind: &str) -> Bytes {
    if kind == FORM {
        return Bytes::from(posted(&def.verification, payload, payload.to_string().as_bytes()));
    }
    let Some(pointer) = def.verification.batch.as_deref() else { return Bytes::from(payload.to_string()) };
    let mut whole = Value::Array(vec![payload.clone()]);
    for name in pointer.split('/').skip(1).collect::<Vec<_>>().into_iter().rev() {
        whole = Value::Object(Map::from_iter([(name.to_owned(), whole)]));
    }
    Bytes::from(whole.to_string())
}

/// The form in which a provider posts a payload, of which `json` is the text: in one field, or
/// in a field for each of its own.
pub(super) fn posted(verification: &Verification, payload: &Value, json: &[u8]) -> String {
    match &verification.body {
        BodyForm::ByContentType { payload_field: Some(name) } => {
            format!("{}={}", encode(name), encode(String::from_utf8_lossy(json)))
        }
        _ => form(payload),
    }
}

pub(super) fn form(payload: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let fields = payload.as_object().into_iter().flatten();
    let pairs = fields.flat_map(|(name, value)| match value {
        Value::Array(items) => items.iter().map(|item| (format!("{name}[]"), text(item))).collect(),
        value => vec![(name.clone(), text(value))],
    });
    pairs.map(|(name, value)| format!("{}={}", encode(&name), encode(&value))).collect::<Vec<_>>().join("&")
}
