//! The overdue radar of the index of waits: who has waited for longer than a brain expects, and which timers
//! should have rung.

use std::time::Duration;

use maud::{Markup, html};
use px_api::{DuePage, LatePage, LateWait};

use super::waits::due;
use crate::table::{Column, empty, table};
use crate::text::{identifier_cut, outsider, outsider_cut, short_id};
use crate::{Href, Session, number, route, time};

/// Characters of a text that a row shows.
const MAX_TEXT: usize = 72;

/// The late waits, and the timers that have not rung.
pub(super) fn late(page: &LatePage, rung: &DuePage, href: Href, who: &Session) -> Markup {
    if page.late.is_empty() && rung.due.is_empty() {
        let text = "Nothing is overdue. A brain says within which time it expects an answer by .expect(Duration::from_hours(1)) \
                    behind the step that waits.";
        return html! { (empty(text, None)) (looked(page)) };
    }
    let columns = [
        Column("Waiting", "n"),
        Column("Expected within", "n"),
        Column("Run", ""),
        Column("Brain", ""),
        Column("Step", "o"),
        Column("Waits for", "grow"),
    ];
    let rows: Vec<Markup> = page.late.iter().map(|one| row(one, href, who)).collect();
    html! {
        @if !rows.is_empty() { (table("Waits that are older than their brain expects", &columns, &rows)) }
        (looked(page))
        @if !rung.due.is_empty() {
            h2 { "Timers that should have rung" }
            (due(rung, href, who))
        }
    }
}

/// How far was looked, where that is not to the end.
fn looked(page: &LatePage) -> Markup {
    html! {
        @if page.next_cursor.is_some() {
            p.m { (number::of(page.looked, "waiting run")) " were looked at; the next page goes on behind them." }
        }
    }
}

fn row(one: &LateWait, href: Href, who: &Session) -> Markup {
    let id = one.brain_run_id.to_string();
    html! {
        tr data-row=(id) {
            td.n { span.s-bad { (time::ago(one.since, who)) } }
            td.n { span.nr { "expected within " } (time::short(Duration::from_millis(one.expected_within))) }
            td { a href=(href.to(route::RUN, &[&id])) { (short_id(&id)) } }
            td { (outsider(&one.brain_title)) }
            td.o { @if let Some(step) = &one.step { (outsider_cut(step, MAX_TEXT)) } }
            td.grow { @for (at, place) in one.awaits.iter().take(2).enumerate() {
                @if at > 0 { span.m { " | " } } span.m { (place.slug) } " " (identifier_cut(&place.identifier, MAX_TEXT))
            } }
        }
    }
}
