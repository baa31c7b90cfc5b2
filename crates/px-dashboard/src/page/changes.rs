//! The events of a run at which a part of its state became another one.

use maud::{Markup, html};
use px_api::{RunId, Timestamp};
use serde_json::Value;

use crate::json_tree;
use crate::shell::{Frame, heading, nothing, shell};
use crate::table::{Column, empty, table};
use crate::text::{outsider, outsider_cut, short_id, tail_of, visible};
use crate::{Href, Query, Session, number, route, time};

/// Characters of a value and of a step that a row shows.
const MAX_VALUE: usize = 160;
const MAX_STEP: usize = 60;

/// An event at which the part changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Number of the event.
    pub seq: u64,
    /// Its time.
    pub at: Timestamp,
    /// Its type.
    pub kind: String,
    /// The step that it is about.
    pub step: Option<String>,
    /// The part after it; none if it is gone.
    pub value: Option<Value>,
}

/// The changes of a part of a run's state.
#[derive(Debug, Clone)]
pub struct ChangesView<'a> {
    /// The run.
    pub run: RunId,
    /// JSON pointer of the part.
    pub path: &'a str,
    /// The changes, oldest first.
    pub changes: &'a [Change],
    /// Number of the event behind which was looked.
    pub after: u64,
    /// Number of the last event that was looked at.
    pub until: u64,
    /// Number of all events.
    pub seq: u64,
}

/// The changes of a part of a run's state.
#[must_use]
pub fn changes(view: &ChangesView<'_>, who: &Session) -> Markup {
    let id = view.run.to_string();
    let title = if view.path.is_empty() { "/" } else { view.path };
    let frame = Frame::new(route::CHANGES, format!("Changes of {} of {}", visible(title), tail_of(&id)))
        .place(route::RUNS);
    let href = frame.href();
    let part = Query::new().and(route::field::PATH, view.path);
    let about = html! {
        span { "when it changed in " a href=(href.to(route::RUN, &[&id])) { (short_id(&id)) } }
        span { a href=(href.with(route::VALUE, &[&id], &part)) { "Its value now" } }
    };
    let columns = [
        Column("#", "n"),
        Column("Time", ""),
        Column("Event", "o"),
        Column("Step", "o"),
        Column("Became", "grow"),
    ];
    let rows: Vec<Markup> = view.changes.iter().map(|change| row(change, &id, href, who)).collect();
    let body = html! {
        (heading(&html! { code { (outsider(title)) } }, &about, &nothing()))
        @if rows.is_empty() { (empty("It did not change in these events.", None)) }
        @else { (table("Events at which the part changed, oldest first", &columns, &rows)) }
        (looked(view, &id, &part, href))
    };
    shell(&frame, who, &body)
}

fn row(change: &Change, id: &str, href: Href, who: &Session) -> Markup {
    let at = Query::new().and(route::field::AT, change.seq);
    html! {
        tr data-row=(change.seq) {
            td.n { a href={ (href.with(route::RUN, &[id], &at)) "#state" } title="The state after this event" { (change.seq) } }
            td.t { (time::exact(change.at, who)) }
            td.o { (outsider(&change.kind)) }
            td.o { @if let Some(step) = &change.step { (outsider_cut(step, MAX_STEP)) } }
            td.grow { @match &change.value {
                Some(value) => code { (outsider(&json_tree::line(value, MAX_VALUE))) },
                None => span.m { "it is gone" },
            } }
        }
    }
}

/// How far was looked, and the way on.
fn looked(view: &ChangesView<'_>, id: &str, part: &Query, href: Href) -> Markup {
    let looked = view.until.saturating_sub(view.after);
    html! {
        nav.pager aria-label="Pages of the log" {
            @if view.after > 0 { a href=(href.with(route::CHANGES, &[id], part)) rel="first" { "‹ beginning" } }
            span.m {
                (number::of(looked, "event")) " of " (view.seq) " looked at"
                @if view.after > 0 { ", from " (view.after + 1) " on" }
            }
            @if view.until < view.seq {
                a href=(href.with(route::CHANGES, &[id], &part.clone().and("after", view.until))) rel="next" { "next page ›" }
            }
        }
    }
}
