//! The user's own middleware around one webhook: a `tower` layer, or a plain
//! async function. It runs after px has counted the request and before px reads
//! its body, so it sees what anybody may send; verification comes later.
//!
//! It knows `http` and `tower`, and no server. Tested over real sockets in
//! `px-server/tests/layers.rs`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceExt as _};

/// Any error of a body or a layer.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request or a reply, which may still be coming.
#[derive(Debug)]
pub struct Body(UnsyncBoxBody<Bytes, BoxError>);

impl Body {
    /// A body of another kind, types gone.
    pub fn new<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self(body.map_err(Into::into).boxed_unsync())
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.0.size_hint()
    }
}

/// A request to a webhook, its body unread.
pub type Request = http::Request<Body>;

/// A reply to it.
pub type Response = http::Response<Body>;

/// Service that a layer wraps: the webhook, and the layers within.
#[derive(Debug, Clone)]
pub struct Route(BoxCloneSyncService<Request, Response, BoxError>);

impl Route {
    /// A service, types gone.
    pub fn new<S>(service: S) -> Self
    where
        S: Service<Request, Response = Response, Error = BoxError> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        Self(BoxCloneSyncService::new(service))
    }
}

impl Service<Request> for Route {
    type Response = Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.0.call(request)
    }
}

/// A body that is there already.
#[must_use]
pub fn body(bytes: impl Into<Bytes>) -> Body {
    Body::new(http_body_util::Full::new(bytes.into()))
}

/// A layer, types gone: how a webhook's definition holds it.
#[derive(Clone)]
pub struct Erased(Arc<dyn Fn(Route) -> Route + Send + Sync>);

impl Erased {
    /// Forgets a layer's types.
    pub fn new<L, B>(layer: L) -> Self
    where
        L: Layer<Route> + Send + Sync + 'static,
        L::Service: Service<Request, Response = http::Response<B>> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Error: Into<BoxError>,
        <L::Service as Service<Request>>::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self(Arc::new(move |route| {
            let wrapped = layer.layer(route);
            let wrapped = wrapped.map_response(|response: http::Response<B>| response.map(Body::new));
            Route::new(wrapped.map_err(Into::into))
        }))
    }

    /// `route` within this layer.
    #[must_use]
    pub fn around(&self, route: Route) -> Route {
        (self.0)(route)
    }
}

impl fmt::Debug for Erased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Erased").finish_non_exhaustive()
    }
}

/// The rest of the way in, for a function that [`from_fn`] makes a layer of.
#[derive(Debug)]
pub struct Next(Route);

impl Next {
    /// Goes on with this request, and answers what the webhook answers.
    ///
    /// # Errors
    /// A layer further in failed; the sender is told to come back.
    pub async fn run(self, request: Request) -> Result<Response, BoxError> {
        self.0.oneshot(request).await
    }
}

/// A layer of an async function of the request and what comes next.
///
/// ```
/// use px_sdk::layer::{self, BoxError, Next, Request, Response};
///
/// /// Lets in who names our tenant.
/// async fn tenant(request: Request, next: Next) -> Result<Response, BoxError> {
///     if request.headers().get("x-tenant").is_none_or(|tenant| tenant != "acme") {
///         return Ok(http::Response::builder().status(403).body(layer::body("who are you?"))?);
///     }
///     next.run(request).await
/// }
///
/// let layer = layer::from_fn(tenant);
/// ```
pub const fn from_fn<F>(function: F) -> FromFn<F> {
    FromFn(function)
}

/// The layer that [`from_fn`] makes.
#[derive(Debug, Clone)]
pub struct FromFn<F>(F);

impl<F: Clone> Layer<Route> for FromFn<F> {
    type Service = FnService<F>;

    fn layer(&self, inner: Route) -> FnService<F> {
        FnService { function: self.0.clone(), inner }
    }
}

/// The service that [`FromFn`] makes.
#[derive(Debug, Clone)]
pub struct FnService<F> {
    function: F,
    inner: Route,
}

impl<F, Fut> Service<Request> for FnService<F>
where
    F: Fn(Request, Next) -> Fut,
    Fut: Future<Output = Result<Response, BoxError>> + Send + 'static,
{
    type Response = Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // `Next` waits for what is within.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        Box::pin((self.function)(request, Next(self.inner.clone())))
    }
}
