//! Waits that need several responses: one of each webhook of a tuple, or so
//! many of a kind, from different senders if need be.

use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::time::Duration;

use px_core::Timestamp;
use px_core::wait::{Registration, WaitMode};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::wait::{On, Picked, WaitRequest, Waits};

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
///
/// In a state it is the list of them alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "$px::All")]
pub struct All<T>(pub T);

/// The responses of a wait with a timeout: all of them, or what had come by
/// then. A tuple has `None` for those that had not.
///
/// In a state it is `{"complete": …}` or `{"timedOut": …}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "$px::Partly", rename_all = "camelCase")]
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
    let mode = WaitMode::Count { need: need.max(1), distinct_by: None, by_registration: false };
    Collecting::new(state, on.into().0, mode)
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
        self.with(WaitRequest::fresh)
    }

    fn with(self, request: impl FnOnce(WaitRequest) -> WaitRequest) -> Self {
        Self { request: request(self.request), ..self }
    }

    fn of<Q>(self) -> Collecting<S, Q> {
        Collecting { state: self.state, request: self.request, response: PhantomData }
    }

    /// Gives up the state and the wait.
    ///
    /// # Errors
    /// The wait could never be complete.
    pub(crate) fn into_parts(self) -> Result<(S, WaitRequest)> {
        let (state, request) = self.into_state_and_wait();
        Ok((state, request?))
    }

    /// The same, with the state in any case.
    pub(crate) fn into_state_and_wait(self) -> (S, Result<WaitRequest>) {
        // Two of one key and token are one: what comes there is the first one's each time.
        let of_one = |one: &Registration| (one.key.clone(), one.token.clone());
        let there: BTreeSet<_> = self.request.registrations.iter().map(of_one).collect();
        let (there, named) = (there.len(), self.request.registrations.len());
        let request = match self.request.mode {
            WaitMode::Count { need, by_registration: true, .. } if need as usize > there => {
                Err(Error::permanent(format_args!(
                    "the wait needs {need} responses and counts one for each registration, of which there are \
                     {there}: give `wait_for_count` a list of at least {need}, or leave out \
                     `.distinct_by_registration()`"
                )))
            }
            WaitMode::All if there < named => Err(Error::permanent(format_args!(
                "the wait needs a response for each of {named} registrations, and {} of them are the same webhook \
                 with the same identifier and token as another, so that only the first would be answered: name \
                 each once",
                named - there
            ))),
            _ => Ok(self.request),
        };
        (self.state, request)
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

    /// Counts one response of each registration and no second one: where each voter has a form or an
    /// identifier of their own, one vote a form. The list has to be as long as the number needed.
    pub fn distinct_by_registration(mut self) -> Self {
        if let WaitMode::Count { by_registration, .. } = &mut self.request.mode {
            *by_registration = true;
        }
        self
    }

    /// Ends the wait after this time, with the responses that have come by then.
    pub fn timeout(self, after: Duration) -> Collecting<S, Partly<Vec<R>, Vec<R>>> {
        self.with(|request| request.timeout(after)).of()
    }

    /// Ends the wait at this point in time, with the responses that have come by then.
    pub fn deadline(self, at: Timestamp) -> Collecting<S, Partly<Vec<R>, Vec<R>>> {
        self.with(|request| request.until(at)).of()
    }

    /// Gives each response with the registration that it came for.
    pub fn picked(self) -> Collecting<S, All<Vec<Picked<R>>>> {
        self.with(WaitRequest::picked).of()
    }
}

/// Responses, each with the registration that it came for.
type Picks<R> = Vec<Picked<R>>;

impl<S, T, P> Collecting<S, Partly<T, P>> {
    /// Ends the wait at this point in time, if it has not ended by then: the earlier of both counts.
    pub fn no_later_than(self, at: Timestamp) -> Self {
        self.with(|request| request.until(at))
    }

    /// Ends the wait after this time, if it has not ended by then: the earlier of both counts.
    pub fn no_longer_than(self, after: Duration) -> Self {
        self.with(|request| request.timeout(after))
    }
}

impl<S, R> Collecting<S, Partly<Vec<R>, Vec<R>>> {
    /// Gives each response with the registration that it came for.
    pub fn picked(self) -> Collecting<S, Partly<Picks<R>, Picks<R>>> {
        self.with(WaitRequest::picked).of()
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
                self.with(|request| request.timeout(after)).of()
            }

            /// Ends the wait at this point in time, with the responses that have come by then.
            pub fn deadline(
                self,
                at: Timestamp,
            ) -> Collecting<S, Partly<($($type,)+), ($(Option<$type>,)+)>> {
                self.with(|request| request.until(at)).of()
            }

            /// Gives each response with the registration that it came for.
            pub fn picked(self) -> Collecting<S, All<($(Picked<$type>,)+)>> {
                self.with(WaitRequest::picked).of()
            }
        }

        impl<S, $($type),+> Collecting<S, Partly<($($type,)+), ($(Option<$type>,)+)>> {
            /// Gives each response with the registration that it came for.
            pub fn picked(
                self,
            ) -> Collecting<S, Partly<($(Picked<$type>,)+), ($(Option<Picked<$type>>,)+)>> {
                self.with(WaitRequest::picked).of()
            }
        }
    };
}

tuple!(A, B);
tuple!(A, B, C);
tuple!(A, B, C, D);

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
            .map(|(index, response)| Collected { index: *index, response: response.clone(), key: None })
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
    fn each_says_the_key_that_it_came_for() {
        let key = |slug| Some(px_core::KeyId::new(slug, "7"));
        let collected = vec![
            Collected { index: 1, response: json!({"b": 2}), key: key("second") },
            Collected { index: 0, response: json!({"a": 1}), key: key("first") },
        ];
        let both =
            Given { response: Some(json!({"a": 1})), collected: collected.clone(), ..Given::timed_out() };
        let All((a, b)) = decode::<All<(Picked<A>, Picked<B>)>>(both).unwrap();
        assert_eq!((&*a.slug, &*a.identifier, a.index, a.response), ("first", "7", 0, A { a: 1 }));
        assert_eq!((&*b.slug, &*b.identifier, b.index, b.response), ("second", "7", 1, B { b: 2 }));

        type Some2 = Partly<(Picked<A>, Picked<B>), (Option<Picked<A>>, Option<Picked<B>>)>;
        let one = Given { collected: collected.into_iter().take(1).collect(), ..Given::timed_out() };
        let Partly::TimedOut((None, Some(b))) = decode::<Some2>(one).unwrap() else { panic!("it was one") };
        assert_eq!((&*b.slug, b.response), ("second", B { b: 2 }));
    }

    #[test]
    fn a_list_is_in_the_order_of_receipt() {
        let two = given(&[(0, json!({"a": 2})), (0, json!({"a": 1}))], true);
        assert_eq!(decode::<All<Vec<A>>>(two).unwrap(), All(vec![A { a: 2 }, A { a: 1 }]));
        let none = given(&[], false);
        assert_eq!(decode::<Partly<Vec<A>, Vec<A>>>(none).unwrap(), Partly::TimedOut(vec![]));
    }
}
