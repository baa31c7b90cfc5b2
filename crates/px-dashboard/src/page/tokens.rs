//! API tokens: who may do what.

use maud::{Markup, html};
use px_api::{CreatedToken, Token, Tokens};

use super::hook::shown_once;
use crate::shell::{Frame, heading, nothing, shell};
use crate::table::{Column, empty, table, tabs};
use crate::text::outsider;
use crate::{Href, Session, form, route, time};

/// The API tokens.
#[derive(Debug, Clone)]
pub struct TokensView<'a> {
    /// The tokens, without their secrets.
    pub tokens: &'a Tokens,
    /// A token that was just made: it is shown this once.
    pub created: Option<&'a CreatedToken>,
}

/// Links between tokens and secrets.
pub(super) fn views(is_secrets: bool, href: Href) -> Markup {
    let views = [
        ("Tokens", href.to(route::TOKENS, &[]), !is_secrets),
        ("Secrets", href.to(route::SECRETS, &[]), is_secrets),
    ];
    tabs("Access", &views)
}

/// The API tokens.
#[must_use]
pub fn tokens(view: &TokensView<'_>, who: &Session) -> Markup {
    let frame = Frame::new(route::TOKENS, "Tokens");
    let href = frame.href();
    let columns =
        [Column("Name", "grow"), Column("Scope", ""), Column("Age", "n"), Column("Revoke", "n unsaid")];
    let rows: Vec<Markup> = view.tokens.tokens.iter().map(|token| row(token, href, who)).collect();
    let make = html! {
        (form::text("name", "Name", None, "the service that uses it"))
        (form::choice("scope", "Scope", None, &[("read", "read"), ("operate", "operate"), ("admin", "admin")]))
        (form::submit("Make a token", "primary", route::CREATE_TOKEN, who))
    };
    let body = html! {
        (heading(&html! { "Tokens" }, &nothing(), &nothing()))
        (views(false, href))
        @if let Some(created) = view.created { (shown_once(&format!("Token {}", created.name), created.token.expose())) }
        @if rows.is_empty() { (empty("There is no token: every caller on this machine may do everything, and nobody else anything.", Some("px tokens create NAME --scope admin"))) }
        @else { (table("API tokens, oldest first", &columns, &rows)) }
        h2 { "Make a token" }
        div.line { (form::post(route::CREATE_TOKEN, &[], href, who, &make)) }
    };
    shell(&frame, who, &body)
}

fn row(token: &Token, href: Href, who: &Session) -> Markup {
    let id = token.id.to_string();
    html! {
        tr data-row=(id) {
            td.grow { (outsider(&token.name)) }
            td { (token.scope) }
            td.n { (time::ago(token.created_at, who)) }
            td.n {
                details.menu {
                    summary.button { "Revoke…" }
                    div.sheet {
                        p { "Whoever uses " strong { (outsider(&token.name)) } " is refused from then on, and its sessions end. This cannot be taken back." }
                        (form::post(route::REVOKE_TOKEN, &[&id], href, who, &form::submit("Revoke the token", "danger", route::REVOKE_TOKEN, who)))
                    }
                }
            }
        }
    }
}
