//! `key=value` from the command line as JSON: the schema says what a value is,
//! so that a telephone number stays a text (docs/rules.md#44).

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::sample::follow;
use crate::suggest;

/// Maximum number of `$ref`s and unions that a type may hide behind.
const MAX_DEPTH: usize = 16;

/// Splits `key=value`.
pub(crate) fn pair(flag: &str, text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(Error::usage(format!("'{text}' is not KEY=VALUE"))
            .hint(format!("write it like `{flag} name=Ada`"))),
    }
}

/// The value for `key` of an object with this schema.
pub(crate) fn value(schema: &Value, key: &str, text: &str) -> Result<Value> {
    let Some(property) = property(schema, schema, key, MAX_DEPTH) else { return Ok(literal(text)) };
    let types = Types::of(schema, property, MAX_DEPTH);
    types
        .read(text)
        .ok_or_else(|| Error::usage(format!("'{key}' takes {}, and '{text}' is none", types.words())))
}

/// Returns what is wrong with a key, if the schema does not know it.
pub(crate) fn unknown_key(schema: &Value, key: &str) -> Option<String> {
    let properties = follow(schema, schema).get("properties")?.as_object()?;
    if properties.contains_key(key) {
        return None;
    }
    let known: Vec<&str> = properties.keys().map(String::as_str).collect();
    Some(match suggest::nearest(key, known.iter().copied()) {
        Some(meant) => format!("the input has no field '{key}'; did you mean '{meant}'?"),
        None => format!("the input has no field '{key}'; it has {}", known.join(", ")),
    })
}

/// A value without a schema: text, unless it is exactly a JSON literal.
pub(crate) fn literal(text: &str) -> Value {
    match serde_json::from_str::<Value>(text) {
        // A number that px would write differently was no number to its writer.
        Ok(Value::Number(number)) if number.to_string() != text => Value::String(text.to_owned()),
        Ok(value) => value,
        Err(_) => Value::String(text.to_owned()),
    }
}

fn property<'a>(root: &'a Value, schema: &'a Value, key: &str, depth: usize) -> Option<&'a Value> {
    let schema = follow(root, schema);
    if let Some(found) = schema.get("properties").and_then(|properties| properties.get(key)) {
        return Some(found);
    }
    let depth = depth.checked_sub(1)?;
    ["allOf", "anyOf", "oneOf"]
        .iter()
        .filter_map(|name| schema.get(name)?.as_array())
        .flatten()
        .find_map(|branch| property(root, branch, key, depth))
}

/// The JSON types that a schema allows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Types {
    string: bool,
    integer: bool,
    number: bool,
    boolean: bool,
    null: bool,
    array: bool,
    object: bool,
}

impl Types {
    fn of(root: &Value, schema: &Value, depth: usize) -> Self {
        let schema = follow(root, schema);
        let mut types = Self::default();
        match schema.get("type") {
            Some(Value::String(name)) => types.add(name),
            Some(Value::Array(names)) => {
                names.iter().filter_map(Value::as_str).for_each(|name| types.add(name))
            }
            _ => {}
        }
        let constants = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
        if schema.get("type").is_none() {
            constants.chain(schema.get("const")).for_each(|value| types.add(type_of(value)));
        }
        if let Some(depth) = depth.checked_sub(1) {
            let unions = ["anyOf", "oneOf", "allOf"].iter().filter_map(|name| schema.get(name)?.as_array());
            for branch in unions.flatten() {
                types = types.or(Self::of(root, branch, depth));
            }
        }
        types
    }

    fn add(&mut self, name: &str) {
        match name {
            "string" => self.string = true,
            "integer" => self.integer = true,
            "number" => self.number = true,
            "boolean" => self.boolean = true,
            "null" => self.null = true,
            "array" => self.array = true,
            "object" => self.object = true,
            _ => {}
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            string: self.string || other.string,
            integer: self.integer || other.integer,
            number: self.number || other.number,
            boolean: self.boolean || other.boolean,
            null: self.null || other.null,
            array: self.array || other.array,
            object: self.object || other.object,
        }
    }

    fn read(self, text: &str) -> Option<Value> {
        if self == Self::default() {
            return Some(literal(text));
        }
        let parsed = serde_json::from_str::<Value>(text).ok().filter(|value| match value {
            Value::Null => self.null && !self.string,
            Value::Bool(_) => self.boolean && !self.string,
            Value::Number(number) => {
                !self.string && (self.number || self.integer && (number.is_i64() || number.is_u64()))
            }
            Value::String(_) => false,
            Value::Array(_) => self.array,
            Value::Object(_) => self.object,
        });
        parsed.or_else(|| self.string.then(|| Value::String(text.to_owned())))
    }

    fn words(self) -> String {
        let number = if self.number { "a number" } else { "an integer" };
        let names: Vec<&str> = [
            (self.string, "a text"),
            (self.number || self.integer, number),
            (self.boolean, "true or false"),
            (self.array, "a JSON list"),
            (self.object, "a JSON object"),
            (self.null, "null"),
        ]
        .into_iter()
        .filter_map(|(is, name)| is.then_some(name))
        .collect();
        names.join(" or ")
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// An object from `--state` or `--options` as JSON, or as `@file`.
pub(crate) fn object(flag: &str, text: &str) -> Result<Map<String, Value>> {
    let read;
    let json = match text.strip_prefix('@') {
        Some(path) => {
            read = std::fs::read_to_string(path)
                .map_err(|error| Error::usage(format!("cannot read {path} for {flag}: {error}")))?;
            &read
        }
        None => text,
    };
    match serde_json::from_str(json) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Error::usage(format!("{flag} takes a JSON object"))),
        Err(error) => Err(Error::usage(format!("{flag} is not JSON: {error}"))
            .hint(format!("quote it for the shell: {flag} '{{\"name\": \"Ada\"}}'"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "text": {"type": "string"},
                "count": {"type": "integer"},
                "ratio": {"type": "number"},
                "on": {"type": "boolean"},
                "maybe": {"type": ["integer", "null"]},
                "tags": {"type": "array"},
                "kind": {"$ref": "#/$defs/Kind"},
                "choice": {"anyOf": [{"$ref": "#/$defs/Kind"}, {"type": "null"}]},
                "any": true,
            },
            "$defs": {"Kind": {"oneOf": [{"const": "a"}, {"enum": ["b"], "type": "string"}]}},
        })
    }

    #[test]
    fn the_schema_says_what_a_value_is() {
        for (key, text, expected) in [
            ("text", "+15550100", json!("+15550100")),
            ("text", "12", json!("12")),
            ("text", "true", json!("true")),
            ("text", "", json!("")),
            ("count", "12", json!(12)),
            ("ratio", "1.5", json!(1.5)),
            ("ratio", "1", json!(1)),
            ("on", "true", json!(true)),
            ("maybe", "null", json!(null)),
            ("maybe", "3", json!(3)),
            ("tags", "[1]", json!([1])),
            ("kind", "a", json!("a")),
            ("choice", "b", json!("b")),
            ("any", "{\"x\":1}", json!({"x": 1})),
            ("any", "word", json!("word")),
            ("unknown", "7", json!(7)),
        ] {
            assert_eq!(value(&schema(), key, text).unwrap(), expected, "{key}={text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (key, text, message) in [
            ("count", "many", "'count' takes an integer, and 'many' is none"),
            ("count", "1.5", "'count' takes an integer, and '1.5' is none"),
            ("on", "yes", "'on' takes true or false, and 'yes' is none"),
            ("maybe", "", "'maybe' takes an integer or null, and '' is none"),
        ] {
            assert_eq!(value(&schema(), key, text).unwrap_err().message, message);
        }
    }

    #[test]
    fn without_a_schema_only_exact_literals_are_no_text() {
        assert_eq!(literal("12"), json!(12));
        assert_eq!(literal("null"), json!(null));
        assert_eq!(literal("\"12\""), json!("12"));
        for text in ["+15550100", "007", "1e5", "1.50", "12345678901234567890123", "Ada", ""] {
            assert_eq!(literal(text), json!(text), "{text}");
        }
    }

    #[test]
    fn misspelt_keys_are_noticed() {
        assert_eq!(unknown_key(&schema(), "text"), None);
        assert_eq!(
            unknown_key(&schema(), "cuont").unwrap(),
            "the input has no field 'cuont'; did you mean 'count'?"
        );
    }
}
