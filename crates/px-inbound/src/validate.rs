//! A payload against its webhook's JSON Schema, compiled once.

use std::fmt::{self, Write as _};

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde::Serialize;
use serde_json::Value;

/// Maximum number of violations in one answer.
const MAX_VIOLATIONS: usize = 50;

/// Maximum length of one of them, without its path, bytes. The validator quotes
/// values that do not fit, and one can be the whole payload.
const MAX_MESSAGE: usize = 400;

/// Maximum number of values in a payload whose violations are listed: the
/// validator makes an error of each value that does not fit, before it gives
/// the first one, and each is a hundred times as large as a `0`.
const MAX_VALUES: usize = 100_000;

/// One way in which a payload does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The place, as a JSON pointer (RFC 6901); the root is the empty text.
    pub path: String,
    /// The value that does not fit, and the expected one, in words.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

/// A compiled schema.
#[derive(Debug)]
pub struct Schema(Validator);

impl Schema {
    /// Compiles a schema. References to other documents are not followed.
    ///
    /// # Errors
    /// The schema is none, in words.
    pub fn new(schema: &Value) -> Result<Self, String> {
        let mut schema = schema.clone();
        bound_integers(&mut schema);
        jsonschema::validator_for(&schema).map(Self).map_err(|error| error.to_string())
    }

    /// Checks a payload.
    ///
    /// # Errors
    /// Every violation, up to a limit.
    pub fn check(&self, payload: &Value) -> Result<(), Vec<Violation>> {
        if self.0.is_valid(payload) {
            return Ok(());
        }
        let mut left = MAX_VALUES;
        if !is_within(payload, &mut left) {
            let message = format!(
                "the payload does not fit the schema, and with more than {MAX_VALUES} values it is too large to say \
                 where"
            );
            return Err(vec![Violation { path: String::new(), message }]);
        }
        let mut violations = Vec::new();
        for error in self.0.iter_errors(payload) {
            collect(&error, &mut violations);
            if violations.len() >= MAX_VIOLATIONS {
                break;
            }
        }
        Err(violations)
    }
}

/// Adds to each integer type the bounds of its format, which schemars leaves to
/// the name: else a number passes that its reader then cannot take.
fn bound_integers(schema: &mut Value) {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().for_each(bound_integers),
        Value::Object(fields) => {
            let bounds: Option<(Value, Value)> = match fields.get("format").and_then(Value::as_str) {
                Some("int32") => Some((i32::MIN.into(), i32::MAX.into())),
                Some("int64" | "int") => Some((i64::MIN.into(), i64::MAX.into())),
                Some("uint32") => Some((0.into(), u32::MAX.into())),
                Some("uint64" | "uint") => Some((0.into(), u64::MAX.into())),
                _ => None,
            };
            let is_integer = match fields.get("type") {
                Some(Value::String(name)) => name == "integer",
                Some(Value::Array(names)) => names.iter().any(|name| name == "integer"),
                _ => false,
            };
            if let (Some((least, most)), true) = (bounds, is_integer) {
                fields.entry("minimum").or_insert(least);
                fields.entry("maximum").or_insert(most);
            }
            fields.values_mut().for_each(bound_integers);
        }
        _ => {}
    }
}

/// Returns true if a value consists of at most `left` values; counts them off.
fn is_within(value: &Value, left: &mut usize) -> bool {
    let Some(rest) = left.checked_sub(1) else { return false };
    *left = rest;
    match value {
        Value::Array(values) => values.iter().all(|value| is_within(value, left)),
        Value::Object(fields) => fields.values().all(|value| is_within(value, left)),
        _ => true,
    }
}

/// Returns an error in words, cut at its maximum length.
fn message(error: &ValidationError<'_>) -> String {
    let mut text = Cut(String::new());
    // An error here says that there is more.
    if write!(text, "{error}").is_err() {
        text.0.push('…');
    }
    text.0
}

struct Cut(String);

impl fmt::Write for Cut {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let room = MAX_MESSAGE.saturating_sub(self.0.len());
        let cut = more.floor_char_boundary(room);
        self.0.push_str(more.get(..cut).unwrap_or_default());
        if cut < more.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

fn collect(error: &ValidationError<'_>, violations: &mut Vec<Violation>) {
    match error.kind() {
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            if let Some(branch) = meant(context) {
                for error in branch {
                    if violations.len() < MAX_VIOLATIONS {
                        collect(error, violations);
                    }
                }
                return;
            }
            if let Some(violation) = unknown_tag(context) {
                violations.push(violation);
                return;
            }
        }
        _ => {}
    }
    violations.push(Violation { path: error.instance_path().to_string(), message: message(error) });
}

/// Returns the branch of a union that was meant: for a tagged enum the branch
/// whose tag matches, which is the only one that does not fail on a constant.
/// `None` if that does not tell them apart.
fn meant<'a>(context: &'a [Vec<ValidationError<'static>>]) -> Option<&'a [ValidationError<'static>]> {
    let mut fitting = context.iter().filter(|errors| {
        !errors.iter().any(|error| {
            matches!(error.kind(), ValidationErrorKind::Constant { .. } | ValidationErrorKind::Enum { .. })
        }) && !is_null_branch(errors)
    });
    let only = fitting.next()?;
    (fitting.next().is_none() && !only.is_empty()).then_some(only.as_slice())
}

/// Returns the violation of a tagged enum whose tag names none of its branches:
/// the tag, and its possible values. `None` if the branches are told apart in
/// another way.
fn unknown_tag(context: &[Vec<ValidationError<'static>>]) -> Option<Violation> {
    let (mut place, mut known) = (None, Vec::new());
    for branch in context.iter().filter(|errors| !is_null_branch(errors)) {
        let (path, value, mut tags) = branch.iter().find_map(|error| match error.kind() {
            ValidationErrorKind::Constant { expected_value } => Some((
                error.instance_path().to_string(),
                error.instance().to_string(),
                vec![expected_value.to_string()],
            )),
            ValidationErrorKind::Enum { options } => {
                let options = options.as_array()?.iter().map(Value::to_string).collect();
                Some((error.instance_path().to_string(), error.instance().to_string(), options))
            }
            _ => None,
        })?;
        if place.get_or_insert((path.clone(), value)).0 != path {
            return None;
        }
        known.append(&mut tags);
    }
    let (path, value) = place?;
    let mut text = Cut(String::new());
    if write!(text, "{value} is none of {}", known.join(", ")).is_err() {
        text.0.push('…');
    }
    Some(Violation { path, message: text.0 })
}

/// The branch that an `Option` adds: it takes only null.
fn is_null_branch(errors: &[ValidationError<'static>]) -> bool {
    matches!(errors, [error] if matches!(error.kind(), ValidationErrorKind::Type { .. })
        && error.to_string().contains("\"null\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn violations(schema: &Value, payload: &Value) -> Vec<(String, String)> {
        let schema = Schema::new(schema).unwrap();
        schema.check(payload).unwrap_err().into_iter().map(|v| (v.path, v.message)).collect()
    }

    #[test]
    fn every_violation_has_its_path() {
        let schema = json!({
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "object", "required": ["c"]}},
            "required": ["a"]
        });
        let found = violations(&schema, &json!({"a": "x", "b": {}}));
        assert_eq!(found.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), ["/a", "/b"]);
        assert!(found[1].1.contains("\"c\" is a required property"), "{found:?}");
    }

    #[test]
    fn an_integer_beyond_its_type_is_a_violation_with_its_path() {
        let schema = json!({"properties": {
            "a": {"type": "integer", "format": "uint64", "minimum": 0},
            "b": {"type": ["integer", "null"], "format": "int32"},
            "c": {"type": "array", "items": {"type": "integer", "format": "uint32", "minimum": 0}},
            "d": {"type": "integer", "format": "int64"}
        }});
        let check = |payload: &str| {
            let payload = serde_json::from_str(payload).unwrap();
            let found = Schema::new(&schema).unwrap().check(&payload).err().unwrap_or_default();
            found.into_iter().map(|violation| violation.path).collect::<Vec<_>>()
        };
        let most = r#"{"a":18446744073709551615,"b":-2147483648,"c":[4294967295],"d":-9223372036854775808}"#;
        assert_eq!(check(most), Vec::<String>::new());
        assert_eq!(check(r#"{"a":2.0,"b":1e1,"c":[-0],"d":-0.0}"#), Vec::<String>::new());
        let beyond =
            r#"{"a":18446744073709551616,"b":-2147483649,"c":[1,4294967296],"d":9223372036854775808}"#;
        assert_eq!(check(beyond), ["/a", "/b", "/c/1", "/d"]);
    }

    #[test]
    fn what_is_said_is_bounded_however_much_is_wrong() {
        let schema = json!({"type": "array", "items": {"type": "object"}});
        let many = violations(&schema, &Value::Array(vec![0.into(); 90_000]));
        assert_eq!(many.len(), MAX_VIOLATIONS);
        let huge = violations(&schema, &Value::Array(vec![0.into(); 2_000_000]));
        assert_eq!(huge.len(), 1);
        assert!(huge[0].1.contains("too large to say where"), "{huge:?}");
        // A whole payload in the message of one violation, and in that of a union's branch.
        let long = "é".repeat(1_000_000);
        let union = json!({"oneOf": [{"type": "integer"}, {"type": "object", "required": ["a"]}]});
        for (schema, payload) in [
            (&schema, json!([long])),
            (&json!({"type": "integer"}), json!({"a": long})),
            (&union, json!(long)),
        ] {
            let found = violations(schema, &payload);
            assert!(found.iter().all(|(_, message)| message.len() < MAX_MESSAGE + 4), "{}", found[0].1.len());
            assert!(found[0].1.ends_with('…'), "{}", found[0].1);
        }
    }

    #[test]
    fn rule_23_a_tagged_union_reports_the_branch_whose_tag_matches() {
        let schema = json!({"oneOf": [
            {"type": "object", "properties": {"kind": {"const": "one"}, "x": {"type": "integer"}}, "required": ["kind", "x"]},
            {"type": "object", "properties": {"kind": {"const": "two"}, "y": {"type": "string"}}, "required": ["kind", "y"]}
        ]});
        let found = violations(&schema, &json!({"kind": "two", "y": 7}));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, "/y");
        let found = violations(&schema, &json!({"kind": "thre", "y": 7}));
        assert_eq!(found, [("/kind".to_owned(), r#""thre" is none of "one", "two""#.to_owned())]);
        // Without a tag nothing tells the branches apart.
        let found = violations(&schema, &json!({"y": 7}));
        assert_eq!((found.len(), found[0].0.as_str()), (1, ""), "{found:?}");
    }
}
