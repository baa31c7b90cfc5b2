//! Reading of a response type from what the run log gives: a plain type
//! from the response, the union types by which registration answered. They ask
//! for the latter by names that only they use.

use px_core::event::Given;
use px_core::wait::Collected;
use serde::de::value::U32Deserializer;
use serde::de::{DeserializeOwned, Deserializer, EnumAccess, IntoDeserializer, VariantAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Value;

use crate::read;

/// The names by which the types of waits ask for more than the response.
pub(crate) const TIMED: &str = "$px::Timed";
pub(crate) const ONE_OF: &str = "$px::OneOf";
pub(crate) const ALL: &str = "$px::All";
pub(crate) const PARTLY: &str = "$px::Partly";

/// Reads a response from what the run log gives.
pub(crate) fn decode<R: DeserializeOwned>(given: Given) -> Result<R, serde_json::Error> {
    // An answer by hand may write the integer 2 as 2.0.
    let responses = given.response.iter().chain(given.collected.iter().map(|one| &one.response));
    if !responses.into_iter().any(read::has_integral_float) {
        return R::deserialize(FromGiven(given));
    }
    let collected = given.collected.iter().cloned();
    let as_integers = Given {
        response: given.response.clone().map(read::with_integers),
        collected: collected
            .map(|one| Collected { response: read::with_integers(one.response), ..one })
            .collect(),
        ..given.clone()
    };
    R::deserialize(FromGiven(given))
        .or_else(|error| R::deserialize(FromGiven(as_integers)).map_err(|_| error))
}

struct FromGiven(Given);

type JsonError = serde_json::Error;

impl FromGiven {
    fn response(self) -> Result<Value, JsonError> {
        self.0
            .response
            .ok_or_else(|| serde::de::Error::custom("the wait timed out, and the step expects a response"))
    }
}

impl<'de> Deserializer<'de> for FromGiven {
    type Error = JsonError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.response()?.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.response()?.deserialize_option(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        if name == ALL {
            return visitor.visit_newtype_struct(FromCollected(self.0.collected));
        }
        if name != TIMED {
            return self.response()?.deserialize_newtype_struct(name, visitor);
        }
        if self.0.response.is_some() { visitor.visit_some(self) } else { visitor.visit_none() }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        match name {
            ONE_OF => visitor.visit_enum(self),
            PARTLY => visitor.visit_enum(Outcome {
                timed_out: u32::from(self.0.response.is_none()),
                responses: FromCollected(self.0.collected),
            }),
            _ => self.response()?.deserialize_enum(name, variants, visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de> EnumAccess<'de> for FromGiven {
    type Error = JsonError;
    type Variant = Self;

    fn variant_seed<V: serde::de::DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self), JsonError> {
        let index: U32Deserializer<JsonError> = self.0.index.into_deserializer();
        Ok((seed.deserialize(index)?, self))
    }
}

impl<'de> VariantAccess<'de> for FromGiven {
    type Error = JsonError;

    fn unit_variant(self) -> Result<(), JsonError> {
        Ok(())
    }

    fn newtype_variant_seed<T: serde::de::DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, JsonError> {
        seed.deserialize(self.response()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, JsonError> {
        self.response()?.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        self.response()?.deserialize_struct("", fields, visitor)
    }
}

/// The responses of a wait that needs several: a tuple asks for them by
/// registration, a list in the order of receipt.
struct FromCollected(Vec<Collected>);

impl<'de> Deserializer<'de> for FromCollected {
    type Error = JsonError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        let responses = self.0.into_iter().map(|one| one.response).collect();
        Value::Array(responses).deserialize_any(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, JsonError> {
        let mut responses = vec![Value::Null; length];
        for one in self.0 {
            if let Some(place) = responses.get_mut(one.index as usize) {
                *place = one.response;
            }
        }
        Value::Array(responses).deserialize_tuple(length, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple_struct map struct enum identifier ignored_any
    }
}

/// All responses (variant 0), or what there was of them (variant 1).
struct Outcome {
    timed_out: u32,
    responses: FromCollected,
}

impl<'de> EnumAccess<'de> for Outcome {
    type Error = JsonError;
    type Variant = FromCollected;

    fn variant_seed<V: serde::de::DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, FromCollected), JsonError> {
        let variant: U32Deserializer<JsonError> = self.timed_out.into_deserializer();
        Ok((seed.deserialize(variant)?, self.responses))
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

#[cfg(test)]
mod tests {
    use px_core::event::Given;
    use serde::Deserialize;

    use super::*;
    use crate::{Either, Picked, Timed};
    use serde_json::json;

    #[derive(Debug, PartialEq, Deserialize)]
    struct A {
        a: u32,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct B {
        b: String,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case", tag = "kind")]
    enum C {
        One { x: u32 },
        Two,
    }

    fn given(index: u32, response: Option<Value>) -> Given {
        Given { index, response, ..Given::timed_out() }
    }

    #[test]
    fn a_plain_response() {
        assert_eq!(decode::<A>(given(0, Some(json!({"a": 1})))).unwrap(), A { a: 1 });
        assert_eq!(decode::<C>(given(0, Some(json!({"kind": "two"})))).unwrap(), C::Two);
        assert!(decode::<A>(given(0, None)).is_err());
    }

    #[test]
    fn a_union_is_told_apart_by_its_registration_not_by_its_fields() {
        type Union = Either<A, B>;
        assert_eq!(
            decode::<Union>(given(0, Some(json!({"a": 1, "b": "x"})))).unwrap(),
            Either::Left(A { a: 1 })
        );
        let right = decode::<Union>(given(1, Some(json!({"a": 1, "b": "x"})))).unwrap();
        assert_eq!(right, Either::Right(B { b: "x".into() }));
        assert!(decode::<Union>(given(2, Some(json!({})))).is_err());
    }

    #[test]
    fn a_timeout_around_a_union() {
        type Union = Timed<Either<A, C>>;
        assert_eq!(decode::<Union>(given(0, None)).unwrap(), Timed::TimedOut);
        let answered = decode::<Union>(given(1, Some(json!({"kind": "one", "x": 4})))).unwrap();
        assert_eq!(answered, Timed::Answered(Either::Right(C::One { x: 4 })));
    }

    #[test]
    fn a_list_says_which() {
        let picked = decode::<Picked<A>>(given(3, Some(json!({"a": 1})))).unwrap();
        assert_eq!(picked, Picked { index: 3, response: A { a: 1 } });
    }
}
