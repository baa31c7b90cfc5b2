//! A URL that a callback may be sent to, as far as its text tells.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use url::{Host, Url};

use super::address::Rule;
use super::{Policy, Refused};

/// Longer URLs are refused.
pub(crate) const MAX_URL_BYTES: usize = 2_048;

/// A URL with a host, of http or https, without credentials. Its host is
/// normalised as the URL standard says: `2130706433`, `0x7f.1`, `0177.0.0.1`
/// and `127.1` are all `127.0.0.1`.
#[derive(Clone, PartialEq, Eq)]
pub struct Target(Url);

impl Target {
    /// Reads a URL. The refusal never repeats the URL: it may hold a password.
    ///
    /// # Errors
    /// If it is no URL, too long, of another scheme, without a host, with
    /// port 0 or with credentials.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        if text.len() > MAX_URL_BYTES {
            return Err(Refused::url(Rule::Url));
        }
        let mut url = Url::parse(text).map_err(|error| match error {
            url::ParseError::EmptyHost => Refused::url(Rule::Host),
            _ => Refused::url(Rule::Url),
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refused::url(Rule::Scheme));
        }
        let Some(host) = url.host_str() else { return Err(Refused::url(Rule::Host)) };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::host(Rule::Credentials, host));
        }
        if url.port() == Some(0) {
            return Err(Refused::host(Rule::Host, host));
        }
        // It is never sent, and what is not sent should not be shown as if it were.
        url.set_fragment(None);
        Ok(Self(url))
    }

    /// The address, if the host is one. Clients connect to it without asking a
    /// resolver.
    #[must_use]
    pub fn literal(&self) -> Option<IpAddr> {
        match self.0.host()? {
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
            Host::Domain(_) => None,
        }
    }

    /// Checks what can be checked without a resolver: the host, if it is an
    /// address or the name of this machine. For refusing a hook when it is made; [`Client`](super::Client)
    /// asks again at every attempt.
    ///
    /// # Errors
    /// If the policy refuses the address.
    pub fn check(&self, policy: &Policy) -> Result<(), Refused> {
        let host = self.0.host_str().map(|host| host.trim_matches(['[', ']']).to_owned());
        let is_local = |host: &str| host == "localhost" || host.ends_with(".localhost");
        let address = match self.literal() {
            Some(address) => address,
            // These names are this machine wherever they are looked up (RFC 6761, section 6.3).
            None if host.as_deref().map(|host| host.trim_end_matches('.')).is_some_and(is_local) => {
                Ipv4Addr::LOCALHOST.into()
            }
            None => return Ok(()),
        };
        policy.check(address).map_err(|rule| Refused { rule, host, address: Some(address) })
    }

    /// The URL.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.0
    }

    /// Returns what all callbacks to one receiver share: scheme, host and port. The
    /// key of an endpoint's lane and breaker.
    #[must_use]
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }
}

/// A URL without what may be a secret in it: its query and its user, and with
/// `hides_path` its path, too. What is no URL is hidden whole.
#[must_use]
pub fn redacted(text: &str, hides_path: bool) -> String {
    /// Stands for what is not shown.
    const HIDDEN: &str = "(hidden)";
    let Ok(mut url) = Url::parse(text) else { return HIDDEN.to_owned() };
    if !url.username().is_empty() || url.password().is_some() {
        // Both are settable where they are there.
        let _ = url.set_username("").and_then(|()| url.set_password(None));
    }
    let has_query = url.query().is_some();
    url.set_query(None);
    url.set_fragment(None);
    if hides_path && url.path().len() > 1 {
        url.set_path("");
        return format!("{url}{HIDDEN}");
    }
    if has_query { format!("{url}?{HIDDEN}") } else { url.to_string() }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Option<&'static str> {
        Target::parse(text).err().map(|refused| refused.rule.as_str())
    }

    #[test]
    fn rules_69_what_may_be_a_secret_in_a_url_is_hidden() {
        for (url, without_query, without_path) in [
            ("https://a.example/x", "https://a.example/x", "https://a.example/(hidden)"),
            ("https://a.example/", "https://a.example/", "https://a.example/"),
            (
                "https://a.example/T0/B0?sig=S",
                "https://a.example/T0/B0?(hidden)",
                "https://a.example/(hidden)",
            ),
            ("https://u:p@a.example/?s", "https://a.example/?(hidden)", "https://a.example/?(hidden)"),
            ("https://u@a.example:8/x#f", "https://a.example:8/x", "https://a.example:8/(hidden)"),
            ("no url with hunter2", "(hidden)", "(hidden)"),
        ] {
            assert_eq!(redacted(url, false), without_query, "{url}");
            assert_eq!(redacted(url, true), without_path, "{url}");
        }
    }

    #[test]
    fn a_url_has_a_scheme_a_host_and_no_credentials() {
        assert_eq!(rule("https://hooks.example/a?b=c"), None);
        for (text, expected) in [
            ("hooks.example", "url"),
            ("", "url"),
            ("/a", "url"),
            ("ftp://hooks.example/", "scheme"),
            ("file:///etc/passwd", "scheme"),
            ("gopher://hooks.example/", "scheme"),
            ("javascript:alert(1)", "scheme"),
            ("http://", "host"),
            ("https:///?", "host"),
            ("http://hooks.example:0/", "host"),
            ("https://user@hooks.example/", "credentials"),
            ("https://user:hunter2@hooks.example/", "credentials"),
            ("https://:hunter2@hooks.example/", "credentials"),
            ("http://1.2.3.4.5/", "url"),
            ("http://256.1.1.1/", "url"),
        ] {
            assert_eq!(rule(text), Some(expected), "{text}");
        }
        assert_eq!(rule(&format!("https://hooks.example/{}", "a".repeat(MAX_URL_BYTES))), Some("url"));
    }

    #[test]
    fn a_refusal_shows_no_password() {
        let refused = Target::parse("https://user:hunter2@hooks.example/").unwrap_err();
        let text = format!("{refused} {refused:?}");
        assert!(!text.contains("hunter2") && !text.contains("user:"), "{text}");
        assert!(text.contains("header"), "{text}");
    }

    #[test]
    fn every_spelling_of_an_address_is_that_address() {
        for host in [
            "127.0.0.1",
            "2130706433",
            "0x7f000001",
            "0x7F.1",
            "0177.0.0.1",
            "017700000001",
            "127.1",
            "127.0.1",
            "127.0.0.1.",
            "%31%32%37.0.0.1",
            "１２７.0.0.1",
            "①②⑦.0.0.1",
            "127。0。0。1",
        ] {
            let target = Target::parse(&format!("http://{host}/")).unwrap();
            assert_eq!(target.literal(), Some("127.0.0.1".parse().unwrap()), "{host}");
        }
        let target = Target::parse("http://[::FFFF:7f00:1]:80/#here").unwrap();
        assert_eq!(target.literal(), Some("::ffff:127.0.0.1".parse().unwrap()));
        assert_eq!(target.to_string(), "http://[::ffff:7f00:1]/");
        assert_eq!(Target::parse("HTTPS://Hooks.Example:443/a").unwrap().origin(), "https://hooks.example");
    }
}
