//! The one rule of which pages are this server's own, for what only they may post:
//! those of the origin at which the sender called it. Behind proxies that is
//! `public_url`, else what a trusted one says.

use http::{HeaderName, header};

use super::url::UrlView;
use crate::Received;
use crate::local::page_origin;

static FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

impl UrlView {
    /// Returns whether a page of this server made the request: there is exactly one
    /// `Origin`, it is that of this server, and no `Sec-Fetch-Site` says otherwise. The
    /// origins that may use the API are no pages of this server.
    #[must_use]
    pub fn is_own_page(&self, received: &Received) -> bool {
        let mut origins = received.headers.get_all(header::ORIGIN).iter();
        let (Some(origin), None) = (origins.next(), origins.next()) else { return false };
        let Ok(Ok(origin)) = origin.to_str().map(page_origin) else { return false };
        let base = match &self.public_url {
            Some(base) => base.clone(),
            None => match self.base_from_request(received) {
                Ok(base) => base,
                Err(_) => return false,
            },
        };
        let mut sites = received.headers.get_all(&FETCH_SITE).iter();
        origin_of(&base).and_then(|own| page_origin(own).ok()) == Some(origin)
            && sites.all(|site| matches!(site.as_bytes(), b"same-origin" | b"none"))
    }
}

/// The scheme and the authority of a URL, as they are written there.
fn origin_of(url: &str) -> Option<&str> {
    let at = url.find("://")? + 3;
    let end = url.get(at..)?.find(['/', '?', '#']).map_or(url.len(), |slash| at + slash);
    url.get(..end)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use bytes::Bytes;
    use http::{HeaderMap, Method};
    use px_core::Timestamp;

    use super::*;

    fn is_own(view: &UrlView, lines: &[(&'static str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        view.is_own_page(&Received {
            method: Method::POST,
            path: "/webhooks/system/link/x".into(),
            query: None,
            base: None,
            headers,
            body: Bytes::new(),
            remote: SocketAddr::from(([127, 0, 0, 1], 1)),
            at: Timestamp::EPOCH,
        })
    }

    #[test]
    fn a_page_is_own_where_its_origin_is_that_which_was_called() {
        let view = UrlView::default();
        let host = ("host", "localhost:8787");
        assert!(is_own(&view, &[host, ("origin", "http://localhost:8787")]));
        assert!(is_own(
            &view,
            &[host, ("origin", "http://LOCALHOST:8787"), ("sec-fetch-site", "same-origin")]
        ));
        assert!(is_own(&view, &[("host", "localhost:80"), ("origin", "http://localhost")]));
        assert!(is_own(&view, &[("host", "[::1]:8787"), ("origin", "http://[::1]:8787")]));
        for origin in [
            "null",
            "",
            "http://localhost",
            "https://localhost:8787",
            "http://127.0.0.1:8787",
            "http://localhost:8787.evil.example",
            "http://localhost:8787@evil.example",
            "http://localhost:8787/",
            "http://localhost:8787/path",
            "http://localhost:8787 http://localhost:8787",
        ] {
            assert!(!is_own(&view, &[host, ("origin", origin)]), "{origin:?}");
        }
        let own = ("origin", "http://localhost:8787");
        assert!(!is_own(&view, &[host]), "no origin at all");
        assert!(!is_own(&view, &[host, own, own]), "two of them");
        assert!(!is_own(&view, &[host, own, ("sec-fetch-site", "cross-site")]));
        assert!(!is_own(&view, &[own]), "nobody says which host was called");
    }

    #[test]
    fn behind_a_proxy_it_is_that_of_the_public_url_or_what_the_proxy_says() {
        let public = UrlView { public_url: Some("https://px.example:443/base".into()), ..UrlView::default() };
        let inside = ("host", "10.0.0.1:8787");
        assert!(is_own(&public, &[inside, ("origin", "https://px.example")]));
        assert!(!is_own(&public, &[inside, ("origin", "http://10.0.0.1:8787")]));
        assert!(!is_own(&public, &[inside, ("origin", "https://px.example.evil.example")]));
        let lines = |origin: &'static str| {
            [inside, ("x-forwarded-proto", "https"), ("x-forwarded-host", "px.example"), ("origin", origin)]
        };
        let proxied = UrlView { proxies: vec!["127.0.0.1".parse().unwrap()], ..UrlView::default() };
        assert!(is_own(&proxied, &lines("https://px.example")));
        assert!(!is_own(&proxied, &lines("http://10.0.0.1:8787")));
        assert!(!is_own(&UrlView::default(), &lines("https://px.example")), "nobody trusts it");
        let apps =
            UrlView { cors_origins: vec!["https://app.example".parse().unwrap()], ..UrlView::default() };
        assert!(
            !is_own(&apps, &[inside, ("origin", "https://app.example")]),
            "it may use the API, and no more"
        );
    }
}
