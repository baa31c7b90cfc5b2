//! Samples of schemas.

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
    assert_eq!(samples(&schema), [json!({"t": "x", "u": 1}), json!({"t": "x", "u": 2}), json!({"t": "y"})]);
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
    assert_eq!(samples(&schema), [json!({"a": "x", "more": 1}), json!({"a": "y"}), json!({"a": "sample-a"})]);
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
