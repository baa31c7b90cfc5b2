//! What a step can wait for, and what it gets: one webhook, a tuple of
//! webhooks as a typed union, a list of one webhook, each with a timeout.
//!
//! A response reaches the next step as a `Given` of the run log. A plain
//! response type reads itself from the response; the unions here ask the
//! deserializer, by names that only they use, which registration answered.

use std::marker::PhantomData;
use std::time::Duration;

use px_core::event::Given;
use px_core::wait::{Collected, Registration, WaitMode};
use px_core::{KeyId, Timestamp};
use serde::de::value::U32Deserializer;
use serde::de::{DeserializeOwned, Deserializer, EnumAccess, IntoDeserializer, VariantAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::Value;

/// A webhook and an identifier: what a webhook's `on(identifier)` gives.
#[derive(Debug)]
pub struct On<R> {
    registration: Registration,
    response: PhantomData<fn() -> R>,
}

impl<R> Clone for On<R> {
    fn clone(&self) -> Self {
        Self { registration: self.registration.clone(), response: PhantomData }
    }
}

impl<R> On<R> {
    #[doc(hidden)]
    pub fn registered(slug: &'static str, identifier: String, schema: u64) -> Self {
        let key = KeyId::new(slug, identifier);
        Self { registration: Registration { key, token: None, schema }, response: PhantomData }
    }

    /// Where runs meet runs; there the response has no schema of a webhook.
    pub(crate) fn at(key: KeyId) -> Self {
        Self { registration: Registration { key, token: None, schema: 0 }, response: PhantomData }
    }

    /// Takes only events that bring this token, by `?token=` or by the handler.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.registration.token = Some(token.into());
        self
    }
}

mod sealed {
    pub trait Sealed {}
}

/// Something that a step can wait for.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing that a step can wait for",
    label = "not a webhook",
    note = "wait for a webhook by its `on` function: `wait_for(state, slack::on(thread))`",
    note = "for the first of several write a tuple, `(slack::on(thread), twilio::on(phone))`, or a `Vec` of one kind"
)]
pub trait Waits: sealed::Sealed {
    /// What the next step is given.
    type Response;

    #[doc(hidden)]
    fn registrations(self) -> Vec<Registration>;
}

impl<R> sealed::Sealed for On<R> {}
impl<R> Waits for On<R> {
    type Response = R;

    fn registrations(self) -> Vec<Registration> {
        vec![self.registration]
    }
}

impl<R> sealed::Sealed for Vec<On<R>> {}
impl<R> Waits for Vec<On<R>> {
    type Response = Picked<R>;

    fn registrations(self) -> Vec<Registration> {
        self.into_iter().map(|on| on.registration).collect()
    }
}

/// The response of a wait on a list, with the place in the list that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picked<R> {
    /// Which entry of the list, from 0.
    pub index: usize,
    /// Its response.
    pub response: R,
}

/// The outcome of a wait with a timeout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Timed<R> {
    /// The response came in time.
    Answered(R),
    /// It did not.
    TimedOut,
}

/// The names by which the types here ask for more than the response.
const TIMED: &str = "$px::Timed";
const ONE_OF: &str = "$px::OneOf";
pub(crate) const ALL: &str = "$px::All";
pub(crate) const PARTLY: &str = "$px::Partly";

macro_rules! one_of {
    ($(#[$doc:meta])* $name:ident { $($index:tt $variant:ident: $type:ident),+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $name<$($type),+> {
            $(
                #[doc = concat!("The response of entry ", stringify!($index), " of the tuple, from 0.")]
                $variant($type),
            )+
        }

        impl<$($type),+> sealed::Sealed for ($(On<$type>,)+) {}
        impl<$($type),+> Waits for ($(On<$type>,)+) {
            type Response = $name<$($type),+>;

            fn registrations(self) -> Vec<Registration> {
                vec![$(self.$index.registration),+]
            }
        }

        impl<'de, $($type: Deserialize<'de>),+> Deserialize<'de> for $name<$($type),+> {
            fn deserialize<De: Deserializer<'de>>(deserializer: De) -> Result<Self, De::Error> {
                struct Union<$($type),+>(PhantomData<fn() -> ($($type,)+)>);
                impl<'de, $($type: Deserialize<'de>),+> Visitor<'de> for Union<$($type),+> {
                    type Value = $name<$($type),+>;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("the response of one of several webhooks")
                    }

                    fn visit_enum<Access: EnumAccess<'de>>(self, access: Access) -> Result<Self::Value, Access::Error> {
                        let (index, response) = access.variant::<u32>()?;
                        match index {
                            $($index => response.newtype_variant().map($name::$variant),)+
                            _ => Err(serde::de::Error::custom(format_args!(
                                "the wait has no entry {index}"
                            ))),
                        }
                    }
                }
                deserializer.deserialize_enum(ONE_OF, &[], Union(PhantomData))
            }
        }
    };
}

one_of!(
    /// The response of one of two webhooks.
    Either { 0 Left: A, 1 Right: B }
);
one_of!(
    /// The response of one of three webhooks.
    OneOf3 { 0 First: A, 1 Second: B, 2 Third: C }
);
one_of!(
    /// The response of one of four webhooks.
    OneOf4 { 0 First: A, 1 Second: B, 2 Third: C, 3 Fourth: D }
);

impl<'de, R: Deserialize<'de>> Deserialize<'de> for Picked<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<R>(PhantomData<fn() -> R>);
        impl<'de, R: Deserialize<'de>> Visitor<'de> for List<R> {
            type Value = Picked<R>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the response of one entry of a list")
            }

            fn visit_enum<Access: EnumAccess<'de>>(
                self,
                access: Access,
            ) -> Result<Self::Value, Access::Error> {
                let (index, response) = access.variant::<u32>()?;
                Ok(Picked { index: index as usize, response: response.newtype_variant()? })
            }
        }
        deserializer.deserialize_enum(ONE_OF, &[], List(PhantomData))
    }
}

impl<'de, R: Deserialize<'de>> Deserialize<'de> for Timed<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InTime<R>(PhantomData<fn() -> R>);
        impl<'de, R: Deserialize<'de>> Visitor<'de> for InTime<R> {
            type Value = Timed<R>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a response, or that none came in time")
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
                R::deserialize(deserializer).map(Timed::Answered)
            }

            fn visit_none<E>(self) -> Result<Self::Value, E> {
                Ok(Timed::TimedOut)
            }
        }
        deserializer.deserialize_newtype_struct(TIMED, InTime(PhantomData))
    }
}

/// Reads a response from what the run log gives.
pub(crate) fn decode<R: DeserializeOwned>(given: Given) -> Result<R, serde_json::Error> {
    R::deserialize(FromGiven(given))
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

/// What a step asked to wait for, before the engine gives it an id and a time.
#[derive(Debug, Clone)]
pub struct WaitRequest {
    /// What to listen to.
    pub registrations: Vec<Registration>,
    /// When the wait ends by itself.
    pub timeout: Option<Duration>,
    /// When the wait ends by itself, as a point in time.
    pub until: Option<Timestamp>,
    /// Whether it leaves alone what was queued before it.
    pub fresh: bool,
    /// When it has what it needs.
    pub mode: WaitMode,
}

impl WaitRequest {
    pub(crate) fn new(registrations: Vec<Registration>) -> Self {
        Self { registrations, timeout: None, until: None, fresh: false, mode: WaitMode::Any }
    }

    pub(crate) fn timeout(self, after: Duration) -> Self {
        Self { timeout: Some(after), ..self }
    }

    pub(crate) fn fresh(self) -> Self {
        Self { fresh: true, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
