//! Tables: a caption for those who hear it, heads with a scope, and the links to other pages.

use maud::{Markup, html};

use crate::href::Query;
use crate::route::{Route, field};
use crate::{Href, form};

/// A head of a column. Columns marked `o` are left out of narrow pages;
/// the name of one marked `unsaid` is there for those who hear it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column(pub(crate) &'static str, pub(crate) &'static str);

/// A table of rows that are `tr` elements.
pub(crate) fn table(caption: &str, columns: &[Column], rows: &[Markup]) -> Markup {
    html! {
        div.scroll {
            table {
                caption.vh { (caption) }
                thead {
                    tr {
                        @for Column(name, class) in columns {
                            th scope="col" class=[Some(class).filter(|class| !class.is_empty())] {
                                // A column of boxes or buttons explains itself to whoever sees it.
                                @if class.ends_with("unsaid") { span.vh { (name) } } @else { (name) }
                            }
                        }
                    }
                }
                tbody { @for row in rows { (row) } }
            }
        }
    }
}

/// A list of names and values.
pub(crate) fn facts(facts: &[(&str, Markup)]) -> Markup {
    html! {
        dl.facts { @for (name, value) in facts { div { dt { (name) } dd { (value) } } } }
    }
}

/// A sentence in the place of a list that has nothing, and the one command that fills it.
pub(crate) fn empty(sentence: &str, command: Option<&str>) -> Markup {
    html! {
        div.empty { p { (sentence) } @if let Some(command) = command { p { (form::command(command)) } } }
    }
}

/// Links to the beginning of a list and to its next page.
pub(crate) fn pager(
    href: Href,
    (route, args): (Route, &[&str]),
    query: &Query,
    here: Option<&str>,
    next: Option<&str>,
) -> Markup {
    let first = query.clone().without(field::CURSOR);
    html! {
        @if here.is_some() || next.is_some() {
            nav.pager aria-label="Pages of the list" {
                @if here.is_some() {
                    a href=(href.with(route, args, &first)) rel="first" { "‹ newest" }
                }
                @if let Some(next) = next {
                    @let query = first.clone().and(field::CURSOR, next);
                    a href=(href.with(route, args, &query)) rel="next" { "next page ›" }
                }
            }
        }
    }
}

/// Links between views of one page.
pub(crate) fn tabs(label: &str, tabs: &[(&str, String, bool)]) -> Markup {
    html! {
        nav.tabs aria-label=(label) {
            @for (name, link, is_current) in tabs {
                a href=(link) aria-current=[is_current.then_some("page")] { (name) }
            }
        }
    }
}
