//! Flat schemas, which a form asks for field by field: an object of texts, numbers, switches and
//! choices. Any other schema is JSON in an editor.

use serde_json::{Map, Value};

/// Fields that a form has at most.
const MAX_FIELDS: usize = 20;

/// Choices that a field has at most.
const MAX_CHOICES: usize = 50;

/// References that lead to a schema.
const MAX_REFERENCES: usize = 8;

/// Keywords by which an object is more than its properties.
const DEEPER: [&str; 9] = [
    "oneOf",
    "anyOf",
    "allOf",
    "not",
    "if",
    "patternProperties",
    "dependentSchemas",
    "dependentRequired",
    "minProperties",
];

/// Kind of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlatKind {
    /// A text.
    Text,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// True or false.
    Boolean,
    /// One of these texts.
    Choice(Vec<String>),
}

/// A property of a flat object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlatField {
    /// Name of the property.
    pub name: String,
    /// Kind of its value.
    pub kind: FlatKind,
    /// True if the object must have it.
    pub is_required: bool,
    /// True if it may be null: what is left empty is null then, where it is required.
    pub is_nullable: bool,
    /// Description, in the schema's words.
    pub description: Option<String>,
}

impl FlatField {
    /// The name of its field in a form.
    #[must_use]
    pub fn field(&self) -> String {
        format!("{}{}", crate::route::field::OF_SCHEMA, self.name)
    }
}

/// Returns the fields of a flat schema; `None` if it takes an editor.
#[must_use]
pub fn flat_fields(schema: &Value) -> Option<Vec<FlatField>> {
    let object = followed(schema, schema)?;
    if object.get("type").is_some_and(|kind| kind != "object")
        || DEEPER.iter().any(|key| object.contains_key(*key))
    {
        return None;
    }
    let properties = object.get("properties")?.as_object()?;
    if properties.is_empty() || properties.len() > MAX_FIELDS {
        return None;
    }
    let required: Vec<&str> = object
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let field = |(name, property): (&String, &Value)| {
        let (kind, is_nullable) = kind_of(schema, property)?;
        // Beside the reference, or where it leads to.
        let description = property
            .get("description")
            .or_else(|| followed(schema, property)?.get("description"))
            .and_then(Value::as_str);
        Some(FlatField {
            name: name.clone(),
            kind,
            is_required: required.contains(&name.as_str()),
            is_nullable,
            description: description.map(str::to_owned),
        })
    };
    properties.iter().map(field).collect()
}

/// The schema that a reference into the same document leads to.
fn followed<'a>(root: &'a Value, mut schema: &'a Value) -> Option<&'a Map<String, Value>> {
    for _ in 0..MAX_REFERENCES {
        let Some(target) = schema.get("$ref") else { return schema.as_object() };
        schema = root.pointer(target.as_str()?.strip_prefix('#')?)?;
    }
    None
}

/// The kind of a property, and whether it may be null.
fn kind_of(root: &Value, property: &Value) -> Option<(FlatKind, bool)> {
    let schema = followed(root, property)?;
    if let Some(branches) = schema.get("anyOf").or_else(|| schema.get("oneOf")) {
        return of_branches(root, branches.as_array()?);
    }
    if ["allOf", "not", "if", "$ref"].iter().any(|key| schema.contains_key(*key)) {
        return None;
    }
    if let Some(values) = schema.get("enum") {
        let values = values.as_array()?;
        let texts = values.iter().filter(|value| !value.is_null());
        let texts: Option<Vec<String>> = texts.map(|value| value.as_str().map(str::to_owned)).collect();
        let is_nullable = values.iter().any(Value::is_null);
        return texts
            .filter(|texts| !texts.is_empty() && texts.len() <= MAX_CHOICES)
            .map(|texts| (FlatKind::Choice(texts), is_nullable));
    }
    if let Some(one) = schema.get("const") {
        return Some((FlatKind::Choice(vec![one.as_str()?.to_owned()]), false));
    }
    let (name, is_nullable) = match schema.get("type")? {
        Value::String(name) => (name.as_str(), false),
        Value::Array(names) => match names.as_slice() {
            [Value::String(name), Value::String(null)] if null == "null" => (name.as_str(), true),
            _ => return None,
        },
        _ => return None,
    };
    let kind = match name {
        "string" => FlatKind::Text,
        "integer" => FlatKind::Integer,
        "number" => FlatKind::Number,
        "boolean" => FlatKind::Boolean,
        _ => return None,
    };
    Some((kind, is_nullable))
}

/// A union: of something and null, or of constants.
fn of_branches(root: &Value, branches: &[Value]) -> Option<(FlatKind, bool)> {
    let is_null = |branch: &&Value| branch.get("type").is_some_and(|kind| kind == "null");
    let is_nullable = branches.iter().any(|branch| is_null(&branch));
    let others: Vec<&Value> = branches.iter().filter(|branch| !is_null(branch)).collect();
    if let [one] = others.as_slice() {
        // No union within a union: it could go on for ever.
        let is_plain = followed(root, one)?.keys().all(|key| !["anyOf", "oneOf"].contains(&key.as_str()))
            || constants(root, one).is_some();
        let (kind, nullable_too) = if is_plain { of_one(root, one)? } else { return None };
        return Some((kind, is_nullable || nullable_too));
    }
    let texts: Option<Vec<Vec<String>>> = others.iter().map(|branch| constants(root, branch)).collect();
    let texts: Vec<String> = texts?.into_iter().flatten().collect();
    (!texts.is_empty() && texts.len() <= MAX_CHOICES).then_some((FlatKind::Choice(texts), is_nullable))
}

fn of_one(root: &Value, schema: &Value) -> Option<(FlatKind, bool)> {
    match constants(root, schema) {
        Some(texts) if texts.len() <= MAX_CHOICES => Some((FlatKind::Choice(texts), false)),
        Some(_) => None,
        None => kind_of(root, schema),
    }
}

/// The texts that a schema of constants allows.
fn constants(root: &Value, schema: &Value) -> Option<Vec<String>> {
    let schema = followed(root, schema)?;
    if let Some(one) = schema.get("const") {
        return Some(vec![one.as_str()?.to_owned()]);
    }
    if let Some(several) = schema.get("enum").and_then(Value::as_array) {
        return several.iter().map(|value| value.as_str().map(str::to_owned)).collect();
    }
    let several = schema.get("oneOf")?.as_array()?;
    several.iter().map(|branch| branch.get("const")?.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_flat_object_is_fields_of_its_kinds() {
        let schema = json!({
            "type": "object",
            "required": ["name", "size", "note"],
            "properties": {
                "name": { "type": "string", "description": "Whom to ask" },
                "size": { "type": "integer" },
                "share": { "type": ["number", "null"] },
                "sure": { "type": "boolean" },
                "kind": { "$ref": "#/$defs/Kind", "description": "Which" },
                "mood": { "anyOf": [{ "$ref": "#/$defs/Mood" }, { "type": "null" }] },
                "note": { "type": ["string", "null"] },
            },
            "$defs": {
                "Kind": { "type": "string", "enum": ["a", "b"] },
                "Mood": { "oneOf": [{ "const": "good", "description": "Yes" }, { "const": "bad" }] },
            },
        });
        let fields = flat_fields(&schema).unwrap();
        let short: Vec<_> = fields
            .iter()
            .map(|field| (&*field.name, field.kind.clone(), field.is_required, field.is_nullable))
            .collect();
        let choice = |texts: [&str; 2]| FlatKind::Choice(texts.map(str::to_owned).to_vec());
        let mut wanted = vec![
            ("name", FlatKind::Text, true, false),
            ("size", FlatKind::Integer, true, false),
            ("share", FlatKind::Number, false, true),
            ("sure", FlatKind::Boolean, false, false),
            ("kind", choice(["a", "b"]), false, false),
            ("mood", choice(["good", "bad"]), false, true),
            ("note", FlatKind::Text, true, true),
        ];
        // Whether maps keep the order of the schema is serde_json's to say.
        wanted.sort_by_key(|(name, ..)| fields.iter().position(|field| field.name == *name));
        assert_eq!(short, wanted);
        let described = |name: &str| {
            fields.iter().find(|field| field.name == name).and_then(|field| field.description.clone())
        };
        assert_eq!(described("name").as_deref(), Some("Whom to ask"));
        assert_eq!(described("kind").as_deref(), Some("Which"));
    }

    #[test]
    fn whatever_is_deeper_takes_an_editor() {
        let object = |property: Value| json!({ "type": "object", "properties": { "a": property } });
        for property in [
            json!({ "type": "object" }),
            json!({ "type": "array", "items": { "type": "string" } }),
            json!({ "anyOf": [{ "type": "string" }, { "type": "integer" }] }),
            json!({ "enum": [1, 2] }),
            json!({ "$ref": "#/nowhere" }),
            json!({ "$ref": "#/properties/a" }),
            json!({ "anyOf": [{ "anyOf": [{ "type": "string" }, { "type": "null" }] }, { "type": "null" }] }),
            json!(true),
        ] {
            assert_eq!(flat_fields(&object(property.clone())), None, "{property}");
        }
        for schema in [
            json!(true),
            json!({ "type": "string" }),
            json!({ "type": "object", "properties": {} }),
            json!({ "type": "object", "properties": { "a": { "type": "string" } }, "oneOf": [] }),
        ] {
            assert_eq!(flat_fields(&schema), None, "{schema}");
        }
    }
}
