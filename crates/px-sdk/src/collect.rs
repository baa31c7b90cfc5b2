//! Waits that need several responses: one of each webhook of a tuple, or so
//! many of a kind, from different senders if need be.

use std::marker::PhantomData;
use std::time::Duration;

use px_core::wait::{Registration, WaitMode};
use serde::Deserialize;
use serde::de::{Deserializer, EnumAccess, VariantAccess, Visitor};

use crate::given::{ALL, PARTLY};
use crate::wait::{On, WaitRequest, Waits};

/// The step is done; the next one runs with this state and all the responses
/// `R`. Made by [`wait_for_all`] and [`wait_for_count`].
#[must_use = "a wait is opened only if the step returns it"]
#[derive(Debug)]
pub struct Collecting<S, R> {
    state: S,
    request: WaitRequest,
    response: PhantomData<fn() -> R>,
}

/// All the responses: a tuple in the order of the webhooks, or a `Vec` in the
/// order of their receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct All<T>(pub T);

/// The responses of a wait with a timeout: all of them, or what had come by
/// then. A tuple has `None` for those that had not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Partly<T, P> {
    /// All came in time.
    Complete(T),
    /// The time was up first.
    TimedOut(P),
}

/// Parks the run until each webhook of a tuple has answered:
/// `wait_for_all(state, (slack::on(thread), mail::on(address)))`.
pub fn wait_for_all<S, W: WaitsForAll>(state: S, on: W) -> Collecting<S, All<W::Responses>> {
    Collecting::new(state, on.registrations(), WaitMode::All)
}

/// Parks the run until so many responses have come, by one webhook or by any
/// of a `Vec`: `wait_for_count(state, 2, approve::on(request))`.
pub fn wait_for_count<S, R>(state: S, need: u32, on: impl Into<Several<R>>) -> Collecting<S, All<Vec<R>>> {
    Collecting::new(state, on.into().0, WaitMode::Count { need: need.max(1), distinct_by: None })
}

/// Webhooks whose responses [`wait_for_count`] counts.
#[derive(Debug)]
pub struct Several<R>(Vec<Registration>, PhantomData<fn() -> R>);

impl<R> From<On<R>> for Several<R> {
    fn from(on: On<R>) -> Self {
        Self(on.registrations(), PhantomData)
    }
}

impl<R> From<Vec<On<R>>> for Several<R> {
    fn from(list: Vec<On<R>>) -> Self {
        Self(list.registrations(), PhantomData)
    }
}

impl<S, R> Collecting<S, R> {
    fn new(state: S, registrations: Vec<Registration>, mode: WaitMode) -> Self {
        let request = WaitRequest { mode, ..WaitRequest::new(registrations) };
        Self { state, request, response: PhantomData }
    }

    /// Leaves alone what was queued before the wait was opened (docs/rules.md#6).
    pub fn fresh(self) -> Self {
        Self { request: self.request.fresh(), ..self }
    }

    pub(crate) fn into_parts(self) -> (S, WaitRequest) {
        (self.state, self.request)
    }
}

impl<S, R> Collecting<S, All<Vec<R>>> {
    /// Counts a response only if what stands at this JSON pointer in it differs
    /// from all before it: `"/approver"` asks for different approvers.
    pub fn distinct_by(mut self, pointer: impl Into<String>) -> Self {
        if let WaitMode::Count { distinct_by, .. } = &mut self.request.mode {
            *distinct_by = Some(pointer.into());
        }
        self
    }

    /// Ends the wait after this time, with the responses that have come by then.
    pub fn timeout(self, after: Duration) -> Collecting<S, Partly<Vec<R>, Vec<R>>> {
        Collecting { state: self.state, request: self.request.timeout(after), response: PhantomData }
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A tuple of webhooks, each of which has to answer.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no tuple of webhooks",
    label = "not a tuple of webhooks",
    note = "to wait for several webhooks write a tuple: `wait_for_all(state, (slack::on(thread), mail::on(address)))`",
    note = "to wait for several responses of one webhook: `wait_for_count(state, 2, slack::on(thread))`"
)]
pub trait WaitsForAll: Waits + sealed::Sealed {
    /// The responses, one a webhook.
    type Responses;
}

macro_rules! tuple {
    ($($type:ident),+) => {
        impl<$($type),+> sealed::Sealed for ($(On<$type>,)+) {}
        impl<$($type),+> WaitsForAll for ($(On<$type>,)+) {
            type Responses = ($($type,)+);
        }

        impl<S, $($type),+> Collecting<S, All<($($type,)+)>> {
            /// Ends the wait after this time, with the responses that have come by then.
            pub fn timeout(
                self,
                after: Duration,
            ) -> Collecting<S, Partly<($($type,)+), ($(Option<$type>,)+)>> {
                Collecting { state: self.state, request: self.request.timeout(after), response: PhantomData }
            }
        }
    };
}

tuple!(A, B);
tuple!(A, B, C);
tuple!(A, B, C, D);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for All<T> {
    fn deserialize<De: Deserializer<'de>>(deserializer: De) -> Result<Self, De::Error> {
        struct Responses<T>(PhantomData<fn() -> T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Responses<T> {
            type Value = All<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("all responses of a wait")
            }

            fn visit_newtype_struct<De: Deserializer<'de>>(self, responses: De) -> Result<All<T>, De::Error> {
                T::deserialize(responses).map(All)
            }
        }
        deserializer.deserialize_newtype_struct(ALL, Responses(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>, P: Deserialize<'de>> Deserialize<'de> for Partly<T, P> {
    fn deserialize<De: Deserializer<'de>>(deserializer: De) -> Result<Self, De::Error> {
        struct Responses<T, P>(PhantomData<fn() -> (T, P)>);
        impl<'de, T: Deserialize<'de>, P: Deserialize<'de>> Visitor<'de> for Responses<T, P> {
            type Value = Partly<T, P>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the responses of a wait, or what there was of them")
            }

            fn visit_enum<Access: EnumAccess<'de>>(
                self,
                access: Access,
            ) -> Result<Self::Value, Access::Error> {
                let (timed_out, responses) = access.variant::<u32>()?;
                if timed_out == 0 {
                    responses.newtype_variant().map(Partly::Complete)
                } else {
                    responses.newtype_variant().map(Partly::TimedOut)
                }
            }
        }
        deserializer.deserialize_enum(PARTLY, &[], Responses(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use px_core::event::Given;
    use px_core::wait::Collected;
    use serde_json::json;

    use super::*;
    use crate::given::decode;

    #[derive(Debug, PartialEq, Deserialize)]
    struct A {
        a: u32,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct B {
        b: u32,
    }

    fn given(collected: &[(u32, serde_json::Value)], is_complete: bool) -> Given {
        let collected: Vec<_> = collected
            .iter()
            .map(|(index, response)| Collected { index: *index, response: response.clone() })
            .collect();
        let last = collected.last().map(|one| one.response.clone()).filter(|_| is_complete);
        Given { response: last, collected, ..Given::timed_out() }
    }

    #[test]
    fn a_tuple_is_in_the_order_of_the_webhooks_whatever_came_first() {
        let both = given(&[(1, json!({"b": 2})), (0, json!({"a": 1}))], true);
        assert_eq!(decode::<All<(A, B)>>(both.clone()).unwrap(), All((A { a: 1 }, B { b: 2 })));
        type WithTimeout = Partly<(A, B), (Option<A>, Option<B>)>;
        assert_eq!(decode::<WithTimeout>(both).unwrap(), Partly::Complete((A { a: 1 }, B { b: 2 })));
        let one = given(&[(1, json!({"b": 2}))], false);
        assert_eq!(decode::<WithTimeout>(one).unwrap(), Partly::TimedOut((None, Some(B { b: 2 }))));
    }

    #[test]
    fn a_list_is_in_the_order_of_receipt() {
        let two = given(&[(0, json!({"a": 2})), (0, json!({"a": 1}))], true);
        assert_eq!(decode::<All<Vec<A>>>(two).unwrap(), All(vec![A { a: 2 }, A { a: 1 }]));
        let none = given(&[], false);
        assert_eq!(decode::<Partly<Vec<A>, Vec<A>>>(none).unwrap(), Partly::TimedOut(vec![]));
    }
}
