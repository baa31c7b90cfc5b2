//! Requests and webhooks for the tests of `px_verify`.

#![allow(clippy::unwrap_used, reason = "a test helper that fails should fail the test")]

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use px_core::Timestamp;
use px_verify::Received;
use px_verify::record::{Keyring, Verification};
use px_verify::{Prepared, UrlView, Verified};
use secrecy::SecretString;

/// A POST from somewhere else, received at `at_secs`.
#[allow(dead_code, reason = "not every test binary that includes this file posts from elsewhere")]
pub(crate) fn post(at_secs: u64, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Received {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
    }
    Received {
        method: Method::POST,
        path: "/webhooks/test".to_owned(),
        query: None,
        base: None,
        headers: map,
        body: body.into(),
        remote: "203.0.113.7:4711".parse().unwrap(),
        at: Timestamp::from_millis(at_secs * 1000),
    }
}

/// The same with another path and query.
#[allow(dead_code, reason = "not every test binary that includes this file rewrites the URL")]
pub(crate) fn at_url(mut received: Received, path: &str, query: Option<&str>) -> Received {
    received.path = path.to_owned();
    received.query = query.map(str::to_owned);
    received
}

/// `verification` with `secret`.
#[allow(dead_code, reason = "not every test binary that includes this file has a secret")]
pub(crate) fn prepared(verification: &Verification, secret: &str) -> Prepared {
    Prepared::new(verification.clone(), &Keyring::empty().with(SecretString::from(secret))).unwrap()
}

/// A server that the outside knows as `public_url`.
#[allow(dead_code, reason = "not every test binary that includes this file knows its URL")]
pub(crate) fn known_as(public_url: &str) -> UrlView {
    UrlView { public_url: Some(public_url.to_owned()), ..UrlView::default() }
}

/// What `prepared` finds, a refusal as its class.
#[allow(dead_code, reason = "not every test binary that includes this file needs the class")]
pub(crate) fn verify(
    prepared: &Prepared,
    received: &Received,
    urls: &UrlView,
) -> Result<Verified, &'static str> {
    prepared.verify(received, urls).map_err(|refusal| {
        // both texts of every refusal that any test meets
        assert!(!refusal.caller_text().is_empty() && !refusal.to_string().is_empty());
        refusal.class()
    })
}

/// The same for a server that does not know its URL.
#[allow(dead_code, reason = "not every test binary that includes this file needs it")]
pub(crate) fn class(prepared: &Prepared, received: &Received) -> Result<(), &'static str> {
    verify(prepared, received, &UrlView::default()).map(|_| ())
}
