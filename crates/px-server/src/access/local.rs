//! Whether a request comes from this machine, and from nobody behind it: who
//! uses the API while there are no tokens.
//!
//! A loopback peer is not enough. A tunnel and a proxy are peers on this
//! machine too, and what they bring has forwarding headers. A page in the
//! user's browser can send requests here, and says where it is from by
//! `Origin`, or, if its name was pointed here afterwards (DNS rebinding), by
//! a `Host` that is a name of the outside.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue, Uri, header};

/// Headers of proxies and tunnels.
const FORWARDED: [&str; 5] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

/// An origin as browsers write it.
///
/// # Errors
/// It is none; the text is given back.
pub(crate) fn origin(text: &str) -> Result<HeaderValue, String> {
    let uri = text.parse::<Uri>().ok().filter(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.path_and_query().is_none_or(|rest| rest.as_str() == "/")
            && !text.ends_with('/')
    });
    let value = uri.and_then(|_| HeaderValue::from_str(&text.to_ascii_lowercase()).ok());
    value.ok_or_else(|| text.to_owned())
}

/// Whether it does. Pages of `allowed` origins are as good as this machine's.
pub(crate) fn is_local(peer: IpAddr, headers: &HeaderMap, allowed: &[HeaderValue]) -> bool {
    let hosts_are_local = headers.get_all(header::HOST).iter().all(|host| is_local_host(host.as_bytes()));
    let origins_are_local = headers.get_all(header::ORIGIN).iter().all(|origin| {
        let uri = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
        uri.and_then(|uri| uri.authority().map(|host| is_local_host(host.as_str().as_bytes())))
            .unwrap_or(false)
            || allowed.contains(origin)
    });
    peer.to_canonical().is_loopback()
        && FORWARDED.iter().all(|name| !headers.contains_key(*name))
        && hosts_are_local
        && origins_are_local
}

/// `localhost`, a name below it, or an address, with or without a port: names
/// that nobody outside can point here.
fn is_local_host(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else { return false };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    fn local(peer: &str, pairs: &[(&'static str, &'static str)]) -> bool {
        let headers = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        is_local(peer.parse().unwrap(), &headers, &[HeaderValue::from_static("https://app.example")])
    }

    #[test]
    fn this_machine() {
        for host in ["localhost", "localhost:8787", "px.localhost", "127.0.0.1:1", "[::1]:8787", "[::1]"] {
            assert!(local("127.0.0.1", &[("host", host)]), "{host}");
        }
        assert!(local("127.0.0.1", &[("host", "localhost"), ("origin", "https://app.example")]));
        assert!(local("::1", &[]) && local("::ffff:127.0.0.1", &[]));
        assert!(local("127.0.0.1", &[("host", "127.0.0.1:1"), ("origin", "http://localhost:3000")]));
    }

    #[test]
    fn origins() {
        assert!(origin("https://app.example:8443").is_ok() && origin("http://localhost:3000").is_ok());
        for bad in ["*", "app.example", "https://app.example/", "https://app.example/x", "ftp://a", ""] {
            assert_eq!(origin(bad), Err(bad.to_owned()));
        }
    }

    #[test]
    fn others_and_those_behind_a_tunnel_or_a_browser() {
        assert!(!local("192.0.2.1", &[("host", "localhost")]));
        assert!(!local("127.0.0.1", &[("host", "rebound.example:8787")]));
        assert!(!local("127.0.0.1", &[("host", "localhost"), ("origin", "https://site.example")]));
        assert!(!local("127.0.0.1", &[("host", "localhost"), ("origin", "null")]));
        for name in FORWARDED {
            assert!(!local("127.0.0.1", &[("host", "localhost"), (name, "1")]), "{name}");
        }
    }
}
