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

use super::kinds;

/// Most samples that are made of one schema.
const MAX_SAMPLES: usize = 400;
/// Most ways through the unions that are tried with one choice of optional fields.
const MAX_WAYS: usize = 48;
/// Deepest nesting; a recursive schema ends there.
const MAX_DEPTH: usize = 12;

/// Samples of the schema, the plainest first.
#[must_use]
pub fn samples(schema: &Value) -> Vec<Value> {
    every(schema, None)
}

/// Samples of one kind of event, which the schema tells from others by a constant: `name` is the
/// constant. None if it knows no such kind; [`kinds::of`] lists them.
pub(crate) fn samples_of(schema: &Value, name: &str) -> Vec<Value> {
    every(schema, Some(name))
}

fn every(schema: &Value, kind: Option<&str>) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    let mut schema = Cow::Borrowed(schema);
    if let Some(Value::Array(examples)) = schema.get("examples") {
        let of_kind = |example: &&Value| kind.is_none_or(|kind| kinds::says(example, kind));
        found.extend(examples.iter().filter(of_kind).take(MAX_SAMPLES).cloned());
        if let Value::Object(fields) = schema.to_mut() {
            fields.remove("examples");
        }
    }
    let schema = &*schema;
    let optional = ways(schema, kind, Optional::None, &mut found);
    for index in 0..optional {
        if found.len() >= MAX_SAMPLES {
            return found;
        }
        ways(schema, kind, Optional::Only(index), &mut found);
    }
    ways(schema, kind, Optional::All, &mut found);
    found
}

/// Resolves `$ref`s into the same document.
#[must_use]
pub fn follow<'a>(root: &'a Value, mut schema: &'a Value) -> &'a Value {
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
fn ways(schema: &Value, kind: Option<&str>, optional: Optional, found: &mut Vec<Value>) -> usize {
    let mut picks: Vec<usize> = Vec::new();
    let mut most = 0;
    for _ in 0..MAX_WAYS {
        let mut maker =
            Maker { root: schema, kind, optional, picks, branches: Vec::new(), met: 0, is_of_kind: false };
        let sample = maker.make(schema, "value", 0);
        most = most.max(maker.met);
        let is_wanted = kind.is_none() || maker.is_of_kind;
        if is_wanted && found.len() < MAX_SAMPLES && !found.contains(&sample) {
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
    /// The kind that is wanted; where a union has it, no other branch is taken.
    kind: Option<&'a str>,
    optional: Optional,
    /// Branch that is taken of each union, in the order in which they are met.
    picks: Vec<usize>,
    /// Number of branches of each of them.
    branches: Vec<usize>,
    /// Number of optional fields that were met.
    met: usize,
    /// True if a union was met that has the wanted kind.
    is_of_kind: bool,
}

impl Maker<'_> {
    fn make(&mut self, schema: &Value, name: &str, depth: usize) -> Value {
        if depth > MAX_DEPTH {
            return Value::Null;
        }
        if let Some(given) = given(schema) {
            return given.clone();
        }
        if schema.get("$ref").is_some() {
            return self.referred(schema, name, depth);
        }
        let mut made = self.plain(schema, name, depth);
        // A `Kind`: each of its parts says what must fit if the event has this tag.
        if let Some(conditions) = kinds::conditions(schema) {
            let branches: Vec<Value> = conditions.into_iter().map(kinds::tagged).collect();
            let part = self.pick(&branches).map_or(Value::Null, |branch| self.make(&branch, name, depth + 1));
            return merged(made, part).unwrap_or_else(|| Value::Object(Map::new()));
        }
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

    /// What the reference names, joined with what stands beside it: a tag beside a struct.
    fn referred(&mut self, schema: &Value, name: &str, depth: usize) -> Value {
        let target = follow(self.root, schema).clone();
        let made = if target == *schema { Value::Null } else { self.make(&target, name, depth + 1) };
        let mut beside = schema.clone();
        if let Value::Object(fields) = &mut beside {
            fields.remove("$ref");
            if !["properties", "oneOf", "anyOf", "allOf"].iter().any(|keyword| fields.contains_key(*keyword))
            {
                return made;
            }
        }
        let beside = self.make(&beside, name, depth + 1);
        merged(Some(made), beside).unwrap_or(Value::Null)
    }

    /// The branch that this way takes; `null` is none while there are others.
    fn pick(&mut self, branches: &[Value]) -> Option<Value> {
        let is_null = |branch: &Value| branch.get("type").and_then(Value::as_str) == Some("null");
        let mut some: Vec<&Value> = branches.iter().filter(|branch| !is_null(branch)).collect();
        if let Some(kind) = self.kind {
            let named: Vec<&Value> =
                some.iter().copied().filter(|branch| kinds::has_name(branch, kind)).collect();
            if !named.is_empty() {
                self.is_of_kind = true;
                some = named;
            }
        }
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
mod tests;
