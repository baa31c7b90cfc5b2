//! Handlers of webhooks: the forms that a function may have.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use px_verify::Received;

use super::Asked;
use crate::error::Result;
use crate::inbound::{IntoInbounds, RawInbound};
use crate::resource::Resources;

mod sealed {
    pub trait Sealed<M> {}
}

/// A webhook's handler: `async fn(P) -> Result<Inbound<R>>`, with the whole
/// request, `async fn(&Received, P) -> …`, with the resources that the webhook
/// needs, `async fn(&Resources, P) -> …`, or with both, resources first. It may
/// return a `Vec` of [`Inbound`](crate::Inbound) for a request that carries
/// several events.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot handle this webhook",
    label = "not a handler for the payload `{P}` and the response `{R}`",
    note = "write `async fn handler(payload: {P}) -> px::Result<px::Inbound<{R}>>`",
    note = "or, to see the request, `async fn handler(received: &px::Received, payload: {P}) -> px::Result<px::Inbound<{R}>>`",
    note = "or, with `needs = (..)` behind it, `async fn handler(resources: &px::Resources, payload: {P}) -> px::Result<px::Inbound<{R}>>`"
)]
pub trait Handler<P, R, M>: sealed::Sealed<(P, R, M)> + Send + Sync + 'static {
    #[doc(hidden)]
    fn call(
        &self,
        asked: Arc<Asked>,
        payload: P,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<RawInbound>>> + Send + '_>>;
}

#[doc(hidden)]
#[derive(Debug)]
pub struct TakesPayload;
#[doc(hidden)]
#[derive(Debug)]
pub struct TakesReceived;
#[doc(hidden)]
#[derive(Debug)]
pub struct TakesResources;
#[doc(hidden)]
#[derive(Debug)]
pub struct TakesBoth;

impl<F, Fut, O, P, R> sealed::Sealed<(P, R, (TakesPayload, O))> for F
where
    F: Fn(P) -> Fut,
    Fut: Future<Output = Result<O>>,
{
}

impl<F, Fut, O, P, R> Handler<P, R, (TakesPayload, O)> for F
where
    F: Fn(P) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O>> + Send + 'static,
    O: IntoInbounds<R>,
    P: Send + 'static,
{
    fn call(
        &self,
        _asked: Arc<Asked>,
        payload: P,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<RawInbound>>> + Send + '_>> {
        let future = self(payload);
        Box::pin(async move { future.await?.into_raw() })
    }
}

/// A handler that borrows what `M` says: one lifetime's worth of it.
#[doc(hidden)]
pub trait Borrowing<'a, P, R, M>: Send + Sync + 'static {
    fn call(
        &self,
        asked: &'a Asked,
        payload: P,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<RawInbound>>> + Send + 'a>>;
}

/// The handlers that borrow: what each takes before the payload, and where that is.
macro_rules! borrowing {
    ($($marker:ident: $($field:ident: $taken:ty),+;)+) => {$(
        impl<'a, F, Fut, O, P, R> Borrowing<'a, P, R, $marker> for F
        where
            F: Fn($(&'a $taken,)+ P) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Result<O>> + Send + 'a,
            O: IntoInbounds<R>,
            P: Send + 'static,
        {
            fn call(
                &self,
                asked: &'a Asked,
                payload: P,
            ) -> Pin<Box<dyn Future<Output = Result<Vec<RawInbound>>> + Send + 'a>> {
                let future = self($(&asked.$field,)+ payload);
                Box::pin(async move { future.await?.into_raw() })
            }
        }

        impl<F, P, R> sealed::Sealed<(P, R, $marker)> for F where F: for<'a> Borrowing<'a, P, R, $marker> {}

        impl<F, P, R> Handler<P, R, $marker> for F
        where
            F: for<'a> Borrowing<'a, P, R, $marker>,
            P: Send + 'static,
        {
            fn call(
                &self,
                asked: Arc<Asked>,
                payload: P,
            ) -> Pin<Box<dyn Future<Output = Result<Vec<RawInbound>>> + Send + '_>> {
                Box::pin(async move { Borrowing::<'_, P, R, $marker>::call(self, &asked, payload).await })
            }
        }
    )+};
}

borrowing! {
    TakesReceived: received: Received;
    TakesResources: resources: Resources;
    TakesBoth: resources: Resources, received: Received;
}
