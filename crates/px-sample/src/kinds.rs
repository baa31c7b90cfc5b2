//! Kinds of events in a schema: the constants that tell the branches of a union apart, be it a
//! tagged enum or a [`px_sdk::Kind`] of one.

use serde_json::{Map, Value, json};

use super::schema::follow;

/// Deepest nesting of a schema that is looked at.
const MAX_DEPTH: usize = 12;

/// Returns what a `Kind` says of each tag: a list of `if` this tag, `then` this schema.
pub(super) fn conditions(schema: &Value) -> Option<Vec<(&Value, &Value)>> {
    let parts = schema.get("allOf")?.as_array()?;
    let conditions: Option<Vec<_>> =
        parts.iter().map(|part| Some((part.get("if")?, part.get("then")?))).collect();
    conditions.filter(|conditions| !conditions.is_empty())
}

/// Returns the schema of one kind with the tag in it, so that an example without the tag gets it.
pub(super) fn tagged((condition, then): (&Value, &Value)) -> Value {
    json!({ "properties": condition.get("properties"), "required": condition.get("required"), "allOf": [then] })
}

/// Returns true if a branch of a union is the one of this constant.
pub(super) fn has_name(branch: &Value, name: &str) -> bool {
    names(branch).any(|constant| constant == name)
}

/// Returns true if an example says this name somewhere.
pub(super) fn says(value: &Value, name: &str) -> bool {
    let holds = |value: &Value| match value {
        Value::String(text) => text == name,
        _ => says(value, name),
    };
    match value {
        Value::Object(fields) => fields.values().any(holds),
        Value::Array(items) => items.iter().any(holds),
        _ => false,
    }
}

/// The kinds that a schema tells apart, in its order.
pub(crate) fn of(schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(schema, schema, 0, &mut found);
    found
}

fn walk(root: &Value, schema: &Value, depth: usize, found: &mut Vec<String>) {
    if depth > MAX_DEPTH {
        return;
    }
    let schema = follow(root, schema);
    let branches: Vec<&Value> = match conditions(schema) {
        Some(conditions) => conditions.into_iter().flat_map(|(condition, then)| [condition, then]).collect(),
        None => ["oneOf", "anyOf"]
            .iter()
            .filter_map(|keyword| schema.get(*keyword)?.as_array())
            .flatten()
            .collect(),
    };
    for branch in branches {
        for name in names(branch) {
            if !found.iter().any(|known| known == name) {
                found.push(name.to_owned());
            }
        }
        walk(root, branch, depth + 1, found);
    }
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::values);
    properties.chain(schema.get("items")).for_each(|inner| walk(root, inner, depth + 1, found));
}

/// The constants of a branch's own properties that are texts.
fn names(branch: &Value) -> impl Iterator<Item = &str> {
    let properties = branch.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::values);
    properties.filter_map(|property| property.get("const")?.as_str())
}
