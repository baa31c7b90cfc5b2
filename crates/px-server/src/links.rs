//! The way in of signed links: `GET /webhooks/system/link/{token}` shows a page, and
//! its form posts to the same URL. Here are the headers that keep the token and the
//! page to whoever opened it; what is shown is the inbound stage's.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use percent_encoding::percent_decode_str;
use px_core::key::LINK_SLUG;
use px_inbound::{LINK_PATH, LinkAnswer, LinkKeys, LinkSigner};

use crate::app::Shared;
use crate::ingress::{self, Door};
use crate::layered;
use crate::options::Options;

/// Largest body of an answer, bytes: a nonce and the number of a button.
pub(crate) const MAX_BODY: usize = 16 * 1024;

/// The methods of a link.
const METHODS: &str = "GET, HEAD, POST, OPTIONS";

static ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");
static RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
static OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// `GET /webhooks/system/link/{token}`, and HEAD.
pub(crate) async fn show(
    State(app): State<Shared>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let at = app.clock().now();
    let _permit = match ingress::admit(&app, LINK_SLUG, remote, request.headers(), at) {
        Ok(permit) => permit,
        Err(refused) => return *refused,
    };
    respond(app.stage.show_link(&token(request.uri().path()), at).await)
}

/// `POST /webhooks/system/link/{token}`.
pub(crate) async fn answer(
    State(app): State<Shared>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    ingress::enter(app, remote, LINK_SLUG.to_owned(), Door::Link, request).await
}

/// `OPTIONS /webhooks/system/link/{token}`: tells nothing of the token.
pub(crate) async fn options() -> Response {
    (StatusCode::NO_CONTENT, [(header::ALLOW, METHODS)]).into_response()
}

/// The token in a path, whatever of it was percent-encoded on the way. A text that is no
/// token is found to be none later, as every wrong one is.
pub(crate) fn token(path: &str) -> String {
    let token = path.strip_prefix(LINK_PATH).unwrap_or_default();
    percent_decode_str(token).decode_utf8_lossy().into_owned()
}

/// A link's page as HTTP. Nobody keeps it, frames it, indexes it or learns its URL.
pub(crate) fn respond(answered: LinkAnswer) -> Response {
    let LinkAnswer { answer, policy, location, .. } = answered;
    let mut response = ingress::respond(answer);
    let headers = response.headers_mut();
    for (name, value) in [
        (&CONTENT_SECURITY_POLICY, policy),
        (&CACHE_CONTROL, "no-store"),
        (&REFERRER_POLICY, "no-referrer"),
        (&ROBOTS, "noindex, nofollow, noarchive"),
        (&X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (&X_FRAME_OPTIONS, "DENY"),
        (&RESOURCE_POLICY, "same-origin"),
        (&OPENER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Some(location) = location {
        headers.insert(LOCATION, HeaderValue::from_static(location));
    }
    // A page is for people, whatever its status.
    response.extensions_mut().insert(layered::AsItIs);
    response
}

/// The maker of this server's links, below `public_url`; without one below the address
/// that it listens at, if that is one of this machine alone.
pub(crate) fn signer(keys: LinkKeys, options: &Options, base_url: &str) -> LinkSigner {
    let is_known = options.public_url.is_some() || options.bind.ip().to_canonical().is_loopback();
    let base = is_known.then(|| base_url.to_owned());
    LinkSigner::new(keys, base, Arc::clone(&options.clock), Arc::clone(&options.ids))
}
