//! The server at a glance: is anything wrong, and what is to be done about it.

use maud::{Markup, html};
use px_api::{Attention, AttentionKind, Counted, Overview, RunSummary, Timestamp};

use crate::charts::spark;
use crate::shell::{Frame, heading, nothing, shell};
use crate::status::{Tone, signed};
use crate::text::{outsider_cut, short_id, visible};
use crate::{Href, Query, Session, form, number, prose, route, time};

/// The overview, with the runs that ended with an error last.
#[must_use]
pub fn overview(view: &Overview, errors: &[RunSummary], who: &Session) -> Markup {
    let frame = Frame::new(route::OVERVIEW, "Overview").live("overview").here("");
    let href = frame.href();
    let since = html! { span { "px " (view.version) } span { "running for " (time::short(view.at.since(view.up_since))) } };
    let body = html! {
        (heading(&html! { "Overview" }, &since, &nothing()))
        @if is_idle(view) && errors.is_empty() { (first_steps(href)) } @else { (attention(view, href)) }
        section #tiles aria-labelledby="figures" data-part="tiles" {
            h2 #figures { "Now" }
            div.tiles { (tiles(view, href, who)) }
        }
        @if !errors.is_empty() { (last_errors(errors, href, who)) }
    };
    shell(&frame, who, &body)
}

/// Returns whether nothing is under way, nothing came and nothing needs anybody.
fn is_idle(view: &Overview) -> bool {
    let runs = &view.runs;
    let under_way = [runs.waiting, runs.running, runs.ready, runs.paused, view.outbox.due];
    view.attention.is_empty()
        && view.webhooks.total == 0
        && under_way.iter().all(|counted| counted.count == 0)
}

fn first_steps(href: Href) -> Markup {
    html! {
        section.empty {
            h2 { "Nothing is under way" }
            p { "Start a run of one of your " a href=(href.to(route::BRAINS, &[])) { "brains" } ":" }
            p { (form::command("px run BRAIN")) }
            p { "or send one of your " a href=(href.to(route::WEBHOOKS, &[])) { "webhooks" } " an event:" }
            p { (form::command("px webhooks send WEBHOOK")) }
        }
    }
}

fn attention(view: &Overview, href: Href) -> Markup {
    html! {
        section #attention aria-labelledby="attention-h" data-part="attention" {
            h2 #attention-h { "Needs attention" }
            @if view.attention.is_empty() {
                p.quiet { (signed(Tone::Ok, "✓", "All quiet")) }
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
        li title=(visible(&one.command)) {
            (signed(tone, sign, word))
            span.alert-text { (prose::sentence(&one.text, href)) }
            a href=(link) { (name) }
        }
    }
}

const fn kind(kind: &AttentionKind) -> (Tone, &'static str, &'static str) {
    match kind {
        AttentionKind::Failed => (Tone::Bad, "✕", "failed"),
        AttentionKind::Paused => (Tone::Wait, "‖", "paused"),
        AttentionKind::Overdue => (Tone::Wait, "◷", "overdue"),
        AttentionKind::Unanswered => (Tone::Wait, "◷", "unanswered"),
        AttentionKind::Stalled => (Tone::Bad, "!", "stalled"),
        AttentionKind::Parked => (Tone::Bad, "⚡", "parked"),
        AttentionKind::Dead => (Tone::Bad, "✕", "given up"),
        AttentionKind::Quarantined => (Tone::Bad, "‖", "quarantined"),
        AttentionKind::Rejected => (Tone::Bad, "✕", "rejected"),
        AttentionKind::Late => (Tone::Wait, "⊘", "late"),
        AttentionKind::Health => (Tone::Bad, "!", "server"),
        _ => (Tone::Wait, "?", "look"),
    }
}

/// The page about a thing that needs somebody, and its name.
fn target(one: &Attention, href: Href) -> (String, &'static str) {
    let runs = |status: &str| href.with(route::RUNS, &[], &Query::new().and("status", status));
    let inbox = |state: &str| href.with(route::INBOX, &[], &Query::new().and("state", state));
    match one.kind {
        AttentionKind::Failed => (runs("error"), "Failed runs"),
        AttentionKind::Paused => (runs("paused"), "Paused runs"),
        AttentionKind::Stalled => (runs("running"), "Running runs"),
        AttentionKind::Overdue | AttentionKind::Unanswered => {
            (href.with(route::WAITS, &[], &Query::new().and("view", "late")), "Overdue waits")
        }
        AttentionKind::Parked => (href.to(route::HOOKS, &[]), "Hooks"),
        AttentionKind::Dead => {
            (href.with(route::OUTBOX, &[], &Query::new().and("state", "dead")), "Given up")
        }
        AttentionKind::Quarantined => (inbox("quarantined"), "Quarantined"),
        AttentionKind::Rejected => (inbox("rejected"), "Rejected"),
        AttentionKind::Late => (inbox("late"), "Late"),
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
    let runs = |status: &str| Some(href.with(route::RUNS, &[], &Query::new().and("status", status)));
    let rate = format!("{:.1}", view.webhooks.per_second);
    let oldest = |at: Option<Timestamp>| {
        html! {
            @match at { Some(at) => { "oldest " (time::ago(at, who)) }, None => "\u{a0}" }
        }
    };
    html! {
        (tile("Inbound", &html! { (rate) span.unit { " /s" } },
            &spark("Requests in each of the last seconds", &view.webhooks.recent), Some(href.to(route::INBOX, &[]))))
        (tile("Answer p99", &html! { (millis(view.webhooks.ack_p99_ms)) },
            &html! { "p50 " (millis(view.webhooks.ack_p50_ms)) }, None))
        (tile("Waiting", &html! { (counted(view.runs.waiting)) }, &nothing(), runs("waiting")))
        (tile("Running", &html! { (counted(view.runs.running)) },
            &html! { (counted(view.runs.ready)) " ready" }, runs("running")))
        (tile("Paused", &html! { (counted(view.runs.paused)) }, &nothing(), runs("paused")))
        (tile("Outbox", &html! { (counted(view.outbox.due)) }, &oldest(view.outbox.oldest),
            Some(href.to(route::OUTBOX, &[]))))
        (tile("Disk", &html! { @match view.store.disk_bytes { Some(bytes) => (number::bytes(bytes)), None => "–" } },
            &nothing(), Some(href.to(route::STORE, &[]))))
    }
}

/// A number of things, of which there may be more.
pub(super) fn counted(counted: Counted) -> String {
    format!("{}{}", number::whole(counted.count), if counted.at_least { "+" } else { "" })
}

/// Milliseconds with a fraction, in the unit that reads best.
fn millis(millis: Option<f64>) -> String {
    let micros = millis.filter(|millis| millis.is_finite() && *millis >= 0.0).map(|millis| {
        // Truncation is what is wanted: a figure for people.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is finite and no less than zero"
        )]
        let micros = (millis * 1_000.0).round() as u64;
        micros
    });
    micros.map_or("–".to_owned(), number::micros)
}

fn last_errors(runs: &[RunSummary], href: Href, who: &Session) -> Markup {
    html! {
        section aria-labelledby="errors-h" data-part="errors" #errors {
            h2 #errors-h { "Last errors" }
            ul.lines {
                @for run in runs {
                    li {
                        a href=(href.to(route::RUN, &[&run.brain_run_id.to_string()])) { (short_id(run.brain_run_id)) }
                        span { (outsider_cut(&run.brain_title, 40)) }
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
