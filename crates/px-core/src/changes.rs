//! The changes between two states, as people look at them.

use serde_json::Value;

/// Returns the operations of a JSON patch (RFC 6902) that make `after` of `before`.
#[must_use]
pub fn changes(before: &Value, after: &Value) -> Vec<Value> {
    let operations = json_patch::diff(before, after).0.into_iter();
    // An operation can be written: its keys are texts.
    operations.filter_map(|operation| serde_json::to_value(operation).ok()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_is_an_operation_and_no_change_is_none() {
        let (before, after) = (json!({"a": 1, "b": [1]}), json!({"a": 2, "b": [1]}));
        assert_eq!(changes(&before, &after), [json!({"op": "replace", "path": "/a", "value": 2})]);
        assert!(changes(&after, &after).is_empty());
        assert_eq!(changes(&json!(null), &json!({})), [json!({"op": "replace", "path": "", "value": {}})]);
    }
}
