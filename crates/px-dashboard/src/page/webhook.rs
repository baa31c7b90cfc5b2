//! Webhooks: the addresses that senders post to, whether they are believed, and a test event.

use maud::{Markup, html};
use px_api::{DeliveryPage, WaitPage, Webhook, Webhooks};
use serde_json::Value;

use super::inbox;
use crate::schema::fields;
use crate::schema_form::SchemaForm;
use crate::shell::{Frame, heading, nothing, shell};
use crate::status::{Tone, signed};
use crate::table::{Column, empty, facts, table};
use crate::text::{outsider, visible};
use crate::{Href, Query, Session, form, number, route};

/// The slug of a webhook, with the way to its page: those of px's own, such as that of signed links, have none.
pub(super) fn link(slug: &str, href: Href) -> Markup {
    html! { @if slug.starts_with("px.") { (slug) } @else { a href=(href.to(route::WEBHOOK, &[slug])) { (slug) } } }
}

/// The webhooks.
#[must_use]
pub fn webhooks(view: &Webhooks, who: &Session) -> Markup {
    let frame = Frame::new(route::WEBHOOKS, "Webhooks");
    let href = frame.href();
    let columns = [
        Column("Webhook", ""),
        Column("Senders", ""),
        Column("Provider", "o"),
        Column("Description", "grow"),
    ];
    let row = |webhook: &Webhook| {
        html! {
            tr data-row=(webhook.slug) {
                td { (link(&webhook.slug, href)) }
                td { (senders(webhook)) }
                td.o { (webhook.provider) }
                td.grow { (outsider(&webhook.description)) }
            }
        }
    };
    let rows: Vec<Markup> = view.webhooks.iter().map(row).collect();
    let body = html! {
        (heading(&html! { "Webhooks" }, &nothing(), &nothing()))
        @if rows.is_empty() { (empty("This server has no webhook. This adds one to your project:", Some("px new webhook NAME"))) }
        @else { (table("Webhooks", &columns, &rows)) }
    };
    shell(&frame, who, &body)
}

fn senders(webhook: &Webhook) -> Markup {
    match (&webhook.refuses_all, webhook.verified) {
        (Some(_), _) => signed(Tone::Bad, "✕", "refuses all"),
        (None, true) => signed(Tone::Ok, "✓", "verified"),
        (None, false) => signed(Tone::Wait, "!", "unverified"),
    }
}

/// A webhook.
#[derive(Debug, Clone)]
pub struct WebhookView<'a> {
    /// The webhook.
    pub webhook: &'a Webhook,
    /// JSON Schema of its payload, if it has one.
    pub schema: Option<&'a Value>,
    /// A payload that fits.
    pub example: &'a Value,
    /// Identifier that its handler finds in the example.
    pub identifier: Option<&'a str>,
    /// Its newest deliveries.
    pub deliveries: &'a DeliveryPage,
    /// The keys at which somebody waits.
    pub waits: &'a WaitPage,
    /// Reason that no test event can be sent, if that is so.
    pub no_test: Option<&'a str>,
}

/// A webhook.
#[must_use]
pub fn webhook(view: &WebhookView<'_>, who: &Session) -> Markup {
    let webhook = view.webhook;
    let frame = Frame::new(route::WEBHOOK, &*webhook.slug)
        .place(route::WEBHOOKS)
        .here(format!("webhooks/{}", webhook.slug));
    let href = frame.href();
    let about = html! { span { (senders(webhook)) } @if webhook.verified { span { (webhook.provider) } } span { (outsider(&webhook.description)) } };
    let of_slug = Query::new().and("slug", &webhook.slug);
    let body = html! {
        (heading(&html! { (webhook.slug) }, &about, &nothing()))
        @if let Some(reason) = &webhook.refuses_all { div.box { p.s-bad { "✕ It refuses every request: " (outsider(reason)) } } }
        (facts(&[
            ("URL", html! { (form::command(&webhook.url)) @if is_loopback(&webhook.url) { p.s-wait { "! Only this machine reaches that address: set public_url in px.toml." } } }),
            ("Secret", secret(webhook)),
            ("Waits now", html! { a href=(href.with(route::WAITS, &[], &of_slug)) { (waits(view.waits)) } }),
        ]))
        (test(view, href, who))
        section aria-labelledby="deliveries-h" {
            h2 #deliveries-h { "Last deliveries" }
            @if view.deliveries.deliveries.is_empty() { p.m { "Nothing has come yet." } } @else {
                (inbox::of_webhook(&view.deliveries.deliveries, href, who))
                p { a href=(href.with(route::INBOX, &[], &of_slug)) { "All deliveries" } }
            }
        }
        @if let Some(schema) = view.schema { section aria-labelledby="schema-h" { h2 #schema-h { "Payload" } (fields(schema)) } }
    };
    shell(&frame, who, &body)
}

fn secret(webhook: &Webhook) -> Markup {
    html! {
        @match (&webhook.secret, webhook.verified) {
            (Some(name), true) => { code { (name) } " " (signed(Tone::Ok, "✓", "set")) (source(webhook)) },
            (Some(name), false) => { code { (name) } " " (signed(Tone::Wait, "!", "missing")) " " (form::command(&format!("px secrets set {name}"))) },
            (None, _) => span.m { "none: it answers only callers on this machine" },
        }
    }
}

/// Place that the secret comes from, in words.
fn source(webhook: &Webhook) -> Markup {
    html! { @if let Some(source) = &webhook.secret_source { span.m { " by the " (source) } } }
}

fn waits(page: &WaitPage) -> String {
    let more = if page.next_cursor.is_some() { "+" } else { "" };
    format!("{}{more} identifiers", number::whole(number::count(&page.keys)))
}

/// Returns true for an address that only this machine reaches.
fn is_loopback(url: &str) -> bool {
    let host = url.split("//").nth(1).unwrap_or(url);
    ["localhost", "127.", "[::1]"].iter().any(|local| host.starts_with(local))
}

fn test(view: &WebhookView<'_>, href: Href, who: &Session) -> Markup {
    let slug = &view.webhook.slug;
    let payload = SchemaForm {
        id: "f-",
        schema: view.schema,
        example: view.example,
        json: ("payload", "Payload, as JSON"),
        rows: 12,
        typed: &[],
        violations: &[],
    };
    // Left empty, it is the payload's own: whoever edits that means what it says.
    let hint = view
        .identifier
        .map_or_else(|| "as the payload has it".to_owned(), |own| format!("as the payload has it: {own}"));
    html! {
        details.section {
            summary { h2 { "Send a test event" } }
            @match view.no_test {
                Some(reason) => p.m { (outsider(reason)) },
                None => {
                    p.m { @if view.webhook.verified { "px signs it itself and takes it in as if " (view.webhook.provider) " had sent it." } @else { "px takes it in, unsigned, as from this machine." }
                        " What follows is real, and marked as a test." }
                    div.stack { (form::post(route::TEST_WEBHOOK, &[slug], href, who, &html! {
                        (form::text("identifier", "Identifier", None, &visible(&hint)))
                        (payload.controls())
                        (form::submit("Send it", "primary", route::TEST_WEBHOOK, who))
                    })) }
                },
            }
            (form::command(&format!("px webhooks send {slug}")))
        }
    }
}
