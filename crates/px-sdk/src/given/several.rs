//! Reading of the responses of a wait that needs several: a tuple asks for them
//! by registration, a list in the order of receipt, and each may ask for the key
//! that it came for. Tests are in [`crate::collect`].

use px_core::wait::Collected;
use serde::de::value::SeqDeserializer;
use serde::de::{Deserializer, IntoDeserializer, VariantAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Value;

use super::{JsonError, PICKED, picked};

/// The responses of a wait that needs several: a tuple asks for them by
/// registration, a list in the order of receipt.
pub(super) struct FromCollected(pub(super) Vec<Collected>);

impl<'de> Deserializer<'de> for FromCollected {
    type Error = JsonError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        let mut responses = SeqDeserializer::new(self.0.into_iter().map(|one| FromOne(Some(one))));
        let read = visitor.visit_seq(&mut responses)?;
        responses.end().map(|()| read)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, JsonError> {
        let mut responses: Vec<FromOne> = std::iter::repeat_with(|| FromOne(None)).take(length).collect();
        for one in self.0 {
            if let Some(place) = responses.get_mut(one.index as usize) {
                *place = FromOne(Some(one));
            }
        }
        visitor.visit_seq(SeqDeserializer::new(responses.into_iter()))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple_struct map struct enum identifier ignored_any
    }
}

/// One of several responses; `None` has not come.
struct FromOne(Option<Collected>);

impl FromOne {
    fn response(self) -> Value {
        self.0.map_or(Value::Null, |one| one.response)
    }
}

impl<'de> IntoDeserializer<'de, JsonError> for FromOne {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for FromOne {
    type Error = JsonError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.response().deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match &self.0 {
            Some(one) if !one.response.is_null() => visitor.visit_some(self),
            _ => visitor.visit_none(),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        self.response().deserialize_newtype_struct(name, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        match self.0 {
            Some(one) if name == PICKED => {
                picked(one.index, one.key.as_ref(), one.response).deserialize_struct(name, fields, visitor)
            }
            _ => self.response().deserialize_struct(name, fields, visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        self.response().deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

impl<'de> VariantAccess<'de> for FromCollected {
    type Error = JsonError;

    fn unit_variant(self) -> Result<(), JsonError> {
        Ok(())
    }

    fn newtype_variant_seed<T: serde::de::DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, JsonError> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, JsonError> {
        self.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        self.deserialize_any(visitor)
    }
}
