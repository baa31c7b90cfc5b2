//! `GET /webhooks/deliveries` and `GET /webhooks/deliveries/:id`: the inbox.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use px_api::why::{self, why};
use px_api::{DeliveryPage, DeliverySummary, ListDeliveries};
use px_core::{Code, DeliveryId, RunStatus, StoredFile};
use px_store::{Delivery, DeliveryFilter, InboxEvent, InboxState};

use super::page_size;
use crate::app::{App, Shared};
use crate::error::ApiError;

pub(crate) async fn list(
    State(app): State<Shared>,
    query: Result<Query<ListDeliveries>, QueryRejection>,
) -> Result<Json<DeliveryPage>, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::bad_request(error.body_text()))?;
    let state = query
        .state
        .map(|name| {
            InboxState::parse(&name).ok_or_else(|| {
                let known: Vec<_> = InboxState::ALL.iter().map(|state| state.as_str()).collect();
                ApiError::bad_request(format!("Unknown state '{name}'; the states are {}", known.join(", ")))
            })
        })
        .transpose()?;
    let filter = DeliveryFilter {
        slug: query.slug,
        state,
        identifier: query.identifier,
        since: super::since(query.since)?,
    };
    let before = query
        .cursor
        .map(|cursor| cursor.parse::<DeliveryId>().map(DeliveryId::to_bytes))
        .transpose()
        .map_err(|error| ApiError::bad_request(format!("Bad cursor: {error}")))?;
    let page = app.store().deliveries(app.parts.scope, &filter, before, page_size(query.limit)).await?;
    Ok(Json(DeliveryPage {
        deliveries: page.items.iter().map(summary).collect(),
        next_cursor: page.next.map(|next| DeliveryId::from_bytes(next).to_string()),
    }))
}

pub(crate) async fn show(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<px_api::Delivery>, ApiError> {
    let delivery = match id.parse::<DeliveryId>() {
        Ok(parsed) => app.store().delivery(app.parts.scope, parsed).await?,
        Err(_) => None,
    };
    let delivery = delivery.ok_or_else(|| {
        ApiError::not_found(format!("Delivery '{id}' not found")).code(Code::DeliveryNotFound)
    })?;
    let shown = summary(&delivery);
    let mut now = Vec::new();
    for event in &delivery.events {
        now.push(look(&app, &delivery, event).await);
    }
    let events: Vec<_> = shown.events.iter().zip(now).collect();
    let mut why = why(delivery.id, &delivery.slug, &events, delivery.emptied);
    why.extend(delivery.test.as_ref().map(|test| why::tested(test.by.as_deref())));
    why.extend(
        delivery.files.iter().filter(|file| file.unread).map(|file| why::unread(&file.field, &file.name)),
    );
    Ok(Json(whole(&delivery, shown, why)))
}

/// Returns what is so now, as far as it explains an event.
async fn look(app: &App, delivery: &Delivery, event: &InboxEvent) -> why::Now {
    let mut now = why::Now {
        brought_token: event.token.is_some(),
        is_superseded: event.is_superseded(),
        ..why::Now::default()
    };
    match event.run.filter(|_| event.state == InboxState::Queued) {
        Some(run) => {
            let record = app.store().run(app.parts.scope, run).await;
            now.is_owner_paused =
                matches!(record, Ok(Some(record)) if record.run.status == RunStatus::Paused);
        }
        None => {
            let early = app.registry().webhook(&delivery.slug).and_then(|webhook| webhook.early);
            now.kept_until = early.map(|early| event.since.after(early));
        }
    }
    now
}

/// A delivery in a list: without headers and payload.
fn summary(delivery: &Delivery) -> DeliverySummary {
    let first = delivery.events.first();
    DeliverySummary {
        id: delivery.id,
        slug: delivery.slug.clone(),
        received_at: delivery.received_at,
        state: first.map(|event| event.state.as_str().into()),
        identifier: first.and_then(|event| event.identifier.clone()),
        brain_run_id: first.and_then(|event| event.run),
        status: delivery.status,
        size: delivery.size,
        events: delivery.events.iter().map(shown).collect(),
        test: delivery.test.as_ref().map(|_| true),
        tested_by: delivery.test.as_ref().and_then(|test| test.by.clone()),
    }
}

/// A delivery on its own, with why it became what it is.
fn whole(delivery: &Delivery, summary: DeliverySummary, why: String) -> px_api::Delivery {
    px_api::Delivery {
        id: summary.id,
        slug: summary.slug,
        received_at: summary.received_at,
        state: summary.state,
        identifier: summary.identifier,
        brain_run_id: summary.brain_run_id,
        status: summary.status,
        size: summary.size,
        events: summary.events,
        method: delivery.method.clone(),
        target: delivery.target.clone(),
        remote: delivery.remote.clone(),
        headers: delivery.headers.iter().cloned().collect(),
        verdict: delivery.verdict.clone(),
        took_micros: delivery.took_us,
        payload: super::json_or_text(&delivery.body),
        files: delivery.files.iter().map(file).collect(),
        fields: is_form(delivery).then(|| {
            let fields = px_inbound::verify::form_fields(&delivery.body).into_iter();
            fields.map(|(name, value)| px_api::FormField { name, value }).collect()
        }),
        emptied: delivery.emptied,
        why,
        test: summary.test,
        tested_by: summary.tested_by,
    }
}

fn file(file: &StoredFile) -> px_api::DeliveryFile {
    px_api::DeliveryFile {
        field: file.field.clone(),
        name: file.name.clone(),
        size: file.size,
        sha256: file.sha256.clone(),
        content_type: file.content_type.clone(),
        unread: file.unread.then_some(true),
    }
}

/// Returns whether the body is a form that was kept.
fn is_form(delivery: &Delivery) -> bool {
    let is_type = |(name, value): &(String, String)| {
        name.eq_ignore_ascii_case("content-type")
            && value.trim_start().to_ascii_lowercase().starts_with("application/x-www-form-urlencoded")
    };
    !delivery.emptied && delivery.headers.iter().any(is_type)
}

fn shown(event: &InboxEvent) -> px_api::InboxEvent {
    px_api::InboxEvent {
        id: event.id,
        state: event.state.as_str().into(),
        since: event.since,
        provider_id: event.provider_id.clone(),
        identifier: event.identifier.clone(),
        brain_run_id: event.run,
        wait_id: event.wait,
        passed: event.passed.clone(),
        original: event.original,
        reason: event.reason.clone(),
        response: event.response.clone(),
        would_start: event.start.as_ref().map(|start| start.brain.clone()),
    }
}
