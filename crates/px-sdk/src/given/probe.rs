//! A look at a type of a response: some read from the response alone, others ask which
//! registration answered, or if one did in time.

use std::cell::Cell;

use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;

use super::{ALL, JsonError, ONE_OF, PARTLY, PICKED, TIMED};

/// Returns true if a type asks for more than the response: then a value of it is
/// read back only if it is kept whole.
pub(crate) fn asks_for_more<R: DeserializeOwned>() -> bool {
    let asked = Cell::new(false);
    // It reads nothing, so what comes of it does not count.
    let _ = R::deserialize(Probe(&asked));
    asked.get()
}

/// Notes that one of the names was asked for, and gives nothing.
struct Probe<'a>(&'a Cell<bool>);

impl Probe<'_> {
    fn note(&self, name: &str) -> JsonError {
        if [TIMED, ONE_OF, ALL, PARTLY, PICKED].contains(&name) {
            self.0.set(true);
        }
        JsonError::custom("nothing is there")
    }
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = JsonError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, JsonError> {
        Err(self.note(""))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        self.note(name);
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, JsonError> {
        Err(self.note(name))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, JsonError> {
        Err(self.note(name))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}
