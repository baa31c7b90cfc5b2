//! Parts that the tests of the webhooks share: a check of a payload against the schema that px uses, and
//! access to the decision of a handler.

use px::Inbound;
use serde_json::Value;

/// Returns JSON pointers to the values of a payload that violate the webhook's schema. An optional object
/// is a union with null, and the paths are those of the object.
pub(super) fn violations(slug: &str, payload: &Value) -> Vec<String> {
    use jsonschema::error::{ValidationError, ValidationErrorKind};

    fn collect(error: &ValidationError<'_>, into: &mut Vec<String>) {
        match error.kind() {
            ValidationErrorKind::AnyOf { context } => {
                context.first().into_iter().flatten().for_each(|error| collect(error, into));
            }
            _ => into.push(error.instance_path().to_string()),
        }
    }

    let registry = px::Registry::collect().unwrap();
    let schema = jsonschema::validator_for(&registry.webhook(slug).unwrap().payload_schema).unwrap();
    let mut paths = Vec::new();
    schema.iter_errors(payload).for_each(|error| collect(&error, &mut paths));
    paths.sort();
    paths
}

/// The identifier and the response that a run is to be resumed with.
pub(super) fn resumed<R>(inbound: &Inbound<R>) -> Option<(&str, &Value)> {
    let raw = inbound.raw().unwrap();
    raw.identifier.as_deref().zip(raw.response.as_ref())
}

/// The brain and the input that a run is to be started with.
pub(super) fn started<R>(inbound: &Inbound<R>) -> Option<(&str, &Value)> {
    inbound.raw().unwrap().start.as_ref().map(|(brain, input)| (brain.as_str(), input))
}

/// Returns the reason for which the event is ignored.
pub(super) fn ignored<R>(inbound: &Inbound<R>) -> Option<&str> {
    inbound.raw().unwrap().ignored.as_deref()
}
