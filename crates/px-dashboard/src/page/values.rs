//! Values that outlive runs: the brains that have some, and each of their values.

use maud::{Markup, html};
use px_api::{StoreBrains, StoreKeys, StoreValue};

use super::store::views;
use crate::shell::{Frame, heading, nothing, shell};
use crate::table::{Column, empty, facts, pager, table};
use crate::text::{outsider, visible};
use crate::{Query, Session, json_tree, number, route};

/// The brains that have values. `cursor` is the one of this page.
#[must_use]
pub fn values(view: &StoreBrains, cursor: Option<&str>, who: &Session) -> Markup {
    let frame = Frame::new(route::VALUES, "Values");
    let href = frame.href();
    let row = |title: &String| html! { tr data-row=(title) { td.grow { a href=(href.to(route::VALUES_OF, &[title])) { (outsider(title)) } } } };
    let rows: Vec<Markup> = view.brains.iter().map(row).collect();
    let body = html! {
        (heading(&html! { "Values" }, &nothing(), &nothing()))
        (views(true, href))
        @if rows.is_empty() { (empty("No brain has put a value that outlives its runs.", None)) }
        @else { (table("Brains that have values", &[Column("Brain", "grow")], &rows)) p.m { (number::of(view.count, "brain")) } }
        (pager(href, (route::VALUES, &[]), &Query::new(), cursor, view.next_cursor.as_deref()))
    };
    shell(&frame, who, &body)
}

/// The values of a brain. `cursor` is the one of this page.
#[must_use]
pub fn values_of(brain: &str, view: &StoreKeys, cursor: Option<&str>, who: &Session) -> Markup {
    let frame = Frame::new(route::VALUES_OF, format!("Values of {}", visible(brain))).place(route::VALUES);
    let href = frame.href();
    let columns = [Column("Key", "grow"), Column("Scope", ""), Column("Size", "n"), Column("Written", "o")];
    let rows: Vec<Markup> = view
        .keys
        .iter()
        .map(|one| {
            html! {
                tr {
                    td.grow { a href=(href.to(route::KV, &[brain, &one.scope, &one.key])) { (outsider(&one.key)) } }
                    td { (outsider(&one.scope)) }
                    td.n { (number::bytes(one.size)) }
                    td.o { (one.last_modified) }
                }
            }
        })
        .collect();
    let about = html! { span { "of " a href=(href.to(route::BRAIN, &[brain])) { (outsider(brain)) } } span { (number::of(view.count, "value")) } };
    let body = html! {
        (heading(&html! { "Values" }, &about, &nothing()))
        @if rows.is_empty() { (empty("This brain has no value.", None)) } @else { (table("Values", &columns, &rows)) }
        (pager(href, (route::VALUES_OF, &[brain]), &Query::new(), cursor, view.next_cursor.as_deref()))
    };
    shell(&frame, who, &body)
}

/// A value that outlives runs.
#[must_use]
pub fn kv(brain: &str, view: &StoreValue, who: &Session) -> Markup {
    let frame = Frame::new(route::KV, visible(&view.key)).place(route::VALUES);
    let href = frame.href();
    let body = html! {
        (heading(&html! { (outsider(&view.key)) }, &html! { span { "of " a href=(href.to(route::VALUES_OF, &[brain])) { (outsider(brain)) } } }, &nothing()))
        (facts(&[
            ("Scope", outsider(&view.scope)),
            ("Size", html! { (number::bytes(view.size)) }),
            ("Written", html! { (view.last_modified) }),
        ]))
        @if who.sees_payloads { (json_tree::tree(&view.value)) }
        @else { p.m { "Values are shown to the scope operate and above; this session has " (who.scope) "." } }
    };
    shell(&frame, who, &body)
}
