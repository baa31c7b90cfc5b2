//! The head of a request as the inbox keeps it: everything but signatures,
//! credentials and cookies; of a rejected request only so much that its sender
//! can be put right, since anybody can send one.

use px_core::wait::LINK_TOKEN_PREFIX;
use px_sdk::Received;
use px_sdk::verify::Verification;

/// The text in place of a value that is not kept.
pub(crate) const REDACTED: &str = "[redacted]";

/// Maximum length of a value, and of the whole head, in the record of a rejected
/// request, bytes.
const MAX_VALUE: usize = 1_024;
const MAX_HEAD: usize = 8 * 1_024;

/// Returns the headers as they are stored. The server has bounded their size.
pub(crate) fn headers(received: &Received, verification: &Verification) -> Vec<(String, String)> {
    let lines = received.headers.iter().map(|(name, value)| {
        let name = name.as_str();
        let value = if is_secret(name, verification) {
            REDACTED.to_owned()
        } else {
            without_tokens(&String::from_utf8_lossy(value.as_bytes()), verification)
        };
        (name.to_owned(), value)
    });
    lines.collect()
}

/// Cuts what is stored of a rejected request's head.
pub(crate) fn cut(target: &mut String, headers: &mut Vec<(String, String)>) {
    target.truncate(target.floor_char_boundary(MAX_VALUE));
    let mut left = MAX_HEAD;
    headers.retain_mut(|(name, value)| {
        value.truncate(value.floor_char_boundary(MAX_VALUE));
        let size = name.len() + value.len();
        let fits = size <= left;
        left = left.saturating_sub(size);
        fits
    });
}

fn is_secret(name: &str, verification: &Verification) -> bool {
    verification.is_secret_header(name)
        || ["signature", "authorization", "cookie"].iter().any(|word| name.contains(word))
}

/// Returns a header's value without tokens that a URL in it has: proxies write what they were asked for into
/// headers, and browsers where they come from.
fn without_tokens(value: &str, verification: &Verification) -> String {
    if !value.contains(LINK_TOKEN_PREFIX) && !value.contains('?') {
        return value.to_owned();
    }
    let mut kept = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find(LINK_TOKEN_PREFIX) {
        let (before, token) = rest.split_at(at);
        let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let end = token.bytes().position(|byte| !is_of_token(byte)).unwrap_or(token.len());
        kept.push_str(before);
        kept.push_str(REDACTED);
        rest = token.get(end..).unwrap_or_default();
    }
    kept.push_str(rest);
    match kept.split_once('?') {
        Some((before, query)) => format!("{before}?{}", without_secrets(query, verification)),
        None => kept,
    }
}

/// Returns path and query as they are stored.
pub(crate) fn target(received: &Received, verification: &Verification) -> String {
    let Some(query) = &received.query else { return received.path.clone() };
    format!("{}?{}", received.path, without_secrets(query, verification))
}

/// Returns a query without the values of parameters that prove who somebody is.
fn without_secrets(query: &str, verification: &Verification) -> String {
    let pairs: Vec<String> = query
        .split('&')
        .map(|pair| {
            let name = pair.split('=').next().unwrap_or(pair);
            let decoded = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
            let is_secret = verification.is_secret_parameter(&decoded)
                || matches!(&*decoded, "token" | "hub.verify_token");
            if is_secret { format!("{name}={REDACTED}") } else { pair.to_owned() }
        })
        .collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, Method};
    use px_core::Timestamp;
    use px_sdk::verify;
    use std::net::{Ipv4Addr, SocketAddr};

    fn received(query: Option<&str>) -> Received {
        let mut headers = HeaderMap::new();
        for name in ["x-hub-signature-256", "authorization", "cookie", "x-acme-sig", "x-kept"] {
            headers.insert(name, HeaderValue::from_static("hunter2"));
        }
        Received {
            method: Method::POST,
            path: "/webhooks/acme".into(),
            query: query.map(str::to_owned),
            base: None,
            headers,
            body: Bytes::new(),
            remote: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
            at: Timestamp::EPOCH,
        }
    }

    #[test]
    fn rule_20_signatures_credentials_and_cookies_are_not_kept() {
        let kept = headers(&received(None), &verify::hmac("X-Acme-Sig", "S"));
        let clear: Vec<_> =
            kept.iter().filter(|(_, value)| value == "hunter2").map(|(name, _)| name.as_str()).collect();
        assert_eq!(clear, ["x-kept"]);
    }

    #[test]
    fn tokens_in_the_urls_that_proxies_write_into_headers_are_not_kept() {
        let mut request = received(None);
        request.headers.clear();
        let token = format!("pxl_{}", "aZ09-_".repeat(12));
        for (name, value) in [
            ("x-original-uri", format!("/webhooks/system/link/{token}")),
            ("x-forwarded-uri", "/webhooks/system/page-form?a=1&token=hunter2&b=2".to_owned()),
            ("x-rewrite-url", format!("{token}, {token}?x")),
            ("referer", "https://px.example/form?k=hunter2".to_owned()),
            ("x-kept", "why? because".to_owned()),
        ] {
            request.headers.insert(name, HeaderValue::from_str(&value).unwrap());
        }
        let kept = headers(&request, &verify::token_query("k", "S"));
        let values: Vec<_> = kept.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(
            values,
            [
                "/webhooks/system/link/[redacted]",
                "/webhooks/system/page-form?a=1&token=[redacted]&b=2",
                "[redacted], [redacted]?x",
                "https://px.example/form?k=[redacted]",
                "why? because",
            ]
        );
    }

    #[test]
    fn a_rejected_request_leaves_little() {
        let mut target = "é".repeat(30_000);
        let mut lines: Vec<_> =
            (0..80).map(|n| (format!("x-{n}"), "v".repeat(if n % 2 == 0 { 50 } else { 9_000 }))).collect();
        cut(&mut target, &mut lines);
        assert_eq!(target.len(), MAX_VALUE);
        assert!(lines.len() > 10 && lines.iter().all(|(_, value)| value.len() <= MAX_VALUE));
        assert!(lines.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() <= MAX_HEAD);
    }

    #[test]
    fn tokens_in_the_query_are_not_kept() {
        let verification = verify::token_query("k y", "S");
        let kept = target(&received(Some("a=1&token=x&k%20y=hunter2&hub.verify_token=z")), &verification);
        assert_eq!(kept, "/webhooks/acme?a=1&token=[redacted]&k%20y=[redacted]&hub.verify_token=[redacted]");
        // Of every scheme that counts.
        let both = verify::token_query("old", "A").also(verify::token_query("new", "B"));
        for both in [both.clone(), verify::hmac("X-Sig", "C").also(both)] {
            let kept = target(&received(Some("old=hunter2&new=hunter2&other=1")), &both);
            assert_eq!(kept, "/webhooks/acme?old=[redacted]&new=[redacted]&other=1");
        }
    }
}
