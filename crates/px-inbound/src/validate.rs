//! A payload against its webhook's JSON Schema, compiled once.

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde::Serialize;
use serde_json::Value;

/// How many violations one answer lists.
const MAX_VIOLATIONS: usize = 50;

/// One way in which a payload does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Where, as a JSON pointer (RFC 6901); the root is the empty text.
    pub path: String,
    /// What is wrong, and what was expected.
    pub message: String,
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
        jsonschema::validator_for(schema).map(Self).map_err(|error| error.to_string())
    }

    /// Checks a payload.
    ///
    /// # Errors
    /// Every violation, up to a limit.
    pub fn check(&self, payload: &Value) -> Result<(), Vec<Violation>> {
        if self.0.is_valid(payload) {
            return Ok(());
        }
        let mut violations = Vec::new();
        for error in self.0.iter_errors(payload) {
            collect(&error, &mut violations);
        }
        violations.truncate(MAX_VIOLATIONS);
        Err(violations)
    }
}

fn collect(error: &ValidationError<'_>, violations: &mut Vec<Violation>) {
    match error.kind() {
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            if let Some(branch) = meant(context) {
                for error in branch {
                    collect(error, violations);
                }
                return;
            }
        }
        _ => {}
    }
    violations.push(Violation { path: error.instance_path().to_string(), message: error.to_string() });
}

/// Of the branches of a union the one that was meant: for a tagged enum the
/// branch whose tag matches (RULES 23), which is the only one that does not
/// fail on a constant. `None` if that does not tell them apart.
fn meant<'a>(context: &'a [Vec<ValidationError<'static>>]) -> Option<&'a [ValidationError<'static>]> {
    let mut fitting = context.iter().filter(|errors| {
        !errors.iter().any(|error| {
            matches!(error.kind(), ValidationErrorKind::Constant { .. } | ValidationErrorKind::Enum { .. })
        }) && !is_null_branch(errors)
    });
    let only = fitting.next()?;
    (fitting.next().is_none() && !only.is_empty()).then_some(only.as_slice())
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
    fn rule_23_a_tagged_union_reports_the_branch_whose_tag_matches() {
        let schema = json!({"oneOf": [
            {"type": "object", "properties": {"kind": {"const": "one"}, "x": {"type": "integer"}}, "required": ["kind", "x"]},
            {"type": "object", "properties": {"kind": {"const": "two"}, "y": {"type": "string"}}, "required": ["kind", "y"]}
        ]});
        let found = violations(&schema, &json!({"kind": "two", "y": 7}));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, "/y");
    }
}
