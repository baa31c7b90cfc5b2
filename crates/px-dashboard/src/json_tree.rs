//! JSON as nested parts that open and close, in the order and with the numbers that it has.
//! A large value is drawn in part: each part has a page of its own, which draws more of it.

use maud::{Markup, html};
use serde_json::Value;

use crate::text::visible;
use crate::{Href, Query, number, route};

/// Nodes of a value that one page draws.
const MAX_NODES: usize = 200;
/// Levels that are open at first.
const OPEN_DEPTH: usize = 3;
/// Characters of a text that are drawn.
const MAX_TEXT: usize = 200;

/// Place of a value: the run and the event after which it was so. Without one, its parts are no links.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) href: Href,
    pub(crate) run: String,
    pub(crate) at: Option<u64>,
    /// JSON pointer of the value that is drawn.
    pub(crate) path: String,
    /// Number of its parts that are passed over.
    pub(crate) from: usize,
}

impl Source {
    pub(crate) fn link(&self, path: &str, from: usize) -> String {
        let from = (from > 0).then_some(from);
        let query = Query::new().maybe(route::field::AT, self.at).and(route::field::PATH, path);
        let query = query.maybe(route::field::FROM, from);
        self.href.with(route::VALUE, &[&self.run], &query)
    }
}

/// A value that belongs to no run.
pub(crate) fn tree(value: &Value) -> Markup {
    draw(value, None)
}

/// The state of a run, or a part of it.
pub(crate) fn tree_of(value: &Value, source: &Source) -> Markup {
    draw(value, Some(source))
}

fn draw(value: &Value, source: Option<&Source>) -> Markup {
    let mut tree = Tree { left: MAX_NODES, source };
    let path = source.map_or(String::new(), |source| source.path.clone());
    html! { div.json { (tree.node(None, value, &path, 0)) } }
}

struct Tree<'a> {
    left: usize,
    source: Option<&'a Source>,
}

impl Tree<'_> {
    /// A key and its value.
    fn node(&mut self, key: Option<&str>, value: &Value, path: &str, depth: usize) -> Markup {
        self.left = self.left.saturating_sub(1);
        let parts: Vec<(String, &Value)> = match value {
            Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
            Value::Array(items) => {
                items.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect()
            }
            _ => return html! { div.leaf { (self.key(key, path)) (scalar(value)) } },
        };
        if parts.is_empty() {
            return html! { div.leaf { (self.key(key, path)) span.m { (brackets(value)) } } };
        }
        let is_open = depth < OPEN_DEPTH;
        // The link stands beside the fold: within what opens it, keys and screen readers would not find it.
        html! {
            div.node {
                details open[is_open] {
                    summary {
                        @if let Some(key) = key { span.k { (visible(key)) } span.m { ": " } }
                        span.m { (summary(value, parts.len())) }
                    }
                    (self.children(&parts, path, depth))
                }
                @if let (Some(key), Some(source)) = (key, self.source) {
                    a.part href=(source.link(path, 0)) { "open" span.vh { " " (visible(key)) } }
                }
            }
        }
    }

    fn children(&mut self, parts: &[(String, &Value)], path: &str, depth: usize) -> Markup {
        let from = self.source.map_or(0, |source| if depth == 0 { source.from } else { 0 });
        let mut drawn = Vec::new();
        for (name, value) in parts.iter().skip(from) {
            if self.left == 0 {
                break;
            }
            let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
            drawn.push(self.node(Some(name), value, &path, depth + 1));
        }
        let next = from.saturating_add(drawn.len());
        let rest = parts.len().saturating_sub(next);
        let text = format!("{} more", number::whole(u64::try_from(rest).unwrap_or(u64::MAX)));
        html! {
            div.kids {
                @for part in &drawn { (part) }
                @if rest > 0 {
                    div.leaf {
                        @match self.source {
                            Some(source) => a href=(source.link(path, next)) { (text) },
                            None => span.m { (text) },
                        }
                    }
                }
            }
        }
    }

    /// A key, which leads to the page of its part.
    fn key(&self, key: Option<&str>, path: &str) -> Markup {
        html! {
            @if let Some(key) = key {
                @match self.source {
                    Some(source) => a.k href=(source.link(path, 0)) { (visible(key)) },
                    None => span.k { (visible(key)) },
                }
                span.m { ": " }
            }
        }
    }
}

fn brackets(value: &Value) -> &'static str {
    if value.is_array() { "[]" } else { "{}" }
}

fn summary(value: &Value, parts: usize) -> String {
    let parts = u64::try_from(parts).unwrap_or(u64::MAX);
    match value {
        Value::Array(_) => format!("[ {} ]", number::of(parts, "item")),
        _ => format!("{{ {} }}", number::of(parts, "key")),
    }
}

/// A value without parts.
fn scalar(value: &Value) -> Markup {
    let Value::String(text) = value else {
        return html! { span.v { (value) } };
    };
    let length = text.chars().count();
    let end = text.char_indices().nth(MAX_TEXT).map(|(end, _)| end);
    let shown = end.and_then(|end| text.get(..end)).unwrap_or(text);
    html! {
        span.t { "\"" bdi { (visible(shown)) } @if end.is_some() { "…" } "\"" }
        @if end.is_some() {
            span.m { " " (number::of(u64::try_from(length).unwrap_or(u64::MAX), "character")) }
        }
    }
}

/// The value in one line, as much of it as fits into so many characters.
pub(crate) fn line(value: &Value, most: usize) -> String {
    let text = value.to_string();
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: usize) -> Value {
        (0..depth).fold(Value::from(1), |value, _| Value::Array(vec![value]))
    }

    #[test]
    fn a_large_value_is_drawn_in_part_and_says_so() {
        let value = Value::Array((0..1_000).map(Value::from).collect());
        let page = tree(&value).into_string();
        assert_eq!(page.matches("class=\"v\"").count(), MAX_NODES - 1);
        assert!(page.contains("801 more"), "{page}");
        assert!(page.contains("[ 1\u{202f}000\u{a0}items ]"));
    }

    #[test]
    fn three_levels_are_open_and_a_deep_one_is_drawn_no_deeper_than_its_nodes() {
        let page = tree(&nested(500)).into_string();
        assert_eq!(page.matches("<details open>").count(), 3);
        assert_eq!(page.matches("<details").count(), MAX_NODES);
    }

    #[test]
    fn a_long_text_is_cut_and_its_length_said() {
        let page = tree(&Value::from("é".repeat(300))).into_string();
        assert!(
            page.contains(&format!("{}</bdi>…", "é".repeat(200))) && page.contains("300\u{a0}characters"),
            "{page}"
        );
    }

    #[test]
    fn a_part_is_linked_by_its_pointer() {
        let source = Source {
            href: Href::of(route::RUN),
            run: "run_1".to_owned(),
            at: Some(9),
            path: String::new(),
            from: 0,
        };
        let value: Value = [("a/b", Value::from("x"))].into_iter().collect();
        let page = tree_of(&value, &source).into_string();
        assert!(page.contains("href=\"../runs/run_1/value?at=9&amp;path=%2Fa~1b\""), "{page}");
    }
}
