//! What of a request's head the inbox keeps (RULES 20): everything but
//! signatures, credentials and cookies.

use px_sdk::Received;
use px_sdk::verify::{Scheme, Token, Verification};

/// What stands for a value that is not kept.
const REDACTED: &str = "[redacted]";

/// How many headers, and how many bytes of a value, one record keeps.
const MAX_HEADERS: usize = 100;
const MAX_VALUE: usize = 1_024;

/// The headers as they are stored.
pub(crate) fn headers(received: &Received, verification: &Verification) -> Vec<(String, String)> {
    received
        .headers
        .iter()
        .take(MAX_HEADERS)
        .map(|(name, value)| {
            let name = name.as_str();
            let value = if is_secret(name, verification) {
                REDACTED.to_owned()
            } else {
                let mut text = String::from_utf8_lossy(value.as_bytes()).into_owned();
                if text.len() > MAX_VALUE {
                    let cut = (0..=MAX_VALUE).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
                    text.truncate(cut);
                }
                text
            };
            (name.to_owned(), value)
        })
        .collect()
}

fn is_secret(name: &str, verification: &Verification) -> bool {
    let own = match &verification.scheme {
        Scheme::Token(Token::Header(header)) => header.eq_ignore_ascii_case(name),
        _ => false,
    };
    own || ["signature", "authorization", "cookie"].iter().any(|word| name.contains(word))
}

/// Path and query as they are stored.
pub(crate) fn target(received: &Received, verification: &Verification) -> String {
    let Some(query) = &received.query else { return received.path.clone() };
    let secret = match &verification.scheme {
        Scheme::Token(Token::Query(name)) => Some(name.as_str()),
        _ => None,
    };
    let pairs: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if Some(name) == secret || name == "token" => format!("{name}={REDACTED}"),
            _ => pair.to_owned(),
        })
        .collect();
    format!("{}?{}", received.path, pairs.join("&"))
}
