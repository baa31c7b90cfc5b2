//! The server at a glance: is anything wrong, and what is to be done about it.

use maud::{Markup, html};
use px_api::{Attention, AttentionKind, Backlog, Overview, RunSummary};

use crate::charts::spark;
use crate::shell::{Frame, heading, nothing, shell};
use crate::status::{Tone, signed};
use crate::text::{outsider, outsider_cut, short_id};
use crate::{Href, Query, Session, form, number, prose, route, time};

/// The overview.
#[must_use]
pub fn overview(view: &Overview, who: &Session) -> Markup {
    let frame = Frame::new(route::OVERVIEW, "Overview").live("overview").here("");
    let href = frame.href();
    let since = html! { "running for " (time::short(who.now.since(view.started_at))) };
    let body = html! {
        (heading(&html! { "Overview" }, &since, &nothing()))
        @if view.is_empty { (first_steps(href)) } @else { (attention(view, href, who)) }
        section #tiles aria-labelledby="figures" data-part="tiles" {
            h2 #figures { "Now" }
            div.tiles { (tiles(view, href, who)) }
        }
        @if !view.due.is_empty() { (due(view, href)) }
        @if !view.errors.is_empty() { (errors(&view.errors, href, who)) }
    };
    shell(&frame, who, &body)
}

fn first_steps(href: Href) -> Markup {
    html! {
        section.empty {
            h2 { "Nothing has run yet" }
            p { "Start a run of one of your " a href=(href.to(route::BRAINS, &[])) { "brains" } ":" }
            p { (form::command("px run BRAIN")) }
            p { "or send one of your " a href=(href.to(route::WEBHOOKS, &[])) { "webhooks" } " an event:" }
            p { (form::command("px webhooks send WEBHOOK")) }
        }
    }
}

fn attention(view: &Overview, href: Href, who: &Session) -> Markup {
    html! {
        section #attention aria-labelledby="attention-h" data-part="attention" {
            h2 #attention-h { "Needs attention" }
            @if view.attention.is_empty() {
                p.quiet { (signed(Tone::Ok, "✓", "All quiet")) @if let Some(since) = view.quiet_since { " since " (time::exact(since, who)) } }
            } @else {
                ul.alerts { @for one in &view.attention { (alert(one, href)) } }
            }
        }
    }
}

fn alert(one: &Attention, href: Href) -> Markup {
    let (tone, sign, word) = kind(&one.kind);
    let (link, name) = target(one, href);
    html! {
        li {
            (signed(tone, sign, word))
            span.alert-text {
                strong { (number::whole(one.count)) @if one.has_more { "+" } } " " (prose::sentence(&one.text, href))
            }
            a href=(link) { (name) }
        }
    }
}

const fn kind(kind: &AttentionKind) -> (Tone, &'static str, &'static str) {
    match kind {
        AttentionKind::Failed => (Tone::Bad, "✕", "failed"),
        AttentionKind::Paused => (Tone::Wait, "‖", "paused"),
        AttentionKind::Overdue => (Tone::Wait, "◷", "overdue"),
        AttentionKind::Hook => (Tone::Bad, "⚡", "hook"),
        AttentionKind::Quarantined => (Tone::Bad, "‖", "quarantined"),
        AttentionKind::Rejected => (Tone::Bad, "✕", "rejected"),
        AttentionKind::Server => (Tone::Bad, "!", "server"),
        _ => (Tone::Wait, "?", "look"),
    }
}

/// The page about a thing that needs somebody, and its name.
fn target(one: &Attention, href: Href) -> (String, &'static str) {
    let runs = |status: &str| {
        href.with(route::RUNS, &[], &Query::new().and("status", status).maybe("brain", one.brain.as_ref()))
    };
    let inbox = |state: &str| {
        href.with(
            route::INBOX,
            &[],
            &Query::new().and("slug", one.slug.as_deref().unwrap_or_default()).and("state", state),
        )
    };
    match (&one.kind, one.hook_id) {
        (AttentionKind::Failed, _) => (runs("error"), "Failed runs"),
        (AttentionKind::Paused, _) => (runs("paused"), "Paused runs"),
        (AttentionKind::Overdue, _) => {
            (href.with(route::WAITS, &[], &Query::new().and("view", "due")), "Waits due")
        }
        (AttentionKind::Hook, Some(id)) => (href.to(route::HOOK, &[&id.to_string()]), "The hook"),
        (AttentionKind::Hook, None) => (href.to(route::HOOKS, &[]), "Hooks"),
        (AttentionKind::Quarantined, _) => (inbox("quarantined"), "Quarantined"),
        (AttentionKind::Rejected, _) => (inbox("rejected"), "Rejected"),
        _ => (href.to(route::STORE, &[]), "Store"),
    }
}

/// A figure with its name, and where to look further.
fn tile(name: &str, figure: &Markup, more: &Markup, link: Option<String>) -> Markup {
    html! {
        div.tile {
            div.tile-name { @match link { Some(link) => a href=(link) { (name) }, None => (name) } }
            div.tile-figure { (figure) }
            div.tile-more { (more) }
        }
    }
}

fn tiles(view: &Overview, href: Href, who: &Session) -> Markup {
    let micros = |value: Option<u64>| value.map_or("–".to_owned(), number::micros);
    let rate = format!("{:.1}", view.inbound.per_second);
    let minutes = view.inbound.sample_ms.saturating_mul(number::count(&view.inbound.samples)) / 60_000;
    let window = format!("Requests in the last {}", number::of(minutes.max(1), "minute"));
    let waiting = Query::new().and("status", "waiting");
    html! {
        (tile("Inbound", &html! { (rate) span.unit { " /s" } }, &spark(&window, &view.inbound.samples),
            Some(href.to(route::INBOX, &[]))))
        (tile("Answer p99", &html! { (micros(view.ack.p99_micros)) },
            &html! { "p50 " (micros(view.ack.p50_micros)) }, None))
        (tile("Ready", &html! { (estimate(&view.ready)) }, &oldest(&view.ready, who), None))
        (tile("Waiting", &html! { (estimate(&view.waiting)) }, &oldest(&view.waiting, who),
            Some(href.with(route::RUNS, &[], &waiting))))
        (tile("Outbox", &html! { (estimate(&view.outbox)) }, &oldest(&view.outbox, who),
            Some(href.to(route::OUTBOX, &[]))))
        (tile("Sync p99", &html! { (micros(view.sync.p99_micros)) },
            &html! { "p50 " (micros(view.sync.p50_micros)) }, Some(href.to(route::STORE, &[]))))
        (tile("Disk", &html! { (number::bytes(view.disk.used_bytes)) }, &html! {
            @if let Some(free) = view.disk.free_bytes { (number::bytes(free)) " free" }
        }, Some(href.to(route::STORE, &[]))))
    }
}

pub(super) fn estimate(backlog: &Backlog) -> String {
    let about = if backlog.is_estimate { "≈\u{a0}" } else { "" };
    format!("{about}{}", number::whole(backlog.count))
}

pub(super) fn oldest(backlog: &Backlog, who: &Session) -> Markup {
    html! {
        @match backlog.oldest_at {
            Some(at) => { "oldest " (time::ago(at, who)) },
            None => "\u{a0}",
        }
    }
}

fn due(view: &Overview, href: Href) -> Markup {
    let total = view.due.iter().sum();
    html! {
        section aria-labelledby="due-h" data-part="due" #due {
            h2 #due-h { "Due in the next hour" }
            p.due {
                (spark("Timers in each five minutes of the next hour", &view.due))
                " " a href=(href.with(route::WAITS, &[], &Query::new().and("view", "due"))) { (number::of(total, "timer")) }
            }
        }
    }
}

fn errors(runs: &[RunSummary], href: Href, who: &Session) -> Markup {
    html! {
        section aria-labelledby="errors-h" data-part="errors" #errors {
            h2 #errors-h { "Last errors" }
            ul.lines {
                @for run in runs {
                    li {
                        a href=(href.to(route::RUN, &[&run.brain_run_id.to_string()])) { (short_id(run.brain_run_id)) }
                        span { (outsider(&run.brain_title)) }
                        span.grow { (outsider_cut(error(run), 160)) }
                        span.m { (time::ago(run.completed_at.unwrap_or(run.created_at), who)) }
                    }
                }
            }
        }
    }
}

fn error(run: &RunSummary) -> &str {
    let standing = run.standing.as_ref().and_then(|standing| standing.error.as_deref());
    standing.or(run.error.as_deref()).unwrap_or("no message")
}
