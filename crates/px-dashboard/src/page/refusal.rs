//! The page of every status that is no page: what happened, and what to do next.

use maud::{Markup, html};
use px_api::{Error, pages};

use crate::route::{self, Route};
use crate::shell::{Frame, heading, shell};
use crate::text::outsider;
use crate::{Session, form, prose};

/// An answer that is not the page that was asked for.
#[derive(Debug, Clone)]
pub struct RefusalView<'a> {
    /// Status of the answer.
    pub status: u16,
    /// The error, as the API answers it.
    pub error: &'a Error,
    /// Path and query that were asked for, below the root of the dashboard.
    pub path: &'a str,
    /// True if asking once more is safe, as it is for what only shows.
    pub can_retry: bool,
}

/// The page of a refusal.
#[must_use]
pub fn refusal(view: &RefusalView<'_>, who: &Session) -> Markup {
    let title = title(view.status);
    let frame = Frame::new(route::OVERVIEW, title).place(place(view.path)).at_depth(depth(view.path));
    let href = frame.href();
    let code = view.error.code();
    let about = html! {
        span.s.s-bad { "✕ " (view.status) }
        @if !view.error.code.is_empty() { " · " code { (crate::text::visible(&view.error.code)) } }
    };
    let body = html! {
        (heading(&html! { (title) }, &about, &html! {}))
        p.lead { (outsider(&view.error.error)) }
        @if let Some(violations) = view.error.violations.as_ref().filter(|list| !list.is_empty()) {
            ul.prose { @for violation in violations {
                li { code { (crate::text::visible(if violation.path.is_empty() { "/" } else { &violation.path })) }
                    ": " (outsider(&violation.message)) }
            } }
        }
        @if let Some(candidates) = &view.error.candidates {
            ul.prose { @for brain in candidates {
                li { a href=(href.to(route::BRAIN, &[&brain.title])) { (outsider(&brain.title)) } " " (outsider(&brain.description)) }
            } }
        }
        h2 { "What to do" }
        @match code {
            Some(code) => {
                (prose::markdown(pages::advice(code), href))
                (form::command(&format!("px explain {code}")))
            },
            None => p { (next_step(view.status)) },
        }
        div.row {
            @if view.can_retry { a.button href=(again(view.path)) { "Try again" } }
            a href=(href.to(route::OVERVIEW, &[])) { "Overview" }
        }
    };
    shell(&frame, who, &body)
}

/// Number of folders that a path lies in.
pub(super) fn depth(path: &str) -> usize {
    path.split('?').next().unwrap_or_default().matches('/').count()
}

/// The link to the page itself, from the folder that it lies in.
pub(super) fn again(path: &str) -> String {
    let (path, query) =
        path.split_once('?').map_or((path, String::new()), |(path, query)| (path, format!("?{query}")));
    let last = path.rsplit('/').next().unwrap_or_default();
    format!("./{last}{query}")
}

/// Entry of the navigation that a path belongs to.
pub(super) fn place(path: &str) -> Route {
    let first = path.split(['/', '?']).next().unwrap_or_default();
    match first {
        "runs" | "bulk" => route::RUNS,
        "waits" => route::WAITS,
        "inbox" => route::INBOX,
        "webhooks" => route::WEBHOOKS,
        "hooks" | "outbox" => route::HOOKS,
        "brains" => route::BRAINS,
        "store" | "values" => route::STORE,
        "tokens" | "secrets" => route::TOKENS,
        _ => route::OVERVIEW,
    }
}

pub(super) const fn title(status: u16) -> &'static str {
    match status {
        400 => "This cannot be read",
        401 => "Log in first",
        403 => "This is not allowed",
        404 => "There is no such thing",
        409 => "It cannot be done now",
        410 => "It is gone",
        413 => "This is too large",
        422 => "This does not fit",
        429 => "Too many tries",
        503 => "px cannot do this now",
        _ => "It was not done",
    }
}

/// Advice where the error has no code of px's.
const fn next_step(status: u16) -> &'static str {
    match status {
        400 | 422 => "Mend what the sentence above names, and send it again.",
        401 => "Log in, and ask again.",
        403 => {
            "Ask an admin for a token with a larger scope, or reload the page that you came from: its form may be too old."
        }
        404 => {
            "Runs that are over are kept for a while, 30 days by default: it may be gone, or never have been here."
        }
        409 => "Look at its page: somebody may have done it already.",
        429 => "Wait a minute, and try again.",
        503 => "Try again in a few seconds. If it stays so, the log of px says why.",
        _ => "Try again. If it happens again, the log of px says why.",
    }
}
