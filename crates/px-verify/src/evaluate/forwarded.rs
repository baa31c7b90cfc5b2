//! The header `Forwarded` (RFC 7239): what each proxy on the way says about who
//! called it, and how. Only a trusted proxy's word counts; who that is, `hops`
//! knows.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

/// More elements than this are not looked at; the nearest are the last.
const MAX_ELEMENTS: usize = 64;

/// Statement of one proxy.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    /// Address of its caller, if it is one.
    pub(super) client: Option<IpAddr>,
    /// Scheme by which the proxy was called.
    pub(super) scheme: Option<String>,
    /// Host by which the proxy was called.
    pub(super) host: Option<String>,
}

/// Every element, the nearest proxy's last.
pub(super) fn elements(headers: &HeaderMap) -> Vec<Element> {
    let lines = headers.get_all(http::header::FORWARDED).iter().filter_map(|line| line.to_str().ok());
    let mut elements: Vec<Element> =
        lines.flat_map(|line| split(line, ',').into_iter().map(element).collect::<Vec<_>>()).collect();
    let more = elements.len().saturating_sub(MAX_ELEMENTS);
    elements.drain(..more);
    elements
}

fn element(text: &str) -> Element {
    let mut element = Element::default();
    for pair in split(text, ';') {
        let Some((name, value)) = pair.split_once('=') else { continue };
        let value = unquoted(value.trim());
        match name.trim().to_ascii_lowercase().as_str() {
            "for" => element.client = address(&value),
            "proto" => element.scheme = Some(value),
            "host" => element.host = Some(value),
            _ => {}
        }
    }
    element
}

/// The parts between separators that are not within quotes.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if character == separator && !quoted => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + character.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

/// A quoted string's content (RFC 9110 section 5.6.4), or the token as it is.
fn unquoted(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return text.to_owned();
    };
    let mut escaped = false;
    inner
        .chars()
        .filter(|character| {
            escaped = !escaped && *character == '\\';
            !escaped
        })
        .collect()
}

/// `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]`, `[2001:db8::1]:80`. Names that
/// hide who it was, `unknown` and `_gazonk`, are no address.
fn address(text: &str) -> Option<IpAddr> {
    let plain = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    plain.parse().ok().or_else(with_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Vec<Element> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(http::header::FORWARDED, line.parse().unwrap());
        }
        elements(&headers)
    }

    #[test]
    fn elements_are_read_as_the_rfc_writes_them() {
        let read = read(&[
            "for=192.0.2.43, For=\"[2001:db8:cafe::17]:4711\"",
            "for=192.0.2.60;proto=https;by=203.0.113.43;host=\"px.example:8443\"",
            "for=unknown, for=_gazonk, for=\"a,b;c=d\"",
        ]);
        let clients: Vec<_> = read.iter().map(|element| element.client.map(|ip| ip.to_string())).collect();
        assert_eq!(
            clients,
            [
                Some("192.0.2.43".to_owned()),
                Some("2001:db8:cafe::17".to_owned()),
                Some("192.0.2.60".to_owned()),
                None,
                None,
                None
            ]
        );
        assert_eq!(read[2].scheme.as_deref(), Some("https"));
        assert_eq!(read[2].host.as_deref(), Some("px.example:8443"));
    }

    #[test]
    fn quotes_that_do_not_end_end_with_the_line() {
        assert_eq!(read(&["for=\"1.2.3.4, for=5.6.7.8"]).len(), 1);
        assert_eq!(read(&["host=\"a\\\"b\""])[0].host.as_deref(), Some("a\"b"));
        assert_eq!(read(&[", ,"]).len(), 3);
        assert_eq!(read(&[&"for=1.2.3.4,".repeat(100)]).len(), MAX_ELEMENTS);
    }
}
