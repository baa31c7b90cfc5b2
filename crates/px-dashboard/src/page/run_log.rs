//! The log of a run as a table: what repeats itself is left out at first, and each entry has an address.

use maud::{Markup, html};
use px_api::{Event, Events, Timestamp};

use crate::table::{Column, table};
use crate::text::{outsider, outsider_cut};
use crate::{Href, Query, Session, log_line, number, route, time};

const COLUMNS: [Column; 6] = [
    Column("#", "n"),
    Column("Time", ""),
    Column("After", "n o"),
    Column("Event", ""),
    Column("Step", "o"),
    Column("Facts", "grow"),
];

/// Entries that say the statuses of steps once more.
const REPEATING: &str = "step:status";

/// A page of a log.
pub(super) struct Log<'a> {
    pub(super) run: &'a str,
    pub(super) events: &'a Events,
    /// Number of the event that the page begins behind.
    pub(super) after: Option<u64>,
    /// Number of the event whose state is shown.
    pub(super) at: Option<u64>,
    /// Number of all entries.
    pub(super) seq: u64,
    pub(super) shows_all: bool,
}

impl Log<'_> {
    fn query(&self) -> Query {
        Query::new()
            .maybe(route::field::AT, self.at)
            .maybe("after", self.after)
            .maybe("all", self.shows_all.then_some("1"))
    }

    fn link(&self, href: Href, query: &Query, place: &str) -> String {
        format!("{}#{place}", href.with(route::RUN, &[self.run], query))
    }
}

/// The log.
pub(super) fn log(log: &Log<'_>, href: Href, who: &Session) -> Markup {
    let events = &log.events.events;
    let repeating = events.iter().filter(|event| event.kind == REPEATING).count();
    let shown = events.iter().filter(|event| log.shows_all || event.kind != REPEATING);
    let mut before = None;
    let rows: Vec<Markup> =
        shown.map(|event| row(log, event, before.replace(event.timestamp), href, who)).collect();
    html! {
        section aria-labelledby="log-h" data-part="log" #log {
            h2 #log-h { "Log" }
            (table("Log of the run", &COLUMNS, &rows))
            (pages(log, href))
            @if repeating > 0 {
                @let all = log.query().maybe("all", (!log.shows_all).then_some("1"));
                @let all = if log.shows_all { all.without("all") } else { all };
                p.m { a href=(log.link(href, &all, "log")) {
                    @if log.shows_all { "Hide " } @else { "Show " }
                    (number::of(u64::try_from(repeating).unwrap_or(u64::MAX), "status entry").replace("entrys", "entries"))
                } }
            }
        }
    }
}

fn row(log: &Log<'_>, event: &Event, before: Option<Timestamp>, href: Href, who: &Session) -> Markup {
    let at = log.query().and(route::field::AT, event.seq);
    let place = format!("e{}", event.seq);
    html! {
        tr #(place) aria-current=[(log.at == Some(event.seq)).then_some("true")] {
            td.n { a href=(log.link(href, &at, &place)) title="The state after this event" { (event.seq) } }
            td.t { (time::of_day(event.timestamp, who)) }
            td.n.o.m { @if let Some(before) = before { (gap(event.timestamp, before)) } }
            td { (kind(&event.kind)) }
            td.o { @if let Some(step) = event.step_id.as_ref().or(event.step_title.as_ref()) { (outsider_cut(step, 60)) } }
            td.grow { (log_line::facts(event)) }
        }
    }
}

/// Time between two entries, if it is worth the ink.
fn gap(at: Timestamp, before: Timestamp) -> Markup {
    let gap = at.since(before);
    html! { @if gap.as_millis() > 0 { "+" (time::short(gap)) } }
}

fn kind(kind: &str) -> Markup {
    match kind {
        "brain:error" => html! { span.s-bad { (kind) } },
        _ => outsider(kind),
    }
}

fn pages(log: &Log<'_>, href: Href) -> Markup {
    let first = log.query().without("after");
    html! {
        @if log.after.is_some() || log.events.next_cursor.is_some() {
            nav.pager aria-label="Pages of the log" {
                @if log.after.is_some() { a href=(log.link(href, &first, "log")) rel="first" { "‹ beginning" } }
                span.m { (number::whole(number::count(&log.events.events))) " of " (number::of(log.seq, "event")) }
                @if let Some(next) = log.events.next_cursor {
                    a href=(log.link(href, &first.and("after", next), "log")) rel="next" { "next page ›" }
                }
            }
        }
    }
}
