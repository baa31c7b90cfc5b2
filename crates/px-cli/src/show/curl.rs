//! A request as a line for the shell.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, Method};

use crate::log::escape::is_control;

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

/// A word for a shell: as it is if nothing in it means something there. One
/// with characters that a terminal would obey is written with their numbers
/// (POSIX.1-2024, section 2.2.4), so that it can be shown and copied.
pub(crate) fn quoted(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        Cow::Borrowed(text)
    } else if text.chars().any(is_control) {
        let mut out = String::from("$'");
        for letter in text.chars() {
            match letter {
                '\'' | '\\' => out.extend(['\\', letter]),
                _ if is_control(letter) => {
                    let mut bytes = [0; 4];
                    for byte in letter.encode_utf8(&mut bytes).bytes() {
                        // Three digits always: what follows may be a digit of the text.
                        out.push_str(&format!("\\{byte:03o}"));
                    }
                }
                _ => out.push(letter),
            }
        }
        out.push('\'');
        Cow::Owned(out)
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
        assert_eq!(quoted("A\x1b]0;it's\x07"), r"$'A\033]0;it\'s\007'");
        assert_eq!(quoted("a\nb\\\u{202e}1"), r"$'a\012b\\\342\200\2561'");
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
