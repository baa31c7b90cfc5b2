//! Sample payloads from a JSON Schema (draft 2020-12, as schemars writes it).
//!
//! A schema with unions and optional fields has many samples; [`samples`]
//! gives a bounded number of them, the plainest first: required fields only,
//! then with each optional field alone, then with all. If a part of the schema
//! has `examples` or a `default`, the first is taken; all examples of the
//! whole come before anything that is made. Whether a sample fits is for the
//! caller to check: patterns are not generated.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

/// Most samples that are made of one schema.
const MAX_SAMPLES: usize = 400;
/// Most ways through the unions that are tried with one choice of optional fields.
const MAX_WAYS: usize = 48;
/// Deepest nesting; a recursive schema ends there.
const MAX_DEPTH: usize = 12;

/// Samples of the schema, the plainest first.
pub(crate) fn samples(schema: &Value) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    let mut schema = Cow::Borrowed(schema);
    if let Some(Value::Array(examples)) = schema.get("examples") {
        found.extend(examples.iter().take(MAX_SAMPLES).cloned());
        if let Value::Object(fields) = schema.to_mut() {
            fields.remove("examples");
        }
    }
    let schema = &*schema;
    let optional = ways(schema, Optional::None, &mut found);
    for index in 0..optional {
        if found.len() >= MAX_SAMPLES {
            return found;
        }
        ways(schema, Optional::Only(index), &mut found);
    }
    ways(schema, Optional::All, &mut found);
    found
}

/// Resolves `$ref`s into the same document.
pub(crate) fn follow<'a>(root: &'a Value, mut schema: &'a Value) -> &'a Value {
    for _ in 0..MAX_DEPTH {
        let target = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
        match target.and_then(|pointer| root.pointer(pointer)) {
            Some(found) => schema = found,
            None => break,
        }
    }
    schema
}

/// Choice of the optional fields that a sample has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Optional {
    None,
    Only(usize),
    All,
}

/// Adds a sample for each way through the unions; gives the greatest number of
/// optional fields that one of them met.
fn ways(schema: &Value, optional: Optional, found: &mut Vec<Value>) -> usize {
    let mut picks: Vec<usize> = Vec::new();
    let mut most = 0;
    for _ in 0..MAX_WAYS {
        let mut maker = Maker { root: schema, optional, picks, branches: Vec::new(), met: 0 };
        let sample = maker.make(schema, "value", 0);
        most = most.max(maker.met);
        if found.len() < MAX_SAMPLES && !found.contains(&sample) {
            found.push(sample);
        }
        let Some(next) = next_way(maker.picks, &maker.branches) else { break };
        picks = next;
    }
    most
}

/// Counts on, the last union first.
fn next_way(mut picks: Vec<usize>, branches: &[usize]) -> Option<Vec<usize>> {
    picks.resize(branches.len(), 0);
    while let Some(last) = picks.pop() {
        if branches.get(picks.len()).is_some_and(|count| last + 1 < *count) {
            picks.push(last + 1);
            return Some(picks);
        }
    }
    None
}

struct Maker<'a> {
    root: &'a Value,
    optional: Optional,
    /// Branch that is taken of each union, in the order in which they are met.
    picks: Vec<usize>,
    /// Number of branches of each of them.
    branches: Vec<usize>,
    /// Number of optional fields that were met.
    met: usize,
}

impl Maker<'_> {
    fn make(&mut self, schema: &Value, name: &str, depth: usize) -> Value {
        if depth > MAX_DEPTH {
            return Value::Null;
        }
        if let Some(given) = given(schema) {
            return given.clone();
        }
        let target = follow(self.root, schema).clone();
        if target != *schema {
            return self.make(&target, name, depth + 1);
        }
        let mut made = self.plain(schema, name, depth);
        for keyword in ["oneOf", "anyOf"] {
            if let Some(branches) = schema.get(keyword).and_then(Value::as_array) {
                let branch = self.pick(branches);
                let part = branch.map_or(Value::Null, |branch| self.make(&branch, name, depth + 1));
                made = merged(made, part);
            }
        }
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            let part = self.make(part, name, depth + 1);
            made = merged(made, part);
        }
        made.unwrap_or_else(|| Value::Object(Map::new()))
    }

    /// The branch that this way takes; `null` is none while there are others.
    fn pick(&mut self, branches: &[Value]) -> Option<Value> {
        let is_null = |branch: &Value| branch.get("type").and_then(Value::as_str) == Some("null");
        let some: Vec<&Value> = branches.iter().filter(|branch| !is_null(branch)).collect();
        let index = self.picks.get(self.branches.len()).copied().unwrap_or(0);
        self.branches.push(some.len().max(1));
        some.get(index).map(|branch| (*branch).clone())
    }

    /// Returns what the schema's own type says; `None` if it says nothing.
    fn plain(&mut self, schema: &Value, name: &str, depth: usize) -> Option<Value> {
        let kind = match schema.get("type") {
            Some(Value::String(kind)) => kind.as_str(),
            Some(Value::Array(kinds)) => {
                kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or("null")
            }
            _ if schema.get("properties").is_some() => "object",
            _ => return None,
        };
        Some(match kind {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, name, depth),
            "string" => Value::String(string(schema, name)),
            "integer" | "number" => number(schema),
            "boolean" => Value::Bool(false),
            _ => Value::Null,
        })
    }

    fn object(&mut self, schema: &Value, depth: usize) -> Value {
        let mut object = Map::new();
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let wanted = required.contains(&name.as_str()) || {
                self.met += 1;
                match self.optional {
                    Optional::None => false,
                    Optional::Only(index) => index == self.met - 1,
                    Optional::All => true,
                }
            };
            if wanted {
                let value = self.make(property, name, depth + 1);
                object.insert(name.clone(), value);
            }
        }
        Value::Object(object)
    }

    fn array(&mut self, schema: &Value, name: &str, depth: usize) -> Value {
        if let Some(prefix) = schema.get("prefixItems").and_then(Value::as_array) {
            return prefix.iter().map(|item| self.make(item, name, depth + 1)).collect();
        }
        let bound = |keyword| schema.get(keyword).and_then(Value::as_u64);
        if bound("maxItems") == Some(0) {
            return Value::Array(Vec::new());
        }
        let count = bound("minItems").unwrap_or(1).clamp(1, 16);
        let any = Value::Bool(true);
        let item = schema.get("items").unwrap_or(&any);
        (0..count).map(|_| self.make(item, name, depth + 1)).collect()
    }
}

/// A value that the schema itself names.
fn given(schema: &Value) -> Option<&Value> {
    let first = |keyword| schema.get(keyword).and_then(Value::as_array).and_then(|values| values.first());
    schema
        .get("const")
        .or_else(|| first("examples"))
        .or_else(|| first("enum"))
        .or_else(|| schema.get("default").filter(|value| !value.is_null()))
}

/// Objects are joined, a later plain value replaces an earlier one.
fn merged(made: Option<Value>, part: Value) -> Option<Value> {
    match (made, part) {
        (Some(Value::Object(mut fields)), Value::Object(more)) => {
            fields.extend(more);
            Some(Value::Object(fields))
        }
        (made, Value::Null) => made,
        (_, part) => Some(part),
    }
}

fn string(schema: &Value, name: &str) -> String {
    let by_format = match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => Some("2026-01-15T10:30:00Z"),
        Some("date") => Some("2026-01-15"),
        Some("time") => Some("10:30:00Z"),
        Some("email") => Some("sample@example.com"),
        Some("uri" | "iri" | "url") => Some("https://example.com/sample"),
        Some("uuid") => Some("00000000-0000-4000-8000-000000000000"),
        Some("ipv4" | "ip") => Some("192.0.2.1"),
        Some("ipv6") => Some("2001:db8::1"),
        _ => None,
    };
    let mut text = by_format.map_or_else(|| format!("sample-{name}"), str::to_owned);
    let bound =
        |keyword| schema.get(keyword).and_then(Value::as_u64).and_then(|bound| usize::try_from(bound).ok());
    if let Some(least) = bound("minLength") {
        let missing = least.min(4096).saturating_sub(text.chars().count());
        text.extend(std::iter::repeat_n('x', missing));
    }
    if let Some(most) = bound("maxLength") {
        text = text.chars().take(most).collect();
    }
    text
}

fn number(schema: &Value) -> Value {
    let bound = |keyword| schema.get(keyword).and_then(Value::as_f64);
    let mut value: f64 = 1.0;
    if let Some(least) = bound("minimum") {
        value = value.max(least.ceil());
    }
    if let Some(least) = bound("exclusiveMinimum") {
        value = value.max(least.floor() + 1.0);
    }
    if let Some(most) = bound("maximum") {
        value = value.min(most.floor());
    }
    if let Some(step) = bound("multipleOf").filter(|step| *step > 0.0) {
        value = (value / step).ceil() * step;
    }
    let whole = value.fract() == 0.0 && value.abs() < 9e15;
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and small")]
    let number = if whole { Some(Number::from(value as i64)) } else { Number::from_f64(value) };
    number.map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_plainest_sample_first_then_one_optional_field_each_then_all() {
        let schema = json!({
            "type": "object",
            "properties": {
                "a": {"type": "string"},
                "b": {"type": ["integer", "null"], "minimum": 5},
                "c": {"anyOf": [{"$ref": "#/$defs/C"}, {"type": "null"}]},
            },
            "required": ["a"],
            "$defs": {"C": {"type": "object", "properties": {"x": {"type": "boolean"}}, "required": ["x"]}},
        });
        assert_eq!(
            samples(&schema),
            [
                json!({"a": "sample-a"}),
                json!({"a": "sample-a", "b": 5}),
                json!({"a": "sample-a", "c": {"x": false}}),
                json!({"a": "sample-a", "b": 5, "c": {"x": false}}),
            ]
        );
    }

    #[test]
    fn every_branch_of_every_union() {
        let schema = json!({
            "oneOf": [
                {"type": "object", "properties": {"t": {"const": "x"}, "u": {"$ref": "#/$defs/U"}}, "required": ["t", "u"]},
                {"type": "object", "properties": {"t": {"const": "y"}}, "required": ["t"]},
            ],
            "$defs": {"U": {"oneOf": [{"const": 1}, {"const": 2}]}},
        });
        assert_eq!(
            samples(&schema),
            [json!({"t": "x", "u": 1}), json!({"t": "x", "u": 2}), json!({"t": "y"})]
        );
    }

    #[test]
    fn a_tag_beside_a_union_is_joined_with_it() {
        let schema = json!({
            "type": "object",
            "properties": {"team": {"type": "string", "examples": ["T1"]}},
            "required": ["team"],
            "oneOf": [{"type": "object", "properties": {"k": {"const": "a"}}, "required": ["k"]}],
        });
        assert_eq!(samples(&schema), [json!({"team": "T1", "k": "a"})]);
    }

    #[test]
    fn examples_of_the_whole_come_first_and_do_not_hide_the_rest() {
        let schema = json!({
            "type": "object", "examples": [{"a": "x", "more": 1}, {"a": "y"}],
            "properties": {"a": {"type": "string"}}, "required": ["a"],
        });
        assert_eq!(
            samples(&schema),
            [json!({"a": "x", "more": 1}), json!({"a": "y"}), json!({"a": "sample-a"})]
        );
    }

    #[test]
    fn recursion_ends_and_nothing_is_unbounded() {
        let schema = json!({
            "$ref": "#/$defs/T",
            "$defs": {"T": {"type": "object", "properties": {
                "l": {"$ref": "#/$defs/T"}, "r": {"anyOf": [{"$ref": "#/$defs/T"}, {"type": "string"}]},
            }}},
        });
        assert!(samples(&schema).len() <= MAX_SAMPLES);
        assert_eq!(samples(&json!(true)), [json!({})]);
        assert_eq!(samples(&json!({"$ref": "#"})).len(), 1);
    }

    #[test]
    fn bounds_and_formats() {
        let one = |schema: Value| samples(&schema).remove(0);
        assert_eq!(one(json!({"type": "string", "minLength": 20})), json!("sample-valuexxxxxxxx"));
        assert_eq!(one(json!({"type": "string", "maxLength": 3})), json!("sam"));
        assert_eq!(one(json!({"type": "string", "format": "uri"})), json!("https://example.com/sample"));
        assert_eq!(one(json!({"type": "number", "exclusiveMinimum": 2})), json!(3));
        assert_eq!(one(json!({"type": "integer", "maximum": -4})), json!(-4));
        assert_eq!(one(json!({"type": "integer", "multipleOf": 5})), json!(5));
        assert_eq!(one(json!({"type": "array", "items": {"type": "integer"}})), json!([1]));
    }
}
