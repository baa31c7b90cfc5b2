//! A request as a line for the shell.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, Method};

/// The `curl` line that sends this request. `None` if the body or a header is
/// no text, which a shell line cannot carry.
pub(crate) fn line(method: &Method, url: &str, headers: &HeaderMap, body: &Bytes) -> Option<String> {
    let mut line = format!("curl -X {method} {}", quoted(url));
    for (name, value) in headers {
        let header = format!("{name}: {}", value.to_str().ok()?);
        line.push_str(&format!(" -H {}", quoted(&header)));
    }
    let body = std::str::from_utf8(body).ok().filter(|body| !body.contains('\0'))?;
    if !body.is_empty() {
        line.push_str(&format!(" --data-raw {}", quoted(body)));
    }
    Some(line)
}

/// A word for a POSIX shell: as it is if nothing in it means something there.
pub(crate) fn quoted(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_only_where_they_must_be() {
        assert_eq!(quoted("http://a/b"), "http://a/b");
        assert_eq!(quoted("octo/repo#7"), "'octo/repo#7'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn a_request() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/json".parse().unwrap());
        let line = line(&Method::POST, "http://127.0.0.1:1/webhooks/x?a=1", &headers, &"{\"a\": 1}".into());
        assert_eq!(
            line.unwrap(),
            "curl -X POST 'http://127.0.0.1:1/webhooks/x?a=1' -H 'content-type: application/json' \
             --data-raw '{\"a\": 1}'"
        );
    }
}
