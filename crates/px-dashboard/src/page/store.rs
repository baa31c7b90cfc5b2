//! The store: whether it takes writes, how much lies there, and how fast it writes.

use maud::{Markup, html};
use px_api::{Health, Overview};

use super::overview::{estimate, oldest};
use crate::charts::spark;
use crate::shell::{Frame, heading, shell};
use crate::status::{Tone, signed};
use crate::table::{facts, tabs};
use crate::{Href, Session, form, number, prose, route, time};

/// The store and its figures.
#[derive(Debug, Clone)]
pub struct StoreView<'a> {
    /// Health of the server.
    pub health: &'a Health,
    /// Figures of the server.
    pub overview: &'a Overview,
    /// Version of px.
    pub version: &'a str,
    /// Further names and figures, in the order in which they are shown.
    pub figures: &'a [(&'a str, String)],
}

/// Links between the store and its values.
pub(super) fn views(is_values: bool, href: Href) -> Markup {
    tabs(
        "Store",
        &[
            ("Store", href.to(route::STORE, &[]), !is_values),
            ("Values", href.to(route::VALUES, &[]), is_values),
        ],
    )
}

/// The store.
#[must_use]
pub fn store(view: &StoreView<'_>, who: &Session) -> Markup {
    let frame = Frame::new(route::STORE, "Store").live("overview");
    let href = frame.href();
    let overview = view.overview;
    let reasons = view.health.reasons.as_deref().unwrap_or_default();
    let micros = |value: Option<u64>| value.map_or("–".to_owned(), number::micros);
    let mut rows = vec![
        ("Used", html! { (number::bytes(overview.disk.used_bytes)) }),
        (
            "Free",
            html! { @match overview.disk.free_bytes { Some(free) => (number::bytes(free)), None => "not known" } },
        ),
        (
            "Write",
            html! { "p50 " (micros(overview.sync.p50_micros)) ", p99 " (micros(overview.sync.p99_micros)) " until it is on the disk" },
        ),
        ("Ready runs", html! { (estimate(&overview.ready)) " " (oldest(&overview.ready, who)) }),
        ("Waiting runs", html! { (estimate(&overview.waiting)) }),
        ("Callbacks due", html! { (estimate(&overview.outbox)) " " (oldest(&overview.outbox, who)) }),
        ("px", html! { (view.version) ", running for " (time::short(who.now.since(overview.started_at))) }),
    ];
    rows.extend(view.figures.iter().map(|(name, figure)| (*name, html! { (figure) })));
    let body = html! {
        (heading(&html! { "Store" }, &html! { span #health data-part="health" { (health(view.health)) } }, &html! {}))
        (views(false, href))
        @if !reasons.is_empty() {
            div.box { @for reason in reasons { p { (prose::sentence(&reason.text, href)) " " code { (reason.code) } } } }
        }
        section #figures data-part="figures" { (facts(&rows)) }
        @if !overview.sync.p99_samples.is_empty() {
            h2 { "Slowest writes, in the last hour" }
            (spark("99th percentile of the time to the disk, oldest first", &overview.sync.p99_samples))
        }
        h2 { "Check it" }
        p { "An audit reads all of it, and says what does not fit:" }
        p { (form::command("px store audit")) }
    };
    shell(&frame, who, &body)
}

fn health(health: &Health) -> Markup {
    match &*health.status {
        "ready" => signed(Tone::Ok, "✓", "takes writes"),
        "degraded" => signed(Tone::Wait, "!", "degraded"),
        other => signed(Tone::Bad, "✕", other),
    }
}
