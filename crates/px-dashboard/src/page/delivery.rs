//! A delivery: why it came to what it came to, and the request as it was.

use maud::{Markup, html};
use px_api::{Delivery, DeliveryFile, DeliveryState, InboxEvent};
use serde_json::Value;

use crate::icon::{Icon, icon};
use crate::shell::{Frame, heading, shell};
use crate::table::{Column, facts, table};
use crate::text::{outsider, short_id, tail_of, visible, whole_id};
use crate::{Href, Session, form, json_tree, number, prose, route, status, time};

/// A delivery.
#[must_use]
pub fn delivery(view: &Delivery, who: &Session) -> Markup {
    let id = view.id.to_string();
    let frame = Frame::new(route::DELIVERY, format!("{} {}", tail_of(&id), view.slug))
        .place(route::INBOX)
        .live(format!("delivery:{id}"))
        .here(format!("inbox/{id}"));
    let href = frame.href();
    let about = html! {
        @if let Some(state) = &view.state { span { (status::delivery(state)) } }
        (status::test(view.test, view.tested_by.as_deref()))
        span { (whole_id(&id)) (form::copy("Copy", &id)) }
        span { "received " (time::exact(view.received_at, who)) }
    };
    let title = html! {
        (super::webhook::link(&view.slug, href))
    };
    let body = html! {
        (heading(&title, &about, &actions(view, &id, href, who)))
        section.box #why aria-labelledby="why-h" data-part="why" {
            h2 #why-h { "Why" }
            p { (prose::sentence(&view.why, href)) }
            @if let Some(run) = view.brain_run_id {
                p { "What followed: " a href=(href.to(route::RUN, &[&run.to_string()])) { "run " (short_id(run)) } }
            }
        }
        (answer(view))
        @if view.events.len() > 1 { (events(view, href, who)) }
        @if is_kept(view) { section aria-labelledby="body-h" {
            h2 #body-h { "Body" }
            @if view.emptied { p.m { "Its headers and body were dropped since." } }
            @else if who.sees_payloads { (payload(view)) }
            @else { p.m { "Bodies are shown to the scope operate and above; this session has " (who.scope) "." } }
        } }
        @if !view.files.is_empty() { (files(view, &id, href, who)) }
        @if !view.headers.is_empty() { (headers(view)) }
    };
    shell(&frame, who, &body)
}

/// Returns true if something of the body is there: of a sender that was not verified px may keep nothing.
fn is_kept(view: &Delivery) -> bool {
    let is_none = view.payload.is_null() || view.payload.as_str().is_some_and(str::is_empty);
    view.size == 0 || view.emptied || !is_none || view.fields.is_some() || !view.files.is_empty()
}

/// Acts on a delivery: the likely one stands alone.
fn actions(view: &Delivery, id: &str, href: Href, who: &Session) -> Markup {
    use DeliveryState as S;
    let tail = tail_of(id);
    let tail = tail.trim_start_matches('…');
    let (likely, does) = match &view.state {
        Some(S::Quarantined | S::Rejected) if is_kept(view) => {
            (true, "It is handled again, in the same row.")
        }
        _ => (
            false,
            "What came is handled once more, as a delivery of its own; an event that was seen before stays a duplicate.",
        ),
    };
    let can_bind = matches!(&view.state, Some(S::Queued | S::Late | S::Expired));
    let replay = |class: &str| {
        form::post(route::REPLAY, &[id], href, who, &form::submit("Replay", class, route::REPLAY, who))
    };
    html! {
        @if likely { (replay("primary")) }
        details.menu {
            summary.button { (icon(Icon::More)) span.vh { "More about this delivery" } }
            div.sheet {
                @if !view.emptied && is_kept(view) {
                    section.act { h2 { "Replay" } p.m { (does) } @if !likely { (replay("")) }
                        (form::command(&format!("px webhooks deliveries replay {tail}"))) }
                }
                @if can_bind {
                    section.act {
                        h2 { "Give it to a run" }
                        p.m { "The run takes the event as its response, whatever its identifier is." }
                        (form::post(route::BIND, &[id], href, who, &html! {
                            (form::text(route::field::RUN, "Run", None, "id, or its end"))
                            (form::submit("Give it to the run", "", route::BIND, who))
                        }))
                        (form::command(&format!("px webhooks deliveries bind {tail} RUN")))
                    }
                }
                section.act { h2 { "Look on" }
                    (form::command(&format!("px webhooks deliveries show {tail}")))
                }
            }
        }
    }
}

fn answer(view: &Delivery) -> Markup {
    let provider = view.events.first().and_then(|event| event.provider_id.as_deref());
    let mut rows: Vec<(&str, Markup)> = Vec::new();
    rows.extend(view.identifier.as_deref().map(|identifier| ("Identifier", outsider(identifier))));
    rows.extend([
        ("Request", html! { (view.method) " " code { (outsider(&view.target)) } }),
        ("From", outsider(&view.remote)),
        ("Sender", outsider(&view.verdict)),
        ("Answer", html! { (view.status) " after " (number::micros(view.took_micros)) }),
        ("Body", html! { (number::bytes(view.size)) @if !is_kept(view) { ", not kept" } }),
    ]);
    rows.extend(provider.map(|id| ("Provider's id", html! { code { (outsider(id)) } })));
    facts(&rows)
}

fn events(view: &Delivery, href: Href, who: &Session) -> Markup {
    let columns = [
        Column("State", ""),
        Column("Identifier", "grow"),
        Column("Run", ""),
        Column("Reason", "o"),
        Column("Since", "n"),
    ];
    let row = |event: &InboxEvent| {
        html! {
            tr {
                td { (status::delivery(&event.state)) }
                td.grow { @if let Some(identifier) = &event.identifier { (outsider(identifier)) } }
                td { @if let Some(run) = event.brain_run_id { a href=(href.to(route::RUN, &[&run.to_string()])) { (short_id(run)) } } }
                td.o { @if let Some(reason) = &event.reason { (outsider(reason)) } }
                td.n { (time::ago(event.since, who)) }
            }
        }
    };
    let rows: Vec<Markup> = view.events.iter().map(row).collect();
    html! { section aria-labelledby="events-h" { h2 #events-h { "Events" } (table("Events of the delivery", &columns, &rows)) } }
}

fn payload(view: &Delivery) -> Markup {
    html! {
        @if let Some(fields) = &view.fields {
            dl.facts { @for field in fields { div { dt { (outsider(&field.name)) } dd { (outsider(&field.value)) } } } }
        } @else {
            @match &view.payload {
                Value::String(text) => pre tabindex="0" { (visible(text)) },
                other => (json_tree::tree(other)),
            }
        }
    }
}

fn files(view: &Delivery, id: &str, href: Href, who: &Session) -> Markup {
    let columns = [Column("Field", ""), Column("Name", "grow"), Column("Type", "o"), Column("Size", "n")];
    let row = |(place, file): (usize, &DeliveryFile)| {
        html! {
            tr {
                td { (outsider(&file.field)) }
                td.grow {
                    @if who.sees_payloads {
                        a href=(href.to(route::FILE, &[id, &place.to_string()])) download { (outsider(&file.name)) }
                    } @else { (outsider(&file.name)) }
                    @if file.unread == Some(true) { span.m { " given to no run" } } }
                td.o { @if let Some(kind) = &file.content_type { (outsider(kind)) } }
                td.n title={ "SHA-256 " (file.sha256) } { (number::bytes(file.size)) }
            }
        }
    };
    let rows: Vec<Markup> = view.files.iter().enumerate().map(row).collect();
    html! { section aria-labelledby="files-h" { h2 #files-h { "Files" } (table("Files of the delivery", &columns, &rows)) } }
}

fn headers(view: &Delivery) -> Markup {
    html! {
        details.section {
            summary { h2 { "Headers" } span.m { (number::whole(u64::try_from(view.headers.len()).unwrap_or(u64::MAX))) ", without what is secret" } }
            dl.facts.mono { @for (name, value) in &view.headers { div { dt { (outsider(name)) } dd { (outsider(value)) } } } }
        }
    }
}
