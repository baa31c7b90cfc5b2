//! The index of waits: who waits for what and in which order, what is due, and who has waited longest.

use maud::{Markup, html};
use px_api::{
    AwaitedKey, Due, DueKind, DuePage, LastEnd, LatePage, ListDue, ListLate, ListWaits, RunPage, RunSummary,
    WaitEnd, WaitPage, Waiting,
};

use super::overdue::late;
use super::runs::awaited;
use crate::asset::File;
use crate::shell::{Frame, heading, nothing, shell};
use crate::status::{Tone, signed};
use crate::table::{Column, empty, pager, table, tabs};
use crate::text::{identifier_cut, outsider, outsider_cut, short_id, visible};
use crate::{Href, Query, Session, form, number, route, status, time};

/// Characters of an identifier that a row shows.
const MAX_TEXT: usize = 72;

/// A view of the index.
#[derive(Debug, Clone)]
pub enum WaitsKind<'a> {
    /// By webhook and identifier.
    ByKey(&'a ListWaits, &'a WaitPage),
    /// By the time at which a run goes on without an event, soonest first.
    Due(&'a ListDue, &'a DuePage),
    /// The runs that wait, the one that has waited longest first, with the cursor of the page.
    Oldest(Option<&'a str>, &'a RunPage),
    /// Waits that are older than their brain expects, and what should have rung by now.
    Late(&'a ListLate, &'a LatePage, &'a DuePage),
}

/// The index of waits.
#[derive(Debug, Clone)]
pub struct WaitsView<'a> {
    /// The view.
    pub kind: WaitsKind<'a>,
    /// Slugs of the webhooks that can be chosen.
    pub slugs: &'a [String],
}

/// The index of waits.
#[must_use]
pub fn waits(view: &WaitsView<'_>, who: &Session) -> Markup {
    let query = query(&view.kind);
    let here = Href::at_depth(0).with(route::WAITS, &[], &query);
    let frame = Frame::new(route::WAITS, "Waits")
        .live("waits")
        .here(here.trim_start_matches("./"))
        .scripts(&[File::Run]);
    let href = frame.href();
    let body = html! {
        (heading(&html! { "Waits" }, &nothing(), &nothing()))
        (kinds(&view.kind, href))
        @match view.kind {
            WaitsKind::ByKey(list, page) => {
                (filter(list, view.slugs, href))
                (by_key(list, page, href, who))
            },
            WaitsKind::Due(_, page) => (due(page, href, who)),
            WaitsKind::Oldest(_, page) => (oldest(page, href, who)),
            WaitsKind::Late(_, page, rung) => (late(page, rung, href, who)),
        }
        (pager(href, (route::WAITS, &[]), &query, cursor(&view.kind), next(&view.kind)))
    };
    shell(&frame, who, &body)
}

fn query(kind: &WaitsKind<'_>) -> Query {
    match kind {
        WaitsKind::ByKey(list, _) => Query::new()
            .maybe("slug", list.slug.as_ref())
            .maybe("identifier", list.identifier.as_ref())
            .maybe("prefix", list.prefix.as_ref()),
        WaitsKind::Due(..) => Query::new().and("view", "due"),
        WaitsKind::Oldest(..) => Query::new().and("view", "oldest"),
        WaitsKind::Late(..) => Query::new().and("view", "late"),
    }
}

fn cursor<'a>(kind: &WaitsKind<'a>) -> Option<&'a str> {
    match kind {
        WaitsKind::ByKey(list, _) => list.cursor.as_deref(),
        WaitsKind::Due(list, _) => list.cursor.as_deref(),
        WaitsKind::Oldest(cursor, _) => *cursor,
        WaitsKind::Late(list, ..) => list.cursor.as_deref(),
    }
}

fn next<'a>(kind: &WaitsKind<'a>) -> Option<&'a str> {
    match kind {
        WaitsKind::ByKey(_, page) => page.next_cursor.as_deref(),
        WaitsKind::Due(_, page) => page.next_cursor.as_deref(),
        WaitsKind::Oldest(_, page) => page.next_cursor.as_deref(),
        WaitsKind::Late(_, page, _) => page.next_cursor.as_deref(),
    }
}

fn kinds(kind: &WaitsKind<'_>, href: Href) -> Markup {
    let view = |name: &str| href.with(route::WAITS, &[], &Query::new().and("view", name));
    tabs(
        "Views of the waits",
        &[
            ("By key", view(""), matches!(kind, WaitsKind::ByKey(..))),
            ("Due", view("due"), matches!(kind, WaitsKind::Due(..))),
            ("Oldest runs", view("oldest"), matches!(kind, WaitsKind::Oldest(..))),
            ("Overdue", view("late"), matches!(kind, WaitsKind::Late(..))),
        ],
    )
}

fn filter(list: &ListWaits, slugs: &[String], href: Href) -> Markup {
    let slugs: Vec<(&str, &str)> = std::iter::once(("", "any webhook"))
        .chain(slugs.iter().map(|slug| (slug.as_str(), slug.as_str())))
        .collect();
    let is_asked = list.slug.is_some() || list.identifier.is_some() || list.prefix.is_some();
    html! {
        form.filter action=(href.to(route::WAITS, &[])) method="get" {
            (form::choice("slug", "Webhook", list.slug.as_deref(), &slugs))
            (form::text("identifier", "Identifier", list.identifier.as_deref(), "+15550100"))
            (form::text("prefix", "or begins with", list.prefix.as_deref(), "+1555"))
            div.row { button type="submit" { "Filter" } @if is_asked { a href=(href.to(route::WAITS, &[])) { "Clear" } } }
        }
    }
}

fn by_key(list: &ListWaits, page: &WaitPage, href: Href, who: &Session) -> Markup {
    let columns = [
        Column("Webhook", ""),
        Column("Identifier", "grow"),
        Column("Who waits, in order", ""),
        Column("For", "n"),
        Column("Left", "n"),
        Column("Kept", "n"),
    ];
    if page.keys.is_empty() {
        let is_asked = list.slug.is_some() || list.identifier.is_some() || list.prefix.is_some();
        return match is_asked {
            true => {
                html! { (empty("Nobody waits there, and nothing is kept there. An identifier is compared letter by letter; ‘or begins with’ finds those that begin alike.", None)) }
            }
            false => empty(
                "Nobody waits. A run that waits for a webhook is listed here; this sends one an event:",
                Some("px webhooks send WEBHOOK"),
            ),
        };
    }
    let rows: Vec<Markup> = page.keys.iter().flat_map(|key| rows_of(key, href, who)).collect();
    table("Waits by webhook and identifier", &columns, &rows)
}

/// A row for each who waits at a key, the first one with the key.
fn rows_of(key: &AwaitedKey, href: Href, who: &Session) -> Vec<Markup> {
    let hidden = key.count.saturating_sub(number::count(&key.waiting));
    let head = |waiting: Markup, since: Markup, left: Markup| {
        html! {
            tr data-row={ (visible(&key.slug)) " " (visible(&key.identifier)) } {
                td { (super::webhook::link(&key.slug, href)) }
                td.grow { (identifier_cut(&key.identifier, MAX_TEXT)) @if let Some(end) = &key.last_end { " " (ended(end, href, who)) } }
                td.w { (waiting) @if hidden > 0 { span.m { " +" (number::whole(hidden)) " more" } } }
                td.n { (since) }
                td.n { (left) }
                td.n { @if key.queued > 0 { (signed(Tone::Wait, "◷", &key.queued.to_string())) span.nr { " kept" } } }
            }
        }
    };
    let Some((first, rest)) = key.waiting.split_first() else {
        let owner = html! {
            @match key.owner {
                Some(run) => { span.m { "nobody; owned by " } a href=(href.to(route::RUN, &[&run.to_string()])) { (short_id(run)) } },
                None => span.m { "nobody" },
            }
        };
        return vec![head(owner, html! {}, html! {})];
    };
    let mut rows = vec![head(waiter(1, first, href), since(first, who), left(first, who))];
    rows.extend(rest.iter().zip(2..).map(|(waiting, at)| {
        html! {
            tr.more { td {} td.grow {} td.w { (waiter(at, waiting, href)) }
                td.n { (since(waiting, who)) } td.n { (left(waiting, who)) } td.n {} }
        }
    }));
    rows
}

fn waiter(at: usize, waiting: &Waiting, href: Href) -> Markup {
    html! {
        span.m { (at) ". " }
        a href=(href.to(route::RUN, &[&waiting.brain_run_id.to_string()])) { (short_id(waiting.brain_run_id)) }
        @if let Some(brain) = &waiting.brain_title { " " (outsider_cut(brain, 40)) }
        @if waiting.paused { " " (signed(Tone::Wait, "‖", "paused")) }
        @if waiting.wants_token { span.m { " with a token" } }
    }
}

fn since(waiting: &Waiting, who: &Session) -> Markup {
    html! { @if let Some(at) = waiting.since { span.nr { "for " } (time::ago(at, who)) } }
}

fn left(waiting: &Waiting, who: &Session) -> Markup {
    html! { @match waiting.deadline { Some(at) => { (time::until(at, who)) span.nr { " left" } }, None => span.m { "no limit" } } }
}

fn ended(end: &LastEnd, href: Href, who: &Session) -> Markup {
    let by = match &end.by {
        WaitEnd::Event => "an event",
        WaitEnd::Sibling => "an event elsewhere",
        WaitEnd::Timeout => "its deadline",
        WaitEnd::Cancel => "the end of its run",
        WaitEnd::Done => "its step, which wanted no more",
        WaitEnd::Other(word) => word,
        _ => "something else",
    };
    html! {
        span.m { "last ended " (time::ago(end.at, who)) " ago by " (by) ", in "
            a href=(href.to(route::RUN, &[&end.brain_run_id.to_string()])) { (short_id(end.brain_run_id)) } }
    }
}

pub(super) fn due(page: &DuePage, href: Href, who: &Session) -> Markup {
    let columns = [
        Column("Due", "n"),
        Column("What", ""),
        Column("Run", ""),
        Column("Brain", ""),
        Column("Step", "o"),
        Column("Waits for", "grow"),
    ];
    if page.due.is_empty() {
        return empty("Nothing is due: no wait has a deadline, and no step is to be tried again.", None);
    }
    let rows: Vec<Markup> = page.due.iter().map(|one| due_row(one, href, who)).collect();
    table("Deadlines, reminders and retries, soonest first", &columns, &rows)
}

fn due_row(one: &Due, href: Href, who: &Session) -> Markup {
    let is_overdue = one.at <= who.now;
    let what = match &one.kind {
        DueKind::Deadline => "a wait ends",
        DueKind::Reminder => "a reminder",
        DueKind::Retry => "a retry",
        other => other.as_str(),
    };
    html! {
        tr data-row={ (one.brain_run_id) " " (one.at) } {
            td.n { @if is_overdue { span.s-bad { "overdue " (time::ago(one.at, who)) } } @else { (time::ago(one.at, who)) } }
            td { (what) }
            td { a href=(href.to(route::RUN, &[&one.brain_run_id.to_string()])) { (short_id(one.brain_run_id)) } }
            td { @if let Some(brain) = &one.brain_title { (outsider(brain)) } }
            td.o { @if let Some(step) = &one.step { (outsider_cut(step, MAX_TEXT)) } }
            td.grow { @for (at, place) in one.awaits.iter().take(2).enumerate() {
                @if at > 0 { span.m { " | " } } span.m { (place.slug) } " " (identifier_cut(&place.identifier, MAX_TEXT))
            } }
        }
    }
}

fn oldest(page: &RunPage, href: Href, who: &Session) -> Markup {
    let columns = [
        Column("Waits since", "n"),
        Column("Status", ""),
        Column("Run", ""),
        Column("Brain", ""),
        Column("Waits for", "grow"),
        Column("Left", "n o"),
    ];
    if page.runs.is_empty() {
        return empty("No run waits.", None);
    }
    let rows: Vec<Markup> = page.runs.iter().map(|run| oldest_row(run, href, who)).collect();
    table("Runs that wait, the oldest first", &columns, &rows)
}

fn oldest_row(run: &RunSummary, href: Href, who: &Session) -> Markup {
    let id = run.brain_run_id.to_string();
    let standing = run.standing.as_ref();
    html! {
        tr data-row=(id) {
            td.n { (time::ago(standing.and_then(|standing| standing.since).unwrap_or(run.created_at), who)) }
            td { (status::run(&run.status)) }
            td { a href=(href.to(route::RUN, &[&id])) { (short_id(&id)) } }
            td { (outsider(&run.brain_title)) }
            td.grow { @if let Some(standing) = standing { (awaited(standing)) } }
            td.n.o { @if let Some(until) = standing.and_then(|standing| standing.until) { (time::until(until, who)) } }
        }
    }
}
