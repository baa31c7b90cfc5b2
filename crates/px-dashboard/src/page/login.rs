//! The form that takes a token, and the form that was sent when a session was over.

use maud::{Markup, html};

use crate::icon::{Icon, icon};
use crate::route::{self, field};
use crate::shell::{Frame, bare, heading, nothing, shell};
use crate::text::visible;
use crate::{Csrf, Session, form};

/// A form that was sent when the session was over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// Path that it was sent to, below the root of the dashboard.
    pub path: String,
    /// Names and values of its fields, without the proof of its origin.
    pub fields: Vec<(String, String)>,
}

/// A login.
#[derive(Debug, Clone)]
pub struct LoginView<'a> {
    /// Proof that the form carries.
    pub csrf: &'a Csrf,
    /// Page to show afterwards: a path below the root of the dashboard.
    pub next: &'a str,
    /// Reason that a token was not taken.
    pub refused: Option<&'a str>,
    /// Form whose session was over, which is shown again afterwards and not sent by itself.
    pub kept: Option<&'a Kept>,
    /// Number of folders below the root at which the page is answered; 0 at `login` itself.
    pub depth: usize,
}

/// The form that takes a token. It lies at the path of the page that was asked for, too.
#[must_use]
pub fn login(view: &LoginView<'_>) -> Markup {
    let frame = Frame::new(route::LOGIN, "Log in").at_depth(view.depth);
    let href = frame.href();
    let body = html! {
        form.login action=(href.to(route::LOG_IN, &[])) method="post" {
            span.mark { (icon(Icon::Mark)) "px" }
            h1 { "Log in" }
            @if view.kept.is_some() {
                p { "Your session is over. Nothing was done; after the login you see again what you typed." }
            }
            (form::proof(view.csrf))
            (form::hidden(field::NEXT, view.next))
            @if let Some(kept) = view.kept {
                (form::hidden("kept-path", &kept.path))
                @for (name, value) in &kept.fields { (form::hidden(&format!("kept:{name}"), value)) }
            }
            div.field {
                label for="token" { "API token" }
                input #token type="password" name=(field::TOKEN) required autocomplete="current-password"
                    autofocus aria-describedby="token-help" aria-invalid=[view.refused.map(|_| "true")];
                @if let Some(refused) = view.refused { p.s-bad role="alert" { "✕ " (visible(refused)) } }
                p.m #token-help { "It begins with " code { "pxt_" } ". An admin makes one: "
                    code { "px tokens create NAME --scope read" } }
            }
            button.primary type="submit" { "Log in" }
        }
    };
    bare(&frame, &body)
}

/// A form whose session was over, filled in as it was; it is sent by whoever logged in again.
#[must_use]
pub fn again(kept: &Kept, who: &Session) -> Markup {
    let frame = Frame::new(route::LOGIN, "Send it again?");
    let link = format!("./{}", kept.path.trim_start_matches('/'));
    let body = html! {
        (heading(&html! { "Send it again?" }, &nothing(), &nothing()))
        p { "Your session was over when you sent this to " code { (visible(&kept.path)) } ". Nothing was done yet." }
        form.stack action=(link) method="post" {
            (form::proof(&who.csrf))
            @for (name, value) in &kept.fields {
                div.field.wide {
                    label for={ "f-" (name) } { (visible(name.strip_prefix(field::OF_SCHEMA).unwrap_or(name))) }
                    textarea #{ "f-" (name) } name=(name) rows=(value.lines().count().clamp(1, 12)) spellcheck="false" { (value) }
                }
            }
            div.row { button.primary type="submit" { "Send it" } a href=(frame.href().to(route::OVERVIEW, &[])) { "Discard it" } }
        }
    };
    shell(&frame, who, &body)
}
