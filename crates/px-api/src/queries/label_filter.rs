//! The labels of a filter of runs. A query says its parameter once for each; JSON has a text for one, as it
//! always had, and a list of texts for several.

use std::borrow::Cow;
use std::fmt;

use px_core::MAX_LABELS;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

/// Labels that a run has, all of them, each as `order=o2`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelFilter(Vec<String>);

impl LabelFilter {
    /// Returns whether it asks for none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The labels in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// What is empty asks for nothing.
impl<T: Into<String>> Extend<T> for LabelFilter {
    fn extend<I: IntoIterator<Item = T>>(&mut self, labels: I) {
        self.0.extend(labels.into_iter().map(Into::into).filter(|label| !label.is_empty()));
    }
}

impl<T: Into<String>> FromIterator<T> for LabelFilter {
    fn from_iter<I: IntoIterator<Item = T>>(labels: I) -> Self {
        let mut filter = Self::default();
        filter.extend(labels);
        filter
    }
}

impl Serialize for LabelFilter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            // Clients that know one label read it.
            [label] => serializer.serialize_str(label),
            labels => labels.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for LabelFilter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Labels;

        impl<'de> Visitor<'de> for Labels {
            type Value = LabelFilter;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a label such as `order=o2`, or a list of these")
            }

            fn visit_str<E>(self, label: &str) -> Result<LabelFilter, E> {
                Ok(std::iter::once(label).collect())
            }

            fn visit_unit<E>(self) -> Result<LabelFilter, E> {
                Ok(LabelFilter::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut labels: A) -> Result<LabelFilter, A::Error> {
                let mut filter = LabelFilter::default();
                while let Some(label) = labels.next_element::<String>()? {
                    filter.extend([label]);
                }
                Ok(filter)
            }
        }

        deserializer.deserialize_any(Labels)
    }
}

impl JsonSchema for LabelFilter {
    fn schema_name() -> Cow<'static, str> {
        "LabelFilter".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [label(), list()] })
    }
}

/// The schema of a query's parameter, which may be said several times. One that is empty is as if it were
/// not said.
pub(super) fn repeated(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "maxItems": MAX_LABELS, "items": label() })
}

fn list() -> Value {
    json!({ "type": "array", "maxItems": MAX_LABELS, "items": label() })
}

fn label() -> Value {
    json!({ "type": "string", "pattern": "^([a-z][a-z0-9_-]{0,31}=.+)?$" })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_label_is_a_text_and_several_are_a_list() {
        for (written, labels) in [
            (json!("order=o2"), &["order=o2"][..]),
            (json!(["order=o2", "outcome=paid, in part"]), &["order=o2", "outcome=paid, in part"]),
            (json!([]), &[]),
        ] {
            let filter: LabelFilter = serde_json::from_value(written.clone()).unwrap();
            assert_eq!(filter.iter().collect::<Vec<_>>(), labels);
            assert_eq!(serde_json::to_value(&filter).unwrap(), written);
        }
        for (written, count) in
            [(json!(""), 0), (json!(null), 0), (json!(["a=1"]), 1), (json!(["", "a=1"]), 1)]
        {
            assert_eq!(serde_json::from_value::<LabelFilter>(written).unwrap().iter().len(), count);
        }
        for wrong in [json!(7), json!([7]), json!({"a": 1}), json!([["a=1"]])] {
            assert!(serde_json::from_value::<LabelFilter>(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
