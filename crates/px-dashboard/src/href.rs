//! Relative links. A page knows how many folders below the dashboard's root it lies, and
//! climbs by that; so px works at the root of a host, behind a proxy that strips a prefix, and
//! behind one that does not.

use crate::route::Route;

/// Links as seen from a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Href {
    depth: usize,
}

impl Href {
    /// Links as seen from a page of this route: `runs` lies at depth 0, `runs/{id}` at depth 1.
    #[must_use]
    pub const fn of(route: Route) -> Self {
        Self::at_depth(route.depth())
    }

    /// Links as seen from this many folders below the root of the dashboard.
    #[must_use]
    pub const fn at_depth(depth: usize) -> Self {
        Self { depth }
    }

    /// The link to a route, its parts filled in and escaped.
    #[must_use]
    pub fn to(self, route: Route, args: &[&str]) -> String {
        let mut args = args.iter();
        let mut out = self.root();
        let parts = route.path.split('/').map(|part| match part.starts_with('{') {
            true => escaped(args.next().copied().unwrap_or_default()),
            false => part.to_owned(),
        });
        out.push_str(&parts.collect::<Vec<_>>().join("/"));
        out
    }

    /// The link to a route with a query.
    #[must_use]
    pub fn with(self, route: Route, args: &[&str], query: &Query) -> String {
        self.to(route, args) + &query.text()
    }

    /// The link to a file of [`crate::assets`].
    pub(crate) fn asset(self, name: &str) -> String {
        format!("{}assets/{name}", self.root())
    }

    /// The root of the dashboard: an empty link would be the page itself.
    fn root(self) -> String {
        if self.depth == 0 { "./".to_owned() } else { "../".repeat(self.depth) }
    }
}

/// A query; fields that are empty are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<(&'static str, String)>);

impl Query {
    /// No field.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The same with this field, instead of an earlier one of its name.
    #[must_use]
    pub fn and(mut self, name: &'static str, value: impl ToString) -> Self {
        self.0.retain(|(known, _)| *known != name);
        let value = value.to_string();
        if !value.is_empty() {
            self.0.push((name, value));
        }
        self
    }

    /// The same with this field, if there is a value.
    #[must_use]
    pub fn maybe(self, name: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.and(name, value),
            None => self,
        }
    }

    /// The same with this field once for each value.
    #[must_use]
    pub fn each(mut self, name: &'static str, values: impl IntoIterator<Item = impl ToString>) -> Self {
        let values = values.into_iter().map(|value| (name, value.to_string()));
        self.0.extend(values.filter(|(_, value)| !value.is_empty()));
        self
    }

    /// The same without a field.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.retain(|(known, _)| *known != name);
        self
    }

    /// The fields in their order.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// The query with its question mark; nothing if it is empty.
    fn text(&self) -> String {
        let fields: Vec<String> =
            self.0.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        if fields.is_empty() { String::new() } else { format!("?{}", fields.join("&")) }
    }
}

/// A text as a part of a path or a query: everything but unreserved letters is escaped (RFC 3986, 2.3).
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    // Browsers take these for folders, escaped or not.
    match out.as_str() {
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        _ => out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route;

    #[test]
    fn links_climb_to_the_root_and_escape_what_they_name() {
        assert_eq!(Href::of(route::RUNS).to(route::OVERVIEW, &[]), "./");
        assert_eq!(Href::of(route::RUNS).to(route::RUN, &["run_1"]), "./runs/run_1");
        assert_eq!(Href::of(route::RUN).to(route::WEBHOOK, &["a b/c"]), "../webhooks/a%20b%2Fc");
        assert_eq!(Href::of(route::VALUE).to(route::OVERVIEW, &[]), "../../");
    }

    #[test]
    fn a_query_has_each_field_once_and_no_empty_one() {
        let query = Query::new().and("status", "paused").and("brain", "").and("status", "a,b&c");
        assert_eq!(Href::of(route::RUNS).with(route::RUNS, &[], &query), "./runs?status=a%2Cb%26c");
        assert_eq!(query.without("status").text(), "");
    }

    #[test]
    fn a_field_of_several_values_is_there_once_for_each() {
        let query = Query::new().each("label", ["order=o2", "", "outcome=paid, in part"]).and("brain", "a");
        assert_eq!(query.text(), "?label=order%3Do2&label=outcome%3Dpaid%2C%20in%20part&brain=a");
        assert_eq!(query.and("label", "order=o3").text(), "?brain=a&label=order%3Do3");
    }
}
