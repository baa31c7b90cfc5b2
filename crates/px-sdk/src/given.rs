//! Reading of a response type from what the run log gives: a plain type
//! from the response, the types of waits by which registration answered. They ask
//! for the latter by names that only they use; whoever reads plain JSON passes over
//! these names, so the same types are written and read as JSON in a state.

mod probe;
mod several;

use px_core::KeyId;
use px_core::event::Given;
use px_core::wait::Collected;
use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeOwned, Deserializer, EnumAccess, Error as _, IntoDeserializer, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Value, json};

use crate::read;

pub(crate) use probe::asks_for_more;
use several::FromCollected;

/// The names by which the types of waits ask for more than the response.
const TIMED: &str = "$px::Timed";
pub(crate) const ONE_OF: &str = "$px::OneOf";
const ALL: &str = "$px::All";
const PARTLY: &str = "$px::Partly";
const PICKED: &str = "$px::Picked";

/// Reads a response from what the run log gives.
pub(crate) fn decode<R: DeserializeOwned>(given: Given) -> Result<R, serde_json::Error> {
    if given.whole {
        // A `null` is stored as if there were none.
        return read::leniently(given.response.unwrap_or_default(), serde_json::from_value);
    }
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
            .ok_or_else(|| JsonError::custom("the wait timed out, and the step expects a response"))
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
        self.response()?.deserialize_newtype_struct(name, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        if name != PICKED {
            return self.response()?.deserialize_struct(name, fields, visitor);
        }
        let (index, key) = (self.0.index, self.0.key.clone().or_else(|| self.0.place.clone()));
        picked(index, key.as_ref(), self.response()?).deserialize_struct(name, fields, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        let timed_out = u32::from(self.0.response.is_none());
        match name {
            TIMED => visitor.visit_enum(Outcome { timed_out, response: self }),
            ONE_OF => visitor.visit_enum(self),
            PARTLY => {
                let response = FromCollected(self.0.collected);
                visitor.visit_enum(Outcome { timed_out, response })
            }
            _ => self.response()?.deserialize_enum(name, variants, visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

/// A [`Picked`](crate::Picked) as JSON. Logs of older versions do not say the key of an answer by hand.
fn picked(index: u32, key: Option<&KeyId>, response: Value) -> Value {
    let (slug, identifier) = key.map_or(("", ""), |key| (&key.slug, &key.identifier));
    json!({ "index": index, "slug": slug, "identifier": identifier, "response": response })
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
        // What is timed may itself ask which registration answered.
        seed.deserialize(self)
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

/// What came in time (variant 0), or what there is if it did not (variant 1).
struct Outcome<D> {
    timed_out: u32,
    response: D,
}

impl<'de, D: VariantAccess<'de, Error = JsonError>> EnumAccess<'de> for Outcome<D> {
    type Error = JsonError;
    type Variant = D;

    fn variant_seed<V: serde::de::DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, D), JsonError> {
        let variant: U32Deserializer<JsonError> = self.timed_out.into_deserializer();
        Ok((seed.deserialize(variant)?, self.response))
    }
}

#[cfg(test)]
mod tests {
    use px_core::event::Given;
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::{Either, Picked, Timed};
    use serde_json::json;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
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
        let key = KeyId::new("votes", "7");
        let read = |given: Given| {
            let picked = decode::<Picked<A>>(given).unwrap();
            (picked.index, picked.slug, picked.identifier, picked.response)
        };
        let one = given(3, Some(json!({"a": 1})));
        let expected = (3, "votes".to_owned(), "7".to_owned(), A { a: 1 });
        assert_eq!(read(Given { key: Some(key.clone()), ..one.clone() }), expected);
        assert_eq!(read(Given { place: Some(key), ..one.clone() }), expected);
        // As logs of older versions have it.
        assert_eq!(read(one), (3, String::new(), String::new(), A { a: 1 }));
    }

    #[test]
    fn a_timeout_around_a_list() {
        let picked = decode::<Timed<Picked<A>>>(given(1, Some(json!({"a": 1.0})))).unwrap();
        assert!(matches!(picked, Timed::Answered(Picked { index: 1, response: A { a: 1 }, .. })));
        assert_eq!(decode::<Timed<Picked<A>>>(given(0, None)).unwrap(), Timed::TimedOut);
    }

    #[test]
    fn types_of_waits_ask_for_more_than_the_response() {
        assert!(!asks_for_more::<A>() && !asks_for_more::<C>() && !asks_for_more::<Option<Vec<A>>>());
        assert!(asks_for_more::<Timed<A>>() && asks_for_more::<Either<A, B>>());
        assert!(asks_for_more::<Picked<A>>() && asks_for_more::<Option<crate::All<(A, B)>>>());
        assert!(asks_for_more::<crate::Partly<(A,), ()>>());
    }

    #[test]
    fn they_are_written_and_read_as_plain_json() {
        fn trip<T: Serialize + DeserializeOwned + std::fmt::Debug + PartialEq>(value: T, json: Value) {
            assert_eq!(serde_json::to_value(&value).unwrap(), json);
            assert_eq!(serde_json::from_str::<T>(&json.to_string()).unwrap(), value);
            assert_eq!(serde_json::from_value::<T>(json.clone()).unwrap(), value);
            assert_eq!(decode::<T>(Given::whole(json)).unwrap(), value);
        }
        let a = || A { a: 1 };
        let one = json!({"a": 1});
        trip(Timed::Answered(a()), json!({"answered": one}));
        trip(Timed::<A>::TimedOut, json!("timedOut"));
        trip(Either::<A, A>::Right(a()), json!({"right": one}));
        trip(Timed::Answered(Either::<A, A>::Left(a())), json!({"answered": {"left": one}}));
        trip(crate::OneOf3::<A, A, A>::Second(a()), json!({"second": one}));
        trip(crate::All((a(), a())), json!([one, one]));
        trip(crate::All(vec![a()]), json!([one]));
        trip(crate::Partly::<(A,), Option<A>>::Complete((a(),)), json!({"complete": [one]}));
        trip(crate::Partly::<(A,), Option<A>>::TimedOut(None), json!({"timedOut": null}));
        let picked = Picked { index: 1, slug: "votes".into(), identifier: "7".into(), response: a() };
        trip(picked, json!({"index": 1, "slug": "votes", "identifier": "7", "response": one}));
    }
}
