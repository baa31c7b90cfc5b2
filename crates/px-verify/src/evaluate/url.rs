//! The URL that the sender called, as far as it can be known from here.
//!
//! Behind a proxy the request line and `Host` are the proxy's doing. Twilio
//! signs the URL that it called, so it has to be rebuilt (docs/rules.md#27).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::Received;

use super::hops::{Disagreement, Way};
use super::{Place, Refusal};

/// Knowledge of this server about the URLs by which it is called.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UrlView {
    /// The base of all URLs as the outside sees it, `https://px.example` for
    /// instance. Where it is set it counts alone.
    pub public_url: Option<String>,
    /// The peers whose `Forwarded`, or `X-Forwarded-For`, `X-Forwarded-Proto`, `X-Forwarded-Host` and
    /// `X-Forwarded-Port` are believed.
    pub proxies: Vec<Network>,
    /// Which of these headers the proxies write. `None`: whichever is there; of
    /// both, `X-Forwarded-*`, if they name the same sender.
    pub forwarded: Option<Forwarding>,
    /// The origins whose pages may use this server as if they were its own, each
    /// as [`page_origin`](crate::local::page_origin) writes it.
    pub cors_origins: Vec<http::HeaderValue>,
}

/// A header by which proxies say whom they were called by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarding {
    /// `X-Forwarded-For` and its kin.
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl UrlView {
    /// The URLs that the sender may have called: `public_url`, else what a
    /// trusted proxy says, else `http://` and `Host`, each with path and query
    /// as they were sent; and the same again with the port added or removed,
    /// since senders differ in whether they sign the default one.
    ///
    /// # Errors
    /// If no `Host` says how this server was called.
    pub fn candidates(&self, received: &Received) -> Result<[String; 2], Refusal> {
        let base = match &self.public_url {
            Some(base) => base.trim_end_matches('/').to_owned(),
            None => self.base_from_request(received)?,
        };
        let tail = match &received.query {
            Some(query) => format!("{}?{query}", received.path),
            None => received.path.clone(),
        };
        let other = other_port(&base);
        Ok([base + &tail, other + &tail])
    }

    /// Returns who sent a request: the peer of the connection, or, if that is a
    /// trusted proxy, the last address in `X-Forwarded-For` that is none;
    /// without that header, the last in `Forwarded` (RFC 7239).
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &http::HeaderMap) -> IpAddr {
        self.sender(peer, headers).unwrap_or_else(|disagreement| disagreement.x_forwarded)
    }

    /// As [`UrlView::client`].
    ///
    /// # Errors
    /// Both headers are there, name different senders, and nothing says which one
    /// counts.
    pub fn sender(&self, peer: IpAddr, headers: &http::HeaderMap) -> Result<IpAddr, Disagreement> {
        let (way, disagreement) = Way::of(peer, headers, &self.proxies, self.forwarded);
        disagreement.map_or(Ok(way.client), Err)
    }

    /// Returns whether the URL is a guess.
    pub(super) const fn is_guess(&self) -> bool {
        self.public_url.is_none()
    }

    pub(super) fn base_from_request(&self, received: &Received) -> Result<String, Refusal> {
        let (way, _) = Way::of(received.remote.ip(), &received.headers, &self.proxies, self.forwarded);
        let scheme = way.scheme.as_deref().unwrap_or("http");
        let host = way
            .host
            .as_deref()
            .or_else(|| received.header("host"))
            .ok_or(Refusal::Missing(Place::Header(http::header::HOST)))?;
        Ok(match way.port {
            Some(port) if !has_port(host) => format!("{scheme}://{host}:{port}"),
            _ => format!("{scheme}://{host}"),
        })
    }
}

/// Returns where the port's colon is, if there is a port. The colons of an IPv6
/// literal are within brackets.
fn port_colon(authority: &str) -> Option<usize> {
    let after_brackets = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    authority.get(after_brackets..)?.find(':').map(|colon| after_brackets + colon)
}

fn has_port(authority: &str) -> bool {
    port_colon(authority).is_some()
}

/// The same base with its port removed, or with the default one added.
fn other_port(base: &str) -> String {
    let Some((scheme, rest)) = base.split_once("://") else { return base.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match port_colon(authority) {
        Some(colon) => format!("{scheme}://{}{path}", authority.get(..colon).unwrap_or(authority)),
        None => {
            let port = if scheme.eq_ignore_ascii_case("https") { 443 } else { 80 };
            format!("{scheme}://{authority}:{port}{path}")
        }
    }
}

/// A range of addresses, `10.0.0.0/8` or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

/// A text that is no range of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an address range like 10.0.0.0/8 or ::1")]
pub struct ParseNetworkError;

impl Network {
    /// Returns whether `address` is in the range. An IPv4-mapped IPv6 address counts
    /// as the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32 - u32::from(self.prefix_bits.min(32));
                (own.to_bits() ^ other.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128 - u32::from(self.prefix_bits.min(128));
                (own.to_bits() ^ other.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = ParseNetworkError;

    fn from_str(text: &str) -> Result<Self, ParseNetworkError> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| ParseNetworkError)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= most).ok_or(ParseNetworkError)?,
            None => most,
        };
        Ok(Self { address, prefix_bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_added_or_removed() {
        assert_eq!(other_port("https://a.example"), "https://a.example:443");
        assert_eq!(other_port("http://a.example:8787/base"), "http://a.example/base");
        assert_eq!(other_port("http://a.example/base"), "http://a.example:80/base");
        assert_eq!(other_port("http://[::1]"), "http://[::1]:80");
        assert_eq!(other_port("http://[::1]:80"), "http://[::1]");
        assert_eq!(other_port("junk"), "junk");
    }

    #[test]
    fn the_client_is_who_the_trusted_proxies_say() {
        let view = UrlView { proxies: vec!["10.0.0.0/8".parse().unwrap()], ..UrlView::default() };
        let client = |peer: &str, forwarded: &[&str]| {
            let mut headers = http::HeaderMap::new();
            for line in forwarded {
                headers.append("x-forwarded-for", line.parse().unwrap());
            }
            view.client(peer.parse().unwrap(), &headers).to_string()
        };
        assert_eq!(client("192.0.2.1", &["198.51.100.1"]), "192.0.2.1", "not a proxy of ours");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(
            client("10.0.0.1", &["203.0.113.7, 198.51.100.1"]),
            "198.51.100.1",
            "the rest may be made up"
        );
        assert_eq!(client("10.0.0.1", &["203.0.113.7", "198.51.100.1, 10.0.0.2"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["198.51.100.1, junk"]), "10.0.0.1");
    }

    #[test]
    fn networks() {
        let within = |range: &str, address: &str| {
            range.parse::<Network>().map(|network| network.contains(address.parse().unwrap()))
        };
        assert_eq!(within("10.0.0.0/8", "10.9.8.7"), Ok(true));
        assert_eq!(within("10.0.0.0/8", "11.0.0.1"), Ok(false));
        assert_eq!(within("10.0.0.0/8", "::ffff:10.0.0.1"), Ok(true));
        assert_eq!(within("0.0.0.0/0", "8.8.8.8"), Ok(true));
        assert_eq!(within("::/0", "2001:db8::1"), Ok(true));
        assert_eq!(within("fd00::/8", "fe80::1"), Ok(false));
        assert_eq!(within("127.0.0.1", "127.0.0.2"), Ok(false));
        for junk in ["", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "host/8"] {
            assert_eq!(within(junk, "::1"), Err(ParseNetworkError), "{junk}");
        }
    }
}
