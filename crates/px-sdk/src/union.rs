//! Waits on several webhooks that differ in their response: a tuple of them, or
//! an enum of the user's, whose variants name them.

use std::marker::PhantomData;

use px_core::wait::Registration;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, VariantAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::given::ONE_OF;
use crate::wait::{On, Waits, sealed};

/// An enum with one variant for each webhook that a step waits for, in order.
/// Derived: see the macro of the same name.
pub trait OneOf: Sized {
    /// Names of its variants, by which plain JSON says the entry.
    #[doc(hidden)]
    const VARIANTS: &'static [&'static str];

    /// Reads the response of entry `index` of the wait.
    ///
    /// # Errors
    /// There is no such entry, or the response does not fit it.
    #[doc(hidden)]
    fn read<'de, A: VariantAccess<'de>>(index: u32, response: A) -> Result<Self, A::Error>;
}

/// Reads a union from what answered the wait, or from the JSON that `#[derive(Serialize)]`
/// writes of it: `{"Slack": …}`.
///
/// # Errors
/// The response does not fit.
#[doc(hidden)]
pub fn read_one_of<'de, T: OneOf, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Read<T>(PhantomData<fn() -> T>);
    impl<'de, T: OneOf> Visitor<'de> for Read<T> {
        type Value = T;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the response of one of several webhooks")
        }

        fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<T, A::Error> {
            let (index, response) = access.variant_seed(Entry(T::VARIANTS))?;
            T::read(index, response)
        }
    }
    deserializer.deserialize_enum(ONE_OF, T::VARIANTS, Read(PhantomData))
}

/// Reads which entry it is: a number from a wait, a name from JSON.
struct Entry(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Entry {
    type Value = u32;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u32, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Entry {
    type Value = u32;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an entry of a wait, or the name of a variant")
    }

    fn visit_u64<E: Error>(self, index: u64) -> Result<u32, E> {
        u32::try_from(index).map_err(|_| no_entry(u32::MAX))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<u32, E> {
        let index = self.0.iter().position(|variant| *variant == name);
        let index = index.and_then(|index| u32::try_from(index).ok());
        index.ok_or_else(|| E::unknown_variant(name, self.0))
    }
}

/// Says that a wait has fewer entries than the one that answered it.
#[doc(hidden)]
pub fn no_entry<E: Error>(index: u32) -> E {
    E::custom(format_args!("the wait has no entry {index}"))
}

/// Several webhooks whose responses are the variants of `R`: what the `on`
/// function of an enum that derives `OneOf` gives.
#[derive(Debug)]
pub struct Union<R> {
    registrations: Vec<Registration>,
    response: PhantomData<fn() -> R>,
}

impl<R: OneOf> Union<R> {
    #[doc(hidden)]
    #[must_use]
    pub fn new() -> Self {
        Self { registrations: Vec::new(), response: PhantomData }
    }

    #[doc(hidden)]
    #[must_use]
    pub fn and<T>(mut self, on: On<T>) -> Self {
        self.registrations.push(on.registration);
        self
    }
}

impl<R> sealed::Sealed for Union<R> {}
impl<R> Waits for Union<R> {
    type Response = R;

    fn registrations(self) -> Vec<Registration> {
        self.registrations
    }
}

macro_rules! one_of {
    ($(#[$doc:meta])* $name:ident { $($index:tt $variant:ident: $type:ident),+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename = "$px::OneOf", rename_all = "camelCase")]
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
    };
}

one_of!(
    /// The response of one of two webhooks.
    ///
    /// In a state it is `{"left": …}` or `{"right": …}`.
    Either { 0 Left: A, 1 Right: B }
);
one_of!(
    /// The response of one of three webhooks.
    ///
    /// In a state it is `{"first": …}`, `{"second": …}` or `{"third": …}`.
    OneOf3 { 0 First: A, 1 Second: B, 2 Third: C }
);
one_of!(
    /// The response of one of four webhooks.
    ///
    /// In a state it is `{"first": …}`, and so on to `{"fourth": …}`.
    OneOf4 { 0 First: A, 1 Second: B, 2 Third: C, 3 Fourth: D }
);
