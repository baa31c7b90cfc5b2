//! Deliveries of webhooks, newest first, each with whatever became of it.

use maud::{Markup, html};
use px_api::{DeliveryPage, DeliverySummary, ListDeliveries};

use crate::asset::File;
use crate::shell::{Frame, heading, nothing, shell};
use crate::table::{Column, empty, pager, table};
use crate::text::{identifier_cut, outsider_cut, short_id};
use crate::{Href, Query, Session, form, number, route, status, time};

/// States that an event of a delivery can have, for the filter.
const STATES: [(&str, &str); 11] = [
    ("", "any state"),
    ("resumed", "resumed"),
    ("started", "started"),
    ("queued", "queued"),
    ("collected", "collected"),
    ("duplicate", "duplicate"),
    ("ignored", "ignored"),
    ("late", "late"),
    ("expired", "expired"),
    ("quarantined", "quarantined"),
    ("rejected", "rejected"),
];

const COLUMNS: [Column; 7] = [
    Column("State", ""),
    Column("Delivery", ""),
    Column("Webhook", ""),
    Column("Identifier", "grow"),
    Column("Run", ""),
    Column("Answer", "n o"),
    Column("Age", "n"),
];

/// The deliveries of one webhook, as a table that does not name it in every row.
pub(super) fn of_webhook(deliveries: &[DeliverySummary], href: Href, who: &Session) -> Markup {
    let columns: Vec<Column> = COLUMNS.into_iter().filter(|Column(name, _)| *name != "Webhook").collect();
    let rows: Vec<Markup> = deliveries.iter().map(|one| row(one, false, href, who)).collect();
    table("Last deliveries", &columns, &rows)
}

/// A page of the inbox.
#[derive(Debug, Clone)]
pub struct InboxView<'a> {
    /// Filter as it was asked for.
    pub query: &'a ListDeliveries,
    /// The deliveries.
    pub page: &'a DeliveryPage,
    /// Slugs of the webhooks that can be chosen.
    pub slugs: &'a [String],
}

/// The inbox.
#[must_use]
pub fn inbox(view: &InboxView<'_>, who: &Session) -> Markup {
    let query = query(view.query);
    let here = Href::at_depth(0).with(route::INBOX, &[], &query);
    let frame = Frame::new(route::INBOX, "Inbox")
        .live("inbox")
        .here(here.trim_start_matches("./"))
        .scripts(&[File::Run]);
    let href = frame.href();
    let rows: Vec<Markup> =
        view.page.deliveries.iter().map(|delivery| row(delivery, true, href, who)).collect();
    let is_asked = query != Query::new();
    let body = html! {
        (heading(&html! { "Inbox" }, &nothing(), &nothing()))
        (filter(view, is_asked, href))
        @if rows.is_empty() && is_asked { (empty("No delivery fits this filter.", None)) }
        @else if rows.is_empty() { (empty("Nothing has come yet. This sends one of your webhooks an event:", Some("px webhooks send WEBHOOK"))) }
        @else {
            p.new #new hidden { button type="button" #new-go { "Show new rows" } }
            (table("Deliveries, newest first", &COLUMNS, &rows))
        }
        (pager(href, (route::INBOX, &[]), &query, view.query.cursor.as_deref(), view.page.next_cursor.as_deref()))
    };
    shell(&frame, who, &body)
}

fn query(list: &ListDeliveries) -> Query {
    Query::new()
        .maybe("slug", list.slug.as_ref())
        .maybe("state", list.state.as_ref())
        .maybe("identifier", list.identifier.as_ref())
        .maybe("since", list.since)
        .maybe(route::field::CURSOR, list.cursor.as_ref())
}

fn filter(view: &InboxView<'_>, is_asked: bool, href: Href) -> Markup {
    let list = view.query;
    let slugs: Vec<(&str, &str)> = std::iter::once(("", "any webhook"))
        .chain(view.slugs.iter().map(|slug| (slug.as_str(), slug.as_str())))
        .collect();
    html! {
        form.filter action=(href.to(route::INBOX, &[])) method="get" {
            (form::choice("slug", "Webhook", list.slug.as_deref(), &slugs))
            (form::choice("state", "State", list.state.as_deref(), &STATES))
            (form::text("identifier", "Identifier", list.identifier.as_deref(), "+15550100"))
            div.row { button type="submit" { "Filter" } @if is_asked { a href=(href.to(route::INBOX, &[])) { "Clear" } } }
        }
    }
}

fn row(delivery: &DeliverySummary, is_of_all: bool, href: Href, who: &Session) -> Markup {
    let id = delivery.id.to_string();
    let events = delivery.events.len();
    let reason = delivery.events.first().and_then(|event| event.reason.as_deref());
    html! {
        tr data-row=(id) {
            td { @match &delivery.state { Some(state) => (status::delivery(state)), None => span.m { "–" } } }
            td { a href=(href.to(route::DELIVERY, &[&id])) { (short_id(&id)) } }
            @if is_of_all { td { (delivery.slug) } }
            td.grow {
                @if let Some(identifier) = &delivery.identifier { (identifier_cut(identifier, 72)) }
                @if delivery.test == Some(true) { " " (status::test(delivery.test, delivery.tested_by.as_deref())) }
                @if events > 1 { span.m { " " (number::of(u64::try_from(events).unwrap_or(u64::MAX), "event")) } }
                @if let Some(reason) = reason { " " span.m { (outsider_cut(reason, 80)) } }
            }
            td { @if let Some(run) = delivery.brain_run_id { a href=(href.to(route::RUN, &[&run.to_string()])) { (short_id(run)) } } }
            td.n.o { (delivery.status) }
            td.n { (time::ago(delivery.received_at, who)) }
        }
    }
}
