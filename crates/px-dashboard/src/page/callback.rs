//! Callbacks: what is on its way to hooks, and every attempt at each.

use maud::{Markup, html};
use px_api::{
    Attempt, AttemptSummary, Callback, CallbackPage, CallbackState, CallbackSummary, Hook, HookId,
    ListCallbacks,
};

use crate::asset::File;
use crate::shell::{Frame, heading, nothing, shell};
use crate::table::{Column, empty, pager, table, tabs};
use crate::text::{outsider, outsider_cut, short_id, tail_of, visible, whole_id};
use crate::{Href, Query, Session, form, json_tree, number, route, status, time};

pub(super) const COLUMNS: [Column; 6] = [
    Column("State", ""),
    Column("Callback", ""),
    Column("Type", ""),
    Column("Run", "o"),
    Column("Last attempt", "grow"),
    Column("Age", "n"),
];

/// The columns of a list of several hooks.
const OF_ALL: [Column; 7] = {
    let [state, callback, kind, run, last, age] = COLUMNS;
    [state, callback, Column("Hook", ""), kind, run, last, age]
};

/// A page of the outbox.
#[derive(Debug, Clone)]
pub struct OutboxView<'a> {
    /// Filter as it was asked for.
    pub query: &'a ListCallbacks,
    /// The callbacks.
    pub page: &'a CallbackPage,
    /// All hooks, for their names.
    pub hooks: &'a [Hook],
}

/// Callbacks to every hook.
#[must_use]
pub fn outbox(view: &OutboxView<'_>, who: &Session) -> Markup {
    let list = view.query;
    let query = Query::new()
        .maybe("state", list.state.as_ref())
        .maybe("hook", list.hook.as_ref())
        .maybe("brainRunId", list.brain_run_id.as_ref())
        .maybe("since", list.since);
    let here = Href::at_depth(0).with(route::OUTBOX, &[], &query);
    let frame = Frame::new(route::OUTBOX, "Outbox")
        .live("outbox")
        .here(here.trim_start_matches("./"))
        .scripts(&[File::Run]);
    let href = frame.href();
    let rows: Vec<Markup> =
        view.page.deliveries.iter().map(|one| row(one, Some(view.hooks), href, who)).collect();
    let cursor = list.cursor.map(|cursor| cursor.to_string());
    let body = html! {
        (heading(&html! { "Outbox" }, &html! { span { a href=(href.to(route::HOOKS, &[])) { "Hooks" } ": who is told" } }, &nothing()))
        (states(list.state.as_deref(), |state| {
            let state = state.fields().next().map(|(_, value)| value.to_owned()).unwrap_or_default();
            href.with(route::OUTBOX, &[], &query.clone().and("state", state))
        }))
        @if rows.is_empty() { (empty("There is no callback here.", Some("px hooks list"))) }
        @else { (table("Callbacks, newest first", &OF_ALL, &rows)) }
        (pager(href, (route::OUTBOX, &[]), &query, cursor.as_deref(), view.page.next_cursor.as_deref()))
    };
    shell(&frame, who, &body)
}

/// Links to the callbacks of each state.
pub(super) fn states(now: Option<&str>, link: impl Fn(&Query) -> String) -> Markup {
    let all = std::iter::once(("all", "")).chain(CallbackState::KNOWN.iter().map(|state| (*state, *state)));
    let states: Vec<(&str, String, bool)> = all
        .map(|(name, state)| {
            (name, link(&Query::new().and("state", state)), now.unwrap_or_default() == state)
        })
        .collect();
    tabs("States", &states)
}

/// The name of a hook; the end of its id if it is gone.
fn name_of(hooks: &[Hook], id: HookId) -> Markup {
    match hooks.iter().find(|hook| hook.id == id) {
        Some(hook) => outsider_cut(&hook.name, 40),
        None => short_id(id),
    }
}

/// A callback in a list; `hooks` are there if the list is one of several hooks.
pub(super) fn row(callback: &CallbackSummary, hooks: Option<&[Hook]>, href: Href, who: &Session) -> Markup {
    let id = callback.id.to_string();
    html! {
        tr data-row=(id) {
            td { (status::callback(&callback.state)) }
            td { a href=(href.to(route::CALLBACK, &[&id])) { (short_id(&id)) } }
            @if let Some(hooks) = hooks { td { a href=(href.to(route::HOOK, &[&callback.hook_id.to_string()])) { (name_of(hooks, callback.hook_id)) } } }
            td { (callback.kind) @if callback.test == Some(true) { " " (status::test(callback.test, callback.tested_by.as_deref())) } }
            td.o { @if let Some(run) = callback.brain_run_id { a href=(href.to(route::RUN, &[&run.to_string()])) { (short_id(run)) } } }
            td.grow { (last(callback, who)) }
            td.n { (time::ago(callback.created_at, who)) }
        }
    }
}

/// The last attempt, and when the next one is due.
fn last(callback: &CallbackSummary, who: &Session) -> Markup {
    let next = callback.parked_until.or(callback.next_attempt_at);
    html! {
        @if let Some(attempt) = callback.attempts.last() { (outcome(attempt)) }
        @if let Some(next) = next { span.m { " next " (time::ago(next, who)) } }
        @if let Some(reason) = &callback.reason { " " span.m { (outsider_cut(reason, 80)) } }
    }
}

fn outcome(attempt: &AttemptSummary) -> Markup {
    html! {
        @if let Some(status) = attempt.status { (status) " " }
        @if let Some(error) = &attempt.error { (outsider_cut(error, 60)) " " }
        span.m { "after " (number::millis(attempt.duration_ms)) }
    }
}

/// Callbacks of a run, a line each.
pub(super) fn lines(callbacks: &[CallbackSummary], href: Href, who: &Session) -> Markup {
    html! {
        ul.lines {
            @for callback in callbacks {
                li {
                    (status::callback(&callback.state))
                    a.grow href=(href.to(route::CALLBACK, &[&callback.id.to_string()])) { (callback.kind) }
                    (status::test(callback.test, callback.tested_by.as_deref()))
                    span.m { (time::ago(callback.created_at, who)) }
                }
            }
        }
    }
}

/// A callback, with every attempt.
#[must_use]
pub fn callback(view: &Callback, hooks: &[Hook], who: &Session) -> Markup {
    let id = view.id.to_string();
    let frame = Frame::new(route::CALLBACK, format!("{} {}", tail_of(&id), view.kind))
        .place(route::OUTBOX)
        .live(format!("callback:{id}"))
        .here(format!("outbox/{id}"));
    let href = frame.href();
    let about = html! {
        span #status data-part="status" { (status::callback(&view.state)) }
        (status::test(view.test, view.tested_by.as_deref()))
        span { (whole_id(&id)) (form::copy("Copy", &id)) }
        span { "to " a href=(href.to(route::HOOK, &[&view.hook_id.to_string()])) { (name_of(hooks, view.hook_id)) } }
        @if let Some(run) = view.brain_run_id { span { "about " a href=(href.to(route::RUN, &[&run.to_string()])) { "run " (short_id(run)) } } }
    };
    let class =
        if matches!(view.state, CallbackState::Dead | CallbackState::Parked) { "primary" } else { "" };
    let acts = html! {
        // Whoever has mended the receiver waits for no schedule.
        @if view.state != CallbackState::Pending || view.next_attempt_at.is_some_and(|at| at > who.now) {
            (form::post(route::REDELIVER, &[&id], href, who, &form::submit("Redeliver", class, route::REDELIVER, who)))
        }
    };
    let columns = [
        Column("#", "n"),
        Column("Time", ""),
        Column("Outcome", "grow"),
        Column("Took", "n"),
        Column("Until", "o"),
    ];
    let asks = view.attempts.iter().any(|attempt| attempt.retry_after.is_some());
    let columns = if asks { &columns[..] } else { &columns[..4] };
    let rows: Vec<Markup> = view.attempts.iter().map(|attempt| attempt_row(attempt, asks, who)).collect();
    let body = html! {
        (heading(&html! { (view.kind) }, &about, &acts))
        section.box #next data-part="next" aria-labelledby="next-h" { h2 #next-h { "Why" } (why(view, who)) }
        section #attempts data-part="attempts" aria-labelledby="attempts-h" {
            h2 #attempts-h { "Attempts" }
            @if rows.is_empty() { p.m { "None yet." } } @else { (table("Attempts, oldest first", columns, &rows)) }
        }
        section aria-labelledby="sent-h" {
            h2 #sent-h { "Body" }
            @if who.sees_payloads { (json_tree::tree(&view.body)) }
            @else { p.m { "Bodies are shown to the scope operate and above; this session has " (who.scope) "." } }
        }
        (form::command(&format!("px hooks redeliver {}", tail_of(&id).trim_start_matches('…'))))
    };
    shell(&frame, who, &body)
}

/// The state of a callback in sentences.
fn why(view: &Callback, who: &Session) -> Markup {
    let tries = number::of(number::count(&view.attempts), "attempt");
    html! {
        p {
            @match &view.state {
                CallbackState::Delivered => { "Its receiver took it after " (tries) "." },
                CallbackState::Dead => { "px has given up after " (tries) ". Redeliver it once the receiver is mended." },
                CallbackState::Held => "Its hook takes none now; it is kept until the hook is enabled.",
                CallbackState::Discarded => "It is not sent any more.",
                CallbackState::Parked => { "Its endpoint failed too often and is left alone for a while, so that it can come back. Attempts at callbacks before it say how it failed." },
                CallbackState::Pending if view.attempts.is_empty() => "It is on its way.",
                CallbackState::Pending => { "It was not taken in " (tries) ", and is tried again." },
                other => { "Its state is " (other) "." },
            }
            @if let Some(reason) = &view.reason { " On record: " (outsider(reason)) "." }
        }
        @if let Some(until) = view.parked_until { p { "It is tried again " (time::ago(until, who)) ", at " (time::exact(until, who)) "." } }
        @else if let Some(next) = view.next_attempt_at { p { "The next attempt is " (time::ago(next, who)) ", at " (time::exact(next, who)) "." } }
    }
}

/// A row; `asks` if a receiver asked for a later time, which is a column then.
fn attempt_row(attempt: &Attempt, asks: bool, who: &Session) -> Markup {
    let is_taken = attempt.status.is_some_and(|status| (200..300).contains(&status));
    html! {
        tr {
            td.n { (attempt.number) }
            td.t { (time::of_day(attempt.at, who)) }
            td.grow {
                span class=(if is_taken { "s-ok" } else { "s-bad" }) {
                    @if is_taken { "✓ " } @else { "✕ " }
                    @if let Some(status) = attempt.status { (status) " " }
                    @if let Some(error) = &attempt.error { (outsider(error)) }
                }
                @if let Some(message) = &attempt.message { " " (outsider(message)) }
                (response(attempt))
            }
            td.n { (number::millis(attempt.duration_ms)) @if attempt.timing.total_ms > 0 { (timing(attempt)) } }
            @if asks { td.w.o { @if let Some(after) = attempt.retry_after { "asked for " (time::exact(after, who)) } } }
        }
    }
}

/// Phases of an attempt, as parts of one bar: name look-up, head, body.
fn timing(attempt: &Attempt) -> Markup {
    let total = attempt.timing.total_ms.max(1);
    let resolved = attempt.timing.resolved_ms.unwrap_or(0).min(total);
    let head = attempt.timing.head_ms.unwrap_or(total).clamp(resolved, total);
    let place = |millis: u64| millis.saturating_mul(100) / total;
    let words =
        format!("name {resolved} ms, until the head {} ms, body {} ms", head - resolved, total - head);
    html! {
        svg.phases role="img" aria-label=(words) viewBox="0 0 100 4" preserveAspectRatio="none" {
            rect.p-name x="0" y="0" width=(place(resolved)) height="4" {}
            rect.p-head x=(place(resolved)) y="0" width=(place(head - resolved)) height="4" {}
            rect.p-body x=(place(head)) y="0" width=(place(total - head)) height="4" {}
        }
    }
}

fn response(attempt: &Attempt) -> Markup {
    let response = &attempt.response;
    html! {
        @if response.body.is_some() || !response.headers.is_empty() {
            details {
                summary.m { "response" }
                @if !response.headers.is_empty() {
                    dl.facts.mono { @for (name, value) in &response.headers { div { dt { (outsider(name)) } dd { (outsider(value)) } } } }
                }
                @if let Some(body) = &response.body { pre tabindex="0" { (visible(body)) } }
            }
        }
    }
}
