//! [`Kind`]: the events of a provider of which a webhook knows some.
//!
//! Providers send more kinds of events than a webhook asks for, and invent new
//! ones. Those are no violation of the payload's schema; a known kind with a
//! wrong field is (docs/rules.md#23). `#[serde(other)]` says that to serde and not to
//! the schema, which would then refuse what serde takes. Tests are below.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};

/// An event of a known kind, or any other JSON.
///
/// `T` is an enum that says its kind in a field: `#[serde(tag = "type")]`. An
/// event with one of its tags is validated and read as that variant, every
/// other one is [`Kind::Other`]. For a `T` without a tag nothing is other.
///
/// ```
/// use px_sdk::Kind;
/// use schemars::JsonSchema;
/// use serde::Deserialize;
///
/// #[derive(Debug, Deserialize, JsonSchema)]
/// #[serde(tag = "type", rename_all = "snake_case")]
/// enum Event {
///     Message { text: String },
/// }
///
/// let read = |json| serde_json::from_str::<Kind<Event>>(json);
/// assert!(matches!(read(r#"{"type": "message", "text": "hi"}"#), Ok(Kind::Known(Event::Message { .. }))));
/// assert!(matches!(read(r#"{"type": "emoji_changed"}"#), Ok(Kind::Other(_))));
/// assert!(read(r#"{"type": "message"}"#).is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Kind<T> {
    /// A kind that `T` has a variant for.
    Known(T),
    /// Everything else, as it came.
    Other(Value),
}

impl<'de, T: DeserializeOwned + JsonSchema> Deserialize<'de> for Kind<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        match T::deserialize(&value) {
            Ok(known) => Ok(Self::Known(known)),
            // The schema knows the tags; it is made only for what T does not take.
            Err(error) if is_known(&schemars::schema_for!(T).to_value(), &value) => {
                Err(D::Error::custom(error))
            }
            Err(_) => Ok(Self::Other(value)),
        }
    }
}

impl<T: JsonSchema> JsonSchema for Kind<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("KindOf{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    /// For each branch of `T`: if the tag says so, then the branch must fit.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let known = T::json_schema(generator).to_value();
        let Some((tag, branches)) = tagged(&known) else {
            return Schema::try_from(known).unwrap_or_default();
        };
        let conditions: Vec<Value> = branches
            .iter()
            .filter_map(|branch| Some((branch, constant(branch, tag)?)))
            .map(|(branch, name)| {
                json!({
                    "if": {"type": "object", "properties": {(tag): {"const": name}}, "required": [tag]},
                    "then": branch,
                })
            })
            .collect();
        let mut schema = Map::new();
        if let Some(description) = known.get("description") {
            schema.insert("description".to_owned(), description.clone());
        }
        schema.insert("allOf".to_owned(), Value::Array(conditions));
        Schema::from(schema)
    }
}

/// Returns whether the event has one of the schema's tags. Without tags all is known.
fn is_known(schema: &Value, event: &Value) -> bool {
    let Some((tag, branches)) = tagged(schema) else { return true };
    branches.iter().any(|branch| constant(branch, tag).is_some_and(|name| event.get(tag) == Some(name)))
}

/// A tagged enum's branches, and the field that is a constant in each of them.
fn tagged(schema: &Value) -> Option<(&str, &[Value])> {
    let branches = schema.get("oneOf")?.as_array()?;
    let fields = branches.first()?.get("properties")?.as_object()?;
    let is_tag = |field: &&String| branches.iter().all(|branch| constant(branch, field).is_some());
    Some((fields.keys().find(is_tag)?, branches))
}

fn constant<'a>(branch: &'a Value, field: &str) -> Option<&'a Value> {
    branch.get("properties")?.get(field)?.get("const")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(tag = "type", rename_all = "snake_case")]
    enum Event {
        Message(Message),
        Moved { to: String },
        Hello,
    }

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    struct Message {
        text: String,
    }

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    struct Envelope {
        event: Option<Kind<Event>>,
    }

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(tag = "type", rename_all = "snake_case")]
    enum Only {
        Message(Message),
    }

    fn known(event: Event) -> Envelope {
        Envelope { event: Some(Kind::Known(event)) }
    }

    fn read(json: Value) -> Result<Envelope, serde_json::Error> {
        serde_json::from_value(json!({"event": json}))
    }

    #[test]
    fn known_kinds_are_read() {
        let message = read(json!({"type": "message", "text": "hi", "new": 1})).unwrap();
        assert_eq!(message, known(Event::Message(Message { text: "hi".into() })));
        assert_eq!(
            read(json!({"type": "moved", "to": "C1"})).unwrap(),
            known(Event::Moved { to: "C1".into() })
        );
        assert_eq!(read(json!({"type": "hello"})).unwrap(), known(Event::Hello));
    }

    #[test]
    fn rule_23_other_kinds_are_other_and_known_ones_must_fit() {
        for other in [
            json!({"type": "reaction_added"}),
            json!({"type": {"odd": 1}}),
            json!({}),
            json!([1]),
            json!("x"),
        ] {
            let event = Some(Kind::Other(other.clone()));
            assert_eq!(read(other).unwrap(), Envelope { event });
        }
        assert_eq!(serde_json::from_value::<Envelope>(json!({})).unwrap(), Envelope { event: None });
        assert!(read(json!({"type": "message"})).unwrap_err().to_string().contains("text"));
        assert!(read(json!({"type": "moved", "to": 7})).is_err());
    }

    #[test]
    fn the_schema_says_for_each_tag_what_must_fit() {
        let schema = schemars::schema_for!(Envelope).to_value();
        let text = schema.to_string();
        for name in ["message", "moved", "hello"] {
            let condition =
                json!({"type": "object", "properties": {"type": {"const": name}}, "required": ["type"]});
            assert!(text.contains(&format!("\"if\":{condition}")), "{schema:#}");
        }
        assert!(schema.pointer("/$defs/Message").is_some(), "{schema:#}");
    }

    #[test]
    fn an_enum_of_one_kind_has_a_tag_too() {
        let other = serde_json::from_value::<Kind<Only>>(json!({"type": "x"})).unwrap();
        assert_eq!(other, Kind::Other(json!({"type": "x"})));
        assert!(serde_json::from_value::<Kind<Only>>(json!({"type": "message"})).is_err());
    }
}
