//! Address of a webhook's receiver, and the URL that is signed for it: not
//! always the same, where there is a proxy or another name (docs/rules.md#27).

use http::HeaderValue;
use http::header::HOST;
use px_client::is_loopback;

use super::Request;

/// URL by which the receiver is reached, and the one by which it knows itself.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    /// URL of the server.
    pub(crate) base: String,
    /// URL that the request is sent to.
    pub(crate) post: String,
    /// The URL that is signed (docs/rules.md#27).
    pub(crate) known_as: String,
}

impl Address {
    /// The webhook of a server at `base` that reports `reported` as its URL.
    ///
    /// A server without a public URL reports its bind address; from another
    /// machine that is not how it is called, and the URL that is called counts.
    pub(crate) fn new(base: &str, slug: &str, reported: Option<&str>) -> Self {
        let post = format!("{base}/webhooks/{slug}");
        let known_as = match reported {
            Some(reported) if is_loopback(base) || !is_loopback(reported) => reported.to_owned(),
            _ => post.clone(),
        };
        Self { base: base.to_owned(), post, known_as }
    }

    /// A request that was signed for the URL by which the receiver knows itself, as it is sent.
    pub(crate) fn direct(&self, request: Request) -> Request {
        let tail = request.url.strip_prefix(&self.known_as).unwrap_or_default();
        let mut directed = Request { url: format!("{}{tail}", self.post), ..request.clone() };
        if let Some(host) = self.host() {
            directed.headers.insert(HOST, host);
        }
        directed
    }

    /// The `Host` to send if the URL that is called has another one than the
    /// one that is signed, both on this machine.
    pub(crate) fn host(&self) -> Option<HeaderValue> {
        let authority = |url: &str| {
            let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
            rest.split('/').next().unwrap_or(rest).to_owned()
        };
        let (called, known) = (authority(&self.post), authority(&self.known_as));
        let differs = called != known && is_loopback(&self.post) && is_loopback(&self.known_as);
        if differs { known.parse().ok() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_27_what_is_signed_is_what_the_server_reports() {
        let address = |base, reported| {
            let address = Address::new(base, "x", Some(reported));
            (address.known_as.clone(), address.host().map(|host| host.to_str().unwrap().to_owned()))
        };
        let local = "http://127.0.0.1:8787";
        assert_eq!(address(local, "https://a.example/webhooks/x").0, "https://a.example/webhooks/x");
        assert_eq!(address(local, "http://127.0.0.1:8787/webhooks/x").1, None);
        assert_eq!(
            address("http://localhost:8787", "http://127.0.0.1:8787/webhooks/x"),
            ("http://127.0.0.1:8787/webhooks/x".into(), Some("127.0.0.1:8787".into()))
        );
        assert_eq!(
            address("https://b.example", "http://127.0.0.1:8787/webhooks/x").0,
            "https://b.example/webhooks/x"
        );
    }
}
