//! A part of a run's state, on a page of its own.

use maud::{Markup, html};
use px_api::RunId;
use serde_json::Value;

use crate::json_tree::{self, Source};
use crate::shell::{Frame, heading, shell};
use crate::text::{outsider, short_id, tail_of, visible};
use crate::{Query, Session, form, route};

/// A part of a state.
#[derive(Debug, Clone)]
pub struct ValueView<'a> {
    /// The run.
    pub run: RunId,
    /// Number of the event after which it was so; the newest if it is not said.
    pub at: Option<u64>,
    /// JSON pointer of the part.
    pub path: &'a str,
    /// The part.
    pub value: &'a Value,
    /// Number of its parts that are passed over.
    pub from: usize,
}

/// A part of a state.
#[must_use]
pub fn value(view: &ValueView<'_>, who: &Session) -> Markup {
    let id = view.run.to_string();
    let frame =
        Frame::new(route::VALUE, format!("{} of {}", visible(view.path), tail_of(&id))).place(route::RUNS);
    let href = frame.href();
    let at = Query::new().maybe(route::field::AT, view.at);
    let source = Source { href, run: id.clone(), at: view.at, path: view.path.to_owned(), from: view.from };
    let about = html! {
        span { "of " a href={ (href.with(route::RUN, &[&id], &at)) "#state" } { (short_id(&id)) } }
        span { @match view.at { Some(at) => { "after event " (at) }, None => "now" } }
    };
    let title = if view.path.is_empty() { "/" } else { view.path };
    let body = html! {
        (heading(&html! { code { (outsider(title)) } }, &about, &html! {}))
        nav.crumbs aria-label="Parts around it" { (crumbs(&source)) }
        (json_tree::tree_of(view.value, &source))
        div.row {
            a href=(href.with(route::STATE, &[&id], &at.and(route::field::PATH, view.path))) download { "Download" }
            a href=(href.with(route::CHANGES, &[&id], &Query::new().and(route::field::PATH, view.path))) { "When did it change" }
            (form::copy("Copy path", view.path))
            @if !view.value.is_object() && !view.value.is_array() {
                (form::copy("Copy value", &plain(view.value)))
                @let same = Query::new().and("where", format!("{}={}", view.path, plain(view.value)));
                a href=(href.with(route::RUNS, &[], &same)) { "Runs with this value" }
            }
        }
    };
    shell(&frame, who, &body)
}

/// A value without quotes, as the filter of the list of runs takes it.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Links to the parts around a part.
fn crumbs(source: &Source) -> Markup {
    let mut path = String::new();
    let parts: Vec<(String, String)> = source
        .path
        .split('/')
        .skip(1)
        .map(|part| {
            path.push('/');
            path.push_str(part);
            (path.clone(), part.replace("~1", "/").replace("~0", "~"))
        })
        .collect();
    html! {
        a href=(source.link("", 0)) { "state" }
        @for (path, name) in &parts { span.m { " / " } a href=(source.link(path, 0)) { (outsider(name)) } }
    }
}
