//! Values that a newer server may have more of: an older client reads them, and
//! hands on what it does not know as it came.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A value of a known shape, or whatever a newer server sends in its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Open<T> {
    /// A value that this version knows.
    Known(T),
    /// Any other.
    Other(Value),
}

impl<T> Open<T> {
    /// The value, if this version knows it.
    pub const fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Other(_) => None,
        }
    }
}

/// The document promises no more than that there is a value.
impl<T> JsonSchema for Open<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Open".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Value::json_schema(generator)
    }
}

/// An enum of words. One that is not known is kept as it came, so that reading
/// and writing give the same text.
macro_rules! words {
    ($(#[$doc:meta])* pub enum $name:ident { $($(#[$about:meta])* $word:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$about])* $word,)+
            /// A word that this version does not know.
            Other(Box<str>),
        }

        impl $name {
            /// Every word that this version knows.
            pub const KNOWN: &[&'static str] = &[$($text,)+];

            /// The word on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$word => $text,)+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $($text => Self::$word,)+
                    other => Self::Other(other.into()),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <std::borrow::Cow<'de, str>>::deserialize(deserializer).map(|word| Self::from(&*word))
            }
        }
    };
}

/// The schema of words as a text: the document does not list them.
macro_rules! plain_words {
    ($($name:ident),+) => {
        $(impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string" })
            }
        })+
    };
}

/// The schema of words as an enum of those that are known, under a name of its own.
macro_rules! listed_words {
    ($name:ident, $known:expr, $description:literal) => {
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let known = $known;
                schemars::json_schema!({ "description": $description, "type": "string", "enum": known })
            }
        }
    };
}

pub(crate) use {listed_words, plain_words, words};

#[cfg(test)]
mod tests {
    use crate::RunStatus;

    #[test]
    fn a_word_that_came_later_is_read_and_written_as_it_came() {
        let later: RunStatus = serde_json::from_str("\"resting\"").unwrap();
        assert_eq!(later, RunStatus::Other("resting".into()));
        assert_eq!(serde_json::to_string(&later).unwrap(), "\"resting\"");
        assert_eq!(serde_json::from_str::<RunStatus>("\"paused\"").unwrap(), RunStatus::Paused);
    }
}
