//! Icons: symbols of sixteen by sixteen, drawn for px, that each page holds once.

use maud::{Markup, PreEscaped, html};

/// A symbol of the sprite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Icon {
    Mark,
    Overview,
    Runs,
    Waits,
    Inbox,
    Webhooks,
    Hooks,
    Brains,
    Store,
    Tokens,
    Find,
    More,
}

impl Icon {
    const ALL: [Self; 12] = [
        Self::Mark,
        Self::Overview,
        Self::Runs,
        Self::Waits,
        Self::Inbox,
        Self::Webhooks,
        Self::Hooks,
        Self::Brains,
        Self::Store,
        Self::Tokens,
        Self::Find,
        Self::More,
    ];

    const fn id(self) -> &'static str {
        match self {
            Self::Mark => "i-mark",
            Self::Overview => "i-over",
            Self::Runs => "i-runs",
            Self::Waits => "i-wait",
            Self::Inbox => "i-in",
            Self::Webhooks => "i-hook-in",
            Self::Hooks => "i-hook-out",
            Self::Brains => "i-brain",
            Self::Store => "i-store",
            Self::Tokens => "i-key",
            Self::Find => "i-find",
            Self::More => "i-more",
        }
    }

    const fn drawing(self) -> &'static str {
        match self {
            Self::Mark => r#"<path d="M2 13.5 7 8 2 2.5M14 13.5 9 8l5-5.5" stroke-width="2.4"/>"#,
            Self::Overview => {
                r#"<path d="M2.5 2.5h4.5v6H2.5zM9 2.5h4.5v3.5H9zM9 8h4.5v5.5H9zM2.5 10.5H7v3H2.5z"/>"#
            }
            Self::Runs => r#"<path d="M2.5 3.5h2M7 3.5h6.5M2.5 8h2M7 8h6.5M2.5 12.5h2M7 12.5h4"/>"#,
            Self::Waits => r#"<circle cx="8" cy="8" r="5.5"/><path d="M8 4.75V8l2.25 1.5"/>"#,
            Self::Inbox => {
                r#"<path d="M2.5 9.5 4.25 3h7.5l1.75 6.5v4h-11zM2.5 9.5H6c0 1.25.75 2 2 2s2-.75 2-2h3.5"/>"#
            }
            Self::Webhooks => r#"<path d="M13.5 2.5h-8v11h8M1.5 8h8M7 5.5 9.5 8 7 10.5"/>"#,
            Self::Hooks => r#"<path d="M2.5 2.5h7v2.5M9.5 11v2.5h-7v-11M6 8h8.5M12 5.5 14.5 8 12 10.5"/>"#,
            Self::Brains => {
                r#"<circle cx="3.5" cy="8" r="1.75"/><circle cx="12.5" cy="3.75" r="1.75"/><circle cx="12.5" cy="12.25" r="1.75"/><path d="M5.25 8H7.5c2 0 1.5-4.25 3.25-4.25M7.5 8c2 0 1.5 4.25 3.25 4.25"/>"#
            }
            Self::Store => {
                r#"<ellipse cx="8" cy="4" rx="5.5" ry="2"/><path d="M2.5 4v8c0 1.1 2.5 2 5.5 2s5.5-.9 5.5-2V4M2.5 8c0 1.1 2.5 2 5.5 2s5.5-.9 5.5-2"/>"#
            }
            Self::Tokens => r#"<circle cx="5" cy="11" r="2.75"/><path d="m7 9 6-6M10.25 5.75 12.5 8"/>"#,
            Self::Find => r#"<circle cx="7" cy="7" r="4.5"/><path d="m10.5 10.5 3.5 3.5"/>"#,
            Self::More => r#"<path d="M3 8h.01M8 8h.01M13 8h.01" stroke-width="2"/>"#,
        }
    }
}

/// The symbols, for the beginning of a page.
pub(crate) fn sprite() -> Markup {
    html! {
        svg.sprite aria-hidden="true" width="0" height="0" {
            @for icon in Icon::ALL {
                symbol id=(icon.id()) viewBox="0 0 16 16" { (PreEscaped(icon.drawing())) }
            }
        }
    }
}

/// One of the symbols; its meaning stands beside it in words.
pub(crate) fn icon(icon: Icon) -> Markup {
    html! { svg.i aria-hidden="true" { use href={ "#" (icon.id()) } {} } }
}
