//! Checks of a request's head that hyper leaves to its user: `Host` (RFC 9112
//! section 3.2) and the transfer coding (section 6.1). What a route, a token or
//! a webhook asks of a request comes later. A coding that does not end with
//! `chunked` says nothing of where a body ends: hyper refuses it itself, with a
//! 400 that has no body.

use http::{HeaderMap, HeaderValue, Request, StatusCode, Version, header};
use px_core::Code;

use crate::error::ApiError;

/// Returns why a request is refused whatever it asks for.
pub(super) fn refusal<B>(request: &Request<B>) -> Option<ApiError> {
    if has_other_coding(request.headers()) {
        let text = "The request's Transfer-Encoding is none that px reads; send it chunked, or with a \
                    Content-Length";
        return Some(ApiError::new(StatusCode::NOT_IMPLEMENTED, Code::BadRequest, text));
    }
    bad_host(request).map(|why| ApiError::bad_request(format!("The request's Host is refused: {why}")))
}

/// Returns whether a transfer coding is asked for that is not `chunked` alone.
fn has_other_coding(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let is_chunked = |coding: &HeaderValue| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    match (codings.next(), codings.next()) {
        (None, _) => false,
        (Some(coding), None) => !is_chunked(coding),
        (Some(_), Some(_)) => true,
    }
}

fn bad_host<B>(request: &Request<B>) -> Option<&'static str> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version() == Version::HTTP_11 => Some("HTTP/1.1 wants one, and there is none"),
        (None, _) => None,
        (Some(_), Some(_)) => Some("there is more than one"),
        (Some(host), None) => (!is_host(host.as_bytes())).then_some("it is no host with a port or without"),
    }
}

/// Returns whether a text is `uri-host [":" port]` (RFC 9110 section 7.2, RFC 3986
/// section 3.2). The empty text is one: it says that the target has no authority.
fn is_host(text: &[u8]) -> bool {
    let (is_name, port) = match text.strip_prefix(b"[") {
        Some(rest) => {
            let Some(end) = rest.iter().position(|byte| *byte == b']') else { return false };
            let (address, rest) = rest.split_at(end);
            let address = std::str::from_utf8(address).unwrap_or_default();
            (address.parse::<std::net::Ipv6Addr>().is_ok(), rest.get(1..).unwrap_or_default())
        }
        None => {
            let end = text.iter().position(|byte| *byte == b':').unwrap_or(text.len());
            let (name, rest) = text.split_at(end);
            (is_reg_name(name), rest)
        }
    };
    let is_port = match port.strip_prefix(b":") {
        Some(digits) => digits.iter().all(u8::is_ascii_digit),
        None => port.is_empty(),
    };
    is_name && is_port
}

/// `unreserved`, `sub-delims` and percent-encoded bytes.
fn is_reg_name(name: &[u8]) -> bool {
    let is_escape =
        |at: usize| name.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    name.iter().enumerate().all(|(at, byte)| {
        byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(byte) || (*byte == b'%' && is_escape(at))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_digits_as_port_or_none() {
        for good in [
            "",
            "x",
            "localhost:8787",
            "127.0.0.1",
            "[::1]",
            "[::1]:80",
            "a.example:",
            "a%20b",
            "px_1.internal",
        ] {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in [
            "localhost:80@evil.example",
            "127.0.0.1:evil.example",
            "[::1].evil.example",
            "[::1]evil.example",
            "[::1",
            "[zz]",
            "a b",
            "a/b",
            "a?b",
            "user@a",
            "a%2",
            "::1",
            "a:8:9",
            "a:+80",
            "\u{e4}.example",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn host_and_coding_are_asked_of_each_version() {
        let status = |version, lines: &[(&str, &str)]| {
            let mut request = Request::builder().version(version);
            for (name, value) in lines {
                request = request.header(*name, *value);
            }
            refusal(&request.body(()).unwrap()).map_or(200, |error| error.status().as_u16())
        };
        let host = ("host", "a");
        for (version, lines, expected) in [
            (Version::HTTP_11, &[host][..], 200),
            (Version::HTTP_11, &[], 400),
            (Version::HTTP_11, &[host, host], 400),
            (Version::HTTP_11, &[("host", "a/b")], 400),
            (Version::HTTP_10, &[], 200),
            (Version::HTTP_10, &[host], 200),
            (Version::HTTP_10, &[host, ("host", "b")], 400),
            (Version::HTTP_11, &[host, ("transfer-encoding", "chunked")], 200),
            (Version::HTTP_11, &[host, ("transfer-encoding", " Chunked ")], 200),
            (Version::HTTP_11, &[host, ("transfer-encoding", "gzip, chunked")], 501),
            (Version::HTTP_11, &[host, ("transfer-encoding", "gzip"), ("transfer-encoding", "chunked")], 501),
            (Version::HTTP_11, &[host, ("transfer-encoding", "chunked, chunked")], 501),
            (Version::HTTP_11, &[host, ("transfer-encoding", "identity")], 501),
            (Version::HTTP_11, &[host, ("transfer-encoding", "")], 501),
        ] {
            assert_eq!(status(version, lines), expected, "{version:?} {lines:?}");
        }
    }
}
