//! Pages of what comes in and what goes out: deliveries, webhooks, hooks and callbacks.

use axum::Json;
use axum::extract::{Path, Query};
use px_api::{ListCallbacks, ListDeliveries, ListWaits};
use px_core::Code;
use px_dashboard::page::{self, HookRow, HookView, InboxView, OutboxView, WebhookView};
use px_dashboard::route;
use serde_json::json;

use crate::api::{deliveries, files, hooks, send_test, waits, webhooks};
use crate::error::ApiError;
use crate::ui::look::{Look, Page};

use super::{FEW, app, sight, slugs};

/// Hooks whose figures are read for one list.
const FIGURES: usize = 50;

pub(in crate::ui) async fn inbox(look: Look) -> Page {
    let query: ListDeliveries = look.query(route::INBOX)?;
    let Json(page) = deliveries::list(app(&look), Ok(Query(query.clone()))).await?;
    let (page, slugs) = (look.clean(page)?, slugs(&look));
    look.page(|who| page::inbox(&InboxView { query: &query, page: &page, slugs: &slugs }, who))
}

pub(in crate::ui) async fn delivery(look: Look, Path(id): Path<String>) -> Page {
    let Json(delivery) = deliveries::show(app(&look), Path(id)).await?;
    let delivery = look.clean(delivery)?;
    look.page(|who| page::delivery(&delivery, who))
}

pub(in crate::ui) async fn file(look: Look, place: Path<(String, String)>) -> Page {
    look.payloads().demand("A file")?;
    Ok(files::show(app(&look), place).await?)
}

pub(in crate::ui) async fn webhooks(look: Look) -> Page {
    let Json(webhooks) = webhooks::list(app(&look)).await;
    let webhooks = look.clean(webhooks)?;
    look.page(|who| page::webhooks(&webhooks, who))
}

pub(in crate::ui) async fn webhook(look: Look, Path(slug): Path<String>) -> Page {
    let Json(all) = webhooks::list(app(&look)).await;
    let missing = || ApiError::not_found(format!("Webhook '{slug}' not found")).code(Code::WebhookNotFound);
    let webhook = all.webhooks.into_iter().find(|webhook| webhook.slug == slug).ok_or_else(missing)?;
    let of_slug = ListDeliveries { slug: Some(slug.clone()), limit: Some(FEW), ..ListDeliveries::default() };
    let Json(came) = deliveries::list(app(&look), Ok(Query(of_slug))).await?;
    let here = ListWaits { slug: Some(slug.clone()), limit: Some(FEW), ..ListWaits::default() };
    let Json(waiting) = waits::list(app(&look), Ok(Query(here))).await?;
    let schema = look.app.registry().webhook(&slug).map(|webhook| webhook.payload_schema.clone());
    let endpoint = look.app.stage.endpoints().find(|endpoint| endpoint.def.slug == slug);
    let no_test = endpoint.and_then(|endpoint| {
        send_test::refusal(&look.app, endpoint)
            .or_else(|| endpoint.shut().map(|why| format!("Webhook '{slug}' refuses every request: {why}")))
    });
    // The handler is asked for whoever may send.
    let may_send = no_test.is_none() && look.may(route::TEST_WEBHOOK).is_ok();
    let example = if may_send { look.app.example(&slug, None).await } else { None };
    let identifier = example.as_ref().and_then(|example| example.identifier.clone());
    let example = example.and_then(|example| example.payload.clone()).unwrap_or_else(|| json!({}));
    let (webhook, came, waiting) = (look.clean(webhook)?, look.clean(came)?, look.clean(waiting)?);
    let (example, identifier) = (look.clean(example)?, look.clean(json!(identifier))?);
    look.page(|who| {
        let view = WebhookView {
            webhook: &webhook,
            schema: schema.as_ref(),
            example: &example,
            identifier: identifier.as_str(),
            deliveries: &came,
            waits: &waiting,
            no_test: no_test.as_deref(),
        };
        page::webhook(&view, who)
    })
}

pub(in crate::ui) async fn hooks(look: Look) -> Page {
    let Json(all) = hooks::list::list(app(&look), sight()).await?;
    let mut figures = Vec::with_capacity(all.hooks.len());
    for (at, hook) in all.hooks.iter().enumerate() {
        let id = Path(hook.id.to_string());
        figures.push(match at < FIGURES {
            true => hooks::stats::show(app(&look), id).await.ok().map(|Json(stats)| stats),
            false => None,
        });
    }
    let all = look.clean(all)?;
    look.page(|who| {
        let rows = all.hooks.iter().zip(&figures);
        let rows: Vec<_> = rows.map(|(hook, stats)| HookRow { hook, stats: stats.as_ref() }).collect();
        page::hooks(&rows, who)
    })
}

pub(in crate::ui) async fn hook(look: Look, Path(id): Path<String>) -> Page {
    let query: ListCallbacks = look.query(route::HOOK)?;
    let Json(hook) = hooks::show::show(app(&look), sight(), Path(id.clone())).await?;
    let stats = hooks::stats::show(app(&look), Path(id.clone())).await.ok().map(|Json(stats)| stats);
    let Json(callbacks) = hooks::deliveries::of_hook(app(&look), Path(id), Ok(Query(query.clone()))).await?;
    let (hook, callbacks) = (look.clean(hook)?, look.clean(callbacks)?);
    look.page(|who| {
        let view = HookView {
            hook: &hook,
            stats: stats.as_ref(),
            query: &query,
            callbacks: &callbacks,
            secret: None,
        };
        page::hook(&view, who)
    })
}

pub(in crate::ui) async fn outbox(look: Look) -> Page {
    let query: ListCallbacks = look.query(route::OUTBOX)?;
    let Json(page) = hooks::deliveries::list(app(&look), Ok(Query(query.clone()))).await?;
    let Json(all) = hooks::list::list(app(&look), sight()).await?;
    let (page, all) = (look.clean(page)?, look.clean(all)?);
    look.page(|who| page::outbox(&OutboxView { query: &query, page: &page, hooks: &all.hooks }, who))
}

pub(in crate::ui) async fn callback(look: Look, Path(id): Path<String>) -> Page {
    let Json(callback) = hooks::delivery::show(app(&look), Path(id)).await?;
    let Json(all) = hooks::list::list(app(&look), sight()).await?;
    let (callback, all) = (look.clean(callback)?, look.clean(all)?);
    look.page(|who| page::callback(&callback, &all.hooks, who))
}
