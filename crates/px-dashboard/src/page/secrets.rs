//! Secrets of the store, without their values: since when they are there, and who reads them.

use maud::{Markup, html};
use px_api::{SecretInfo, SecretRead, SecretReads, Secrets};

use super::tokens::views;
use crate::shell::{Frame, heading, nothing, shell};
use crate::status::{Tone, signed};
use crate::table::{Column, empty, table};
use crate::text::{outsider, short_id};
use crate::{Session, form, number, route, time};

/// The secrets.
#[must_use]
pub fn secrets(view: &Secrets, who: &Session) -> Markup {
    let frame = Frame::new(route::SECRETS, "Secrets");
    let href = frame.href();
    let columns =
        [Column("Name", ""), Column("State", "grow"), Column("Set", "o"), Column("Former value until", "o")];
    let row = |secret: &SecretInfo| {
        html! {
            tr data-row=(secret.name) {
                td { a href=(href.to(route::SECRET, &[&secret.name])) { code { (secret.name) } } }
                td.grow { (state(secret)) }
                td.o { (secret.updated_at) }
                td.o { @if let Some(until) = &secret.old_value_until { (until) } }
            }
        }
    };
    let rows: Vec<Markup> = view.secrets.iter().map(row).collect();
    let body = html! {
        (heading(&html! { "Secrets" }, &nothing(), &nothing()))
        (views(true, href))
        @if rows.is_empty() { (empty("The store has no secret. This sets one, and asks for its value:", Some("px secrets set NAME"))) }
        @else { (table("Secrets, by name", &columns, &rows)) p { (form::command("px secrets set NAME")) } }
    };
    shell(&frame, who, &body)
}

fn state(secret: &SecretInfo) -> Markup {
    match (secret.unreadable, secret.shadowed) {
        (true, _) => signed(Tone::Bad, "✕", "cannot be read: it was sealed under another key"),
        (false, true) => signed(Tone::Wait, "!", "shadowed by the environment"),
        (false, false) => signed(Tone::Ok, "✓", "set"),
    }
}

/// Those who have read a secret.
#[must_use]
pub fn secret(name: &str, view: &SecretReads, who: &Session) -> Markup {
    let frame = Frame::new(route::SECRET, crate::text::visible(name)).place(route::SECRETS);
    let href = frame.href();
    let columns = [
        Column("Reader", ""),
        Column("Name", "grow"),
        Column("Step", "o"),
        Column("Last run", "o"),
        Column("Times", "n"),
        Column("Last", "n"),
    ];
    let row = |read: &SecretRead| {
        html! {
            tr {
                td { (read.kind) }
                td.grow { (outsider(&read.reader)) }
                td.o { @if let Some(step) = &read.step { (outsider(step)) } }
                td.o { @if let Some(run) = read.brain_run_id { a href=(href.to(route::RUN, &[&run.to_string()])) { (short_id(run)) } } }
                td.n { (number::whole(read.count)) }
                td.n { (time::ago(read.last_at, who)) }
            }
        }
    };
    let rows: Vec<Markup> = view.reads.iter().map(row).collect();
    let body = html! {
        (heading(&html! { code { (outsider(name)) } }, &html! { span { "Its value is never shown." } }, &nothing()))
        @if rows.is_empty() { (empty("Nobody has read it yet.", None)) } @else { (table("Readers, the last one first", &columns, &rows)) }
    };
    shell(&frame, who, &body)
}
