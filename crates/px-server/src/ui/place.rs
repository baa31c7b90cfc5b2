//! Places of the page as the browser has to name them: relative, since px may lie behind
//! a prefix that it does not know.

use http::Uri;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// Path below which the page lies.
pub(super) const ROOT: &str = "/ui/";

/// What cannot stand in the value of a query.
const VALUE: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'<')
    .add(b'>')
    .add(b'=')
    .add(b'?');

/// Longest way back that is remembered, bytes.
const MAX_PLACE: usize = 2_048;

/// Mark in a query of somebody who was sent to fetch a cookie.
const WELCOMED: &str = "_px=1";

/// A place of the page, from its root, with the query: `runs/run_…?at=3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place(String);

impl Place {
    /// The place that was asked.
    pub(super) fn of(uri: &Uri) -> Self {
        let whole = uri.path_and_query().map_or("", |whole| whole.as_str());
        Self(whole.strip_prefix(ROOT).unwrap_or_default().to_owned())
    }

    /// The place that a query or a form names; the root for what leads elsewhere.
    pub(super) fn read(text: &str) -> Self {
        let (path, _) = text.split_once('?').unwrap_or((text, ""));
        let is_ours = text.len() <= MAX_PLACE
            && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#'))
            // Browsers take an escaped dot for a dot, and others an escaped slash for a slash.
            && !path.contains('%')
            && !path.starts_with('/')
            && !path.contains(':')
            && path.split('/').all(|part| !matches!(part, "." | ".."));
        Self(if is_ours { text.to_owned() } else { String::new() })
    }

    /// The way from the root of the page.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Number of folders below the root in which it lies.
    pub(super) fn depth(&self) -> usize {
        let (path, _) = self.0.split_once('?').unwrap_or((&self.0, ""));
        path.matches('/').count()
    }

    /// The way from here to the root of the page.
    pub(super) fn up(&self) -> String {
        if self.depth() == 0 { "./".to_owned() } else { "../".repeat(self.depth()) }
    }

    /// The place as the value of a query.
    pub(super) fn as_value(&self) -> String {
        Self::value_of(&self.0)
    }

    /// A text as the value of a query.
    pub(super) fn value_of(text: &str) -> String {
        utf8_percent_encode(text, VALUE).to_string()
    }

    /// The same for somebody who was sent to fetch a cookie.
    pub(super) fn welcomed(&self) -> Self {
        let joint = if self.0.contains('?') { '&' } else { '?' };
        Self(format!("{}{joint}{WELCOMED}", self.0))
    }

    /// The same without that mark; `None` if it has none.
    pub(super) fn without_welcome(&self) -> Option<Self> {
        let (path, query) = self.0.split_once('?')?;
        let rest: Vec<_> = query.split('&').filter(|pair| *pair != WELCOMED).collect();
        let rest = rest.join("&");
        let is_marked = rest.len() != query.len();
        is_marked.then(|| Self(if rest.is_empty() { path.to_owned() } else { format!("{path}?{rest}") }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_knows_its_way_to_the_root() {
        for (asked, place, up) in [
            ("/ui/", "", "./"),
            ("/ui/runs?status=paused", "runs?status=paused", "./"),
            ("/ui/runs/run_1?at=a/b", "runs/run_1?at=a/b", "../"),
            ("/ui/runs/run_1/value", "runs/run_1/value", "../../"),
        ] {
            let found = Place::of(&asked.parse().unwrap());
            assert_eq!((found.as_str(), found.up().as_str()), (place, up), "{asked}");
        }
    }

    #[test]
    fn no_place_leads_out_of_the_page() {
        for wrong in [
            "/etc",
            "//evil.example",
            "https://evil.example",
            "../status",
            "runs/../../status",
            "a\\b",
            "./x",
            "%2e%2e/status",
            "runs/%2E%2E/%2e./x",
            "a%2fb",
            "a%5cb",
            "runs#x",
            "javascript:alert(1)",
            "a b",
            "ä",
            "a\r\nb",
        ] {
            assert_eq!(Place::read(wrong).as_str(), "", "{wrong:?}");
        }
        assert_eq!(Place::read("runs/run_1?at=3&path=/a:b").as_str(), "runs/run_1?at=3&path=/a:b");
        assert_eq!(Place::read(&"a".repeat(MAX_PLACE + 1)).as_str(), "");
    }

    #[test]
    fn the_mark_of_a_welcome_comes_off_again() {
        for place in ["runs/x", "runs/x?at=3", "runs/x?at=3&b=4"] {
            let place = Place::read(place);
            assert_eq!(place.welcomed().without_welcome(), Some(place.clone()));
            assert_eq!(place.without_welcome(), None);
        }
    }

    #[test]
    fn a_place_is_one_value_of_a_query() {
        assert_eq!(Place::read("runs?a=b&c=%20+").as_value(), "runs%3Fa%3Db%26c%3D%2520%2B");
    }
}
