//! The store: whether it takes writes, how much lies there, and how fast it writes.

use maud::{Markup, html};
use px_api::{Health, Overview};

use super::overview::counted;
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
    let bytes = |bytes: Option<u64>| bytes.map_or("not known".to_owned(), number::bytes);
    let mut rows = vec![
        ("Files", html! { (bytes(overview.store.disk_bytes)) }),
        ("Rows in memory", html! { (bytes(overview.store.overlay_bytes)) " not yet in the tree" }),
        ("Ready runs", html! { (counted(overview.runs.ready)) }),
        ("Waiting runs", html! { (counted(overview.runs.waiting)) }),
        ("Callbacks due", html! { (counted(overview.outbox.due)) }),
        (
            "px",
            html! { (overview.version) ", running for " (time::short(overview.at.since(overview.up_since))) },
        ),
    ];
    rows.extend(view.figures.iter().map(|(name, figure)| (*name, html! { (figure) })));
    let body = html! {
        (heading(&html! { "Store" }, &html! { span #health data-part="health" { (health(view.health)) } }, &html! {}))
        (views(false, href))
        @if !reasons.is_empty() {
            div.box { @for reason in reasons { p { (prose::sentence(&reason.text, href)) " " code { (reason.code) } } } }
        }
        section #figures data-part="figures" { (facts(&rows)) }
        h2 { "Check it" }
        p { "An audit reads all of it, and says what does not fit:" }
        p { (form::command("px audit")) }
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
