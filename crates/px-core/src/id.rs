//! Ids: newtypes with a prefix and a sortable body (uuid v7), for example
//! `run_0197c1f0-…` without the dashes. A parse error names the prefix that
//! was expected.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::Timestamp;

/// A text that is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not {noun}: it looks like {prefix}_ followed by 32 hexadecimal digits")]
pub struct ParseIdError {
    text: String,
    noun: &'static str,
    prefix: &'static str,
}

impl ParseIdError {
    pub(crate) fn of(text: &str, noun: &'static str, prefix: &'static str) -> Self {
        Self { text: text.to_owned(), noun, prefix }
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $noun:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// The text before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// From the 16 bytes that are stored.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// The 16 bytes that are stored; their order is the order of creation.
            #[must_use]
            pub const fn to_bytes(self) -> [u8; 16] {
                *self.0.as_bytes()
            }

            /// Below every id that was made at `at` or later, and above every
            /// earlier one; no id itself.
            #[must_use]
            pub fn bound(at: Timestamp) -> Self {
                // An id has 48 bits for its time; what is later is above every id.
                Self(Uuid::from_u128(u128::from(at.as_millis().min((1 << 48) - 1)) << 80))
            }

            /// Returns the time at which the id was made, to the millisecond.
            #[must_use]
            pub fn made_at(self) -> Timestamp {
                Timestamp::from_millis(u64::try_from(self.0.as_u128() >> 80).unwrap_or(u64::MAX))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut buffer = [0; 32];
                f.write_str(concat!($prefix, "_"))?;
                f.write_str(self.0.as_simple().encode_lower(&mut buffer))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.strip_prefix(concat!($prefix, "_"))
                    .filter(|body| body.len() == 32)
                    .and_then(|body| Uuid::try_parse(body).ok())
                    .map(Self)
                    .ok_or_else(|| ParseIdError { text: text.to_owned(), noun: $noun, prefix: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(concat!("an id that starts with ", $prefix, "_"))
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string" })
            }
        }
    };
}

id!(
    /// One execution of a brain.
    RunId, "run", "the id of a run"
);
id!(
    /// One job that does something with many runs.
    BulkId, "blk", "the id of a bulk job"
);
id!(
    /// One inbound HTTP request that was taken in.
    DeliveryId, "whd", "the id of a webhook delivery"
);
id!(
    /// One event of a delivery.
    EventId, "evt", "the id of an event"
);
id!(
    /// One wait of a run.
    WaitId, "wat", "the id of a wait"
);
id!(
    /// A signed link: a question to somebody, and the registration that its answer is for.
    LinkId, "lnk", "the id of a link"
);
id!(
    /// An outbound endpoint: somebody who is told what happens to runs.
    HookId, "hok", "the id of a hook"
);
id!(
    /// One event on its way to one hook.
    CallbackId, "dlv", "the id of an outbound delivery"
);

id!(
    /// A token that opens the API.
    TokenId, "tok", "the id of an API token"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_parses() {
        let id = RunId::from_bytes([7; 16]);
        assert_eq!(id.to_string(), format!("run_{}", "07".repeat(16)));
        assert_eq!(id.to_string().parse::<RunId>().unwrap(), id);
    }

    #[test]
    fn a_bound_that_no_id_can_reach_is_above_them() {
        let largest = RunId::from_bytes([0xff; 16]);
        for late in [1 << 48, (1 << 48) + 7, u64::MAX] {
            let bound = RunId::bound(Timestamp::from_millis(late));
            assert!(
                bound > RunId::bound(Timestamp::from_millis(4_102_444_800_000)) && bound < largest,
                "{late}"
            );
        }
    }

    #[test]
    fn a_bound_lies_between_the_ids_of_two_moments() {
        let at = |millis| Timestamp::from_millis(millis);
        let ids = crate::Ids::counted(1);
        for millis in [1, 1_767_225_600_000] {
            let (before, after) = (ids.delivery(at(millis - 1)), ids.delivery(at(millis)));
            assert!(before < DeliveryId::bound(at(millis)) && DeliveryId::bound(at(millis)) < after);
            assert_eq!((before.made_at(), after.made_at()), (at(millis - 1), at(millis)));
        }
    }

    #[test]
    fn a_wrong_prefix_names_the_right_one() {
        let error = DeliveryId::from_bytes([7; 16]).to_string().parse::<RunId>().unwrap_err();
        assert!(error.to_string().contains("run_"), "{error}");
        assert!("run_zz".parse::<RunId>().is_err());
    }
}
