//! Hooks: who is told, how it goes, and whether their endpoint is left alone for a while.

use maud::{Markup, html};
use px_api::{CallbackPage, Hook, HookStats, ListCallbacks, Open, Retry, Signature};

use super::callback::{COLUMNS, row as callback_row, states};
use crate::icon::{Icon, icon};
use crate::shell::{Frame, heading, nothing, shell};
use crate::status::{Tone, signed};
use crate::table::{Column, empty, facts, pager, table};
use crate::text::{outsider, outsider_cut, whole_id};
use crate::{Href, Query, Session, form, number, route, time};

/// A hook in the list, with the figures of its callbacks if they could be read.
#[derive(Debug, Clone)]
pub struct HookRow<'a> {
    /// The hook.
    pub hook: &'a Hook,
    /// Figures of its callbacks.
    pub stats: Option<&'a HookStats>,
}

/// The hooks.
#[must_use]
pub fn hooks(view: &[HookRow<'_>], who: &Session) -> Markup {
    let frame = Frame::new(route::HOOKS, "Hooks").live("hooks");
    let href = frame.href();
    let columns = [
        Column("Health", ""),
        Column("Hook", ""),
        Column("URL", "grow o"),
        Column("Pending", "n"),
        Column("Delivered", "n"),
        Column("p99 of arrival", "n o"),
    ];
    let rows: Vec<Markup> = view.iter().map(|row| hook_row(row, href, who)).collect();
    let body = html! {
        (heading(&html! { "Hooks" }, &html! { span { a href=(href.to(route::OUTBOX, &[])) { "Outbox" } ": every callback" } }, &nothing()))
        @if rows.is_empty() { (empty("Nobody is told what happens to runs. This makes a hook:", Some("px hooks create URL"))) }
        @else { (table("Hooks", &columns, &rows)) }
    };
    shell(&frame, who, &body)
}

fn hook_row(row: &HookRow<'_>, href: Href, who: &Session) -> Markup {
    let id = row.hook.id.to_string();
    html! {
        tr data-row=(id) {
            td { (health(row.hook, row.stats, who)) }
            td { a href=(href.to(route::HOOK, &[&id])) { (outsider_cut(&row.hook.name, 40)) } }
            td.grow.o { (outsider_cut(&row.hook.url, 72)) }
            td.n { @if let Some(stats) = row.stats { (pending(stats)) span.nr { " pending" } } }
            td.n { @if let Some(share) = row.stats.and_then(|stats| stats.success_rate) { (number::percent(share)) span.nr { " delivered" } } }
            td.n.o { @if let Some(millis) = row.stats.and_then(|stats| stats.p99_ms) { (number::millis(millis)) } }
        }
    }
}

/// The health of a hook in a word.
fn health(hook: &Hook, stats: Option<&HookStats>, who: &Session) -> Markup {
    let parked = stats.and_then(|stats| stats.parked_until).filter(|until| *until > who.now);
    html! {
        @if hook.disabled.is_some() || !hook.enabled { (signed(Tone::Quiet, "‖", "disabled")) }
        @else if let Some(until) = parked { (signed(Tone::Wait, "◷", "parked")) " " span.m { "next try " (time::ago(until, who)) } }
        @else if let Some(since) = hook.failing_since { (signed(Tone::Bad, "✕", "failing")) " " span.m { (time::ago(since, who)) } }
        @else { (signed(Tone::Ok, "✓", "enabled")) }
    }
}

fn pending(stats: &HookStats) -> String {
    use px_api::CallbackState as S;
    let of = |state: &S| stats.states.get(state).copied().unwrap_or_default();
    let about = if stats.is_sample { "≈\u{a0}" } else { "" };
    format!("{about}{}", number::whole(of(&S::Pending) + of(&S::Parked)))
}

/// A hook.
#[derive(Debug, Clone)]
pub struct HookView<'a> {
    /// The hook.
    pub hook: &'a Hook,
    /// Figures of its callbacks.
    pub stats: Option<&'a HookStats>,
    /// Filter of its callbacks as it was asked for.
    pub query: &'a ListCallbacks,
    /// Its callbacks, newest first.
    pub callbacks: &'a CallbackPage,
    /// Secret of a hook whose secret was just rotated: it is shown this once.
    pub secret: Option<&'a str>,
}

/// A hook.
#[must_use]
pub fn hook(view: &HookView<'_>, who: &Session) -> Markup {
    let hook = view.hook;
    let id = hook.id.to_string();
    let query = Query::new().maybe("state", view.query.state.as_ref());
    let cursor = view.query.cursor.map(|cursor| cursor.to_string());
    let frame = Frame::new(route::HOOK, &*hook.name)
        .place(route::HOOKS)
        .live(format!("hook:{id}"))
        .here(format!("hooks/{id}"));
    let href = frame.href();
    let about = html! { span #health data-part="health" { (health(hook, view.stats, who)) } span { (whole_id(&id)) (form::copy("Copy", &id)) } span { "from " (hook.source) } };
    let rows: Vec<Markup> =
        view.callbacks.deliveries.iter().map(|one| callback_row(one, None, href, who)).collect();
    let body = html! {
        (heading(&html! { @if hook.name.is_empty() { "Hook of a run" } @else { (outsider(&hook.name)) } }, &about, &actions(hook, &id, href, who)))
        @if let Some(secret) = view.secret { (shown_once("The new secret", secret)) }
        @for warning in hook.warnings.iter().flatten() { p.s-wait { "! " (outsider(warning)) } }
        (settings(view, who))
        section aria-labelledby="callbacks-h" data-part="callbacks" #callbacks {
            h2 #callbacks-h { "Callbacks" }
            (states(view.query.state.as_deref(), |query| href.with(route::HOOK, &[&id], query)))
            @if rows.is_empty() { p.m { "There is none." } } @else { (table("Callbacks, newest first", &COLUMNS, &rows)) }
            (pager(href, (route::HOOK, &[&id]), &query, cursor.as_deref(), view.callbacks.next_cursor.as_deref()))
        }
    };
    shell(&frame, who, &body)
}

/// A value that is shown to whoever made it, and never again.
pub(super) fn shown_once(name: &str, value: &str) -> Markup {
    html! {
        div.box {
            h2 { (name) }
            p { "It is shown this once. Copy it now; px cannot show it again." }
            p { (form::command(value)) }
        }
    }
}

fn settings(view: &HookView<'_>, who: &Session) -> Markup {
    let hook = view.hook;
    let list = |names: &[String]| if names.is_empty() { "all".to_owned() } else { names.join(", ") };
    let mut rows = vec![
        ("URL", html! { (outsider(&hook.url)) }),
        ("Events", outsider(&list(&hook.events))),
        ("Brains", outsider(&list(&hook.brains))),
        (
            "Format",
            html! { (hook.format) ", signature " (signature(&hook.signature)) @if !hook.has_secret { ", no secret" } },
        ),
        ("Retries", retry(&hook.retry)),
        (
            "Limits",
            html! { (time::short(std::time::Duration::from_millis(hook.timeout_ms))) " each, " (hook.max_in_flight) " at once"
            @if let Some(rate) = hook.rate { ", " (rate) " a second" } @if hook.ordered { ", in order" } },
        ),
    ];
    if let Some(disabled) = &hook.disabled {
        rows.push(("Disabled", html! { "by " (disabled.by) ", " (time::exact(disabled.at, who)) }));
    }
    if let Some(stats) = view.stats {
        let latency = |millis: Option<u64>| millis.map_or("–".to_owned(), number::millis);
        rows.push(("Arrival", html! {
            @match stats.success_rate { Some(share) => { (number::percent(share)) " delivered, " }, None => "" }
            "p50 " (latency(stats.p50_ms)) ", p99 " (latency(stats.p99_ms)) " after the event, " (number::of(stats.attempts, "attempt"))
        }));
        if let Some(oldest) = stats.oldest_pending_at {
            rows.push(("Pending", html! { (pending(stats)) ", oldest " (time::ago(oldest, who)) }));
        }
    }
    facts(&rows)
}

fn signature(signature: &Open<Signature>) -> Markup {
    match signature.known() {
        Some(Signature::Mode(mode) | Signature::Named { mode, .. }) => outsider(mode),
        None => html! { "of a newer kind" },
    }
}

fn retry(retry: &Open<Retry>) -> Markup {
    match retry.known() {
        Some(Retry::Preset(name)) => outsider(name),
        Some(Retry::Delays(delays)) => outsider(&delays.join(", ")),
        Some(Retry::Growing { base, factor, max, attempts }) => html! {
            (attempts) " attempts, from " (outsider(base)) " by " (factor) " up to " (outsider(max))
        },
        None => html! { "of a newer kind" },
    }
}

fn actions(hook: &Hook, id: &str, href: Href, who: &Session) -> Markup {
    let is_disabled = hook.disabled.is_some() || !hook.enabled;
    let simple = |label: &str, class: &str, to: route::Route| {
        form::post(to, &[id], href, who, &form::submit(label, class, to, who))
    };
    html! {
        @if is_disabled { (simple("Enable", "primary", route::ENABLE_HOOK)) } @else { (simple("Send a test", "", route::TEST_HOOK)) }
        details.menu {
            summary.button { (icon(Icon::More)) span.vh { "More about this hook" } }
            div.sheet {
                section.act {
                    h2 { "Send again" }
                    p.m { "Every callback since then that was not delivered is sent again." }
                    (form::post(route::RECOVER, &[id], href, who, &html! {
                        (form::text("since", "Since", Some("1h"), "15m, 2h, 3d")) (form::submit("Send again", "", route::RECOVER, who))
                    }))
                    (form::command(&format!("px hooks recover {id} --since 1h")))
                }
                @if !is_disabled {
                    section.act { h2 { "Disable" } p.m { "Nothing is kept for it meanwhile: what happens until it is enabled is never told, unless it is recovered." } (simple("Disable", "", route::DISABLE_HOOK)) }
                }
                @if hook.has_secret { section.act { h2 { "Rotate the secret" } p.m { "The secret before it signs too, for a while." } (simple("Rotate", "", route::ROTATE_HOOK)) } }
                @if hook.source == "api" {
                    section.act { h2 { "Delete" } p.m { "Nothing is sent to it any more, and what is pending is discarded." }
                        (simple("Delete the hook", "danger", route::DELETE_HOOK)) (form::command(&format!("px hooks delete {id}"))) }
                }
            }
        }
    }
}
