//! `GET /ids`: the things whose ids end in some digits. Ids begin with the time, so the
//! last digits are what people read and type.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use px_api::{FindIds, FoundId, FoundIds, IdKind};
use px_core::{DeliveryId, RunId, RunStatus};
use px_store::outbox::CallbackFilter;
use px_store::{DeliveryList, InboxState};

use crate::app::{App, Shared};
use crate::error::ApiError;

/// Number of ids of each list that are looked at, at most: without their rows.
const MAX_LOOKED: usize = 100_000;

/// Number of callbacks that are looked at, at most: with their rows.
const MAX_CALLBACKS: usize = 2_000;

/// Number of ids that are read at once.
const PAGE: usize = 10_000;

/// Number of things that are found, at most.
const MAX_FOUND: usize = 20;

/// Number of digits of a tail, and of a whole id.
const DIGITS: std::ops::RangeInclusive<usize> = 4..=32;

pub(super) async fn find(
    State(app): State<Shared>,
    query: Result<Query<FindIds>, QueryRejection>,
) -> Result<Json<FoundIds>, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::bad_request(error.body_text()))?;
    let tail = query.tail.unwrap_or_default().to_ascii_lowercase();
    if !DIGITS.contains(&tail.len()) || !tail.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(ApiError::bad_request(format!(
            "The tail of an id is its last digits, 4 to 32 hexadecimal ones, as in tail=5e67c0; this is '{tail}'"
        )));
    }
    let kind = query.kind.as_deref();
    if let Some(kind) = kind.filter(|kind| !["run", "delivery", "callback", "hook"].contains(kind)) {
        return Err(ApiError::bad_request(format!(
            "Unknown kind '{kind}'; the kinds are run, delivery, callback, hook"
        )));
    }
    let mut search =
        Search { app: &app, tail, found: FoundIds { ids: Vec::new(), looked: 0, has_more: false } };
    let is_asked = |name: &str| kind.is_none_or(|kind| kind == name);
    if is_asked("run") {
        search.runs().await?;
    }
    if is_asked("delivery") {
        search.deliveries().await?;
    }
    if is_asked("callback") {
        search.callbacks().await?;
    }
    if is_asked("hook") {
        search.hooks()?;
    }
    search.found.ids.sort_by_key(|found| std::cmp::Reverse(found.at));
    search.found.has_more |= search.found.ids.len() > MAX_FOUND;
    search.found.ids.truncate(MAX_FOUND);
    Ok(Json(search.found))
}

struct Search<'a> {
    app: &'a App,
    tail: String,
    found: FoundIds,
}

impl Search<'_> {
    fn fits(&self, id: [u8; 16]) -> bool {
        hex::encode(id).ends_with(&self.tail)
    }

    fn note(&mut self, looked: usize) {
        self.found.looked += u64::try_from(looked).unwrap_or(u64::MAX);
    }

    async fn runs(&mut self) -> Result<(), ApiError> {
        let (store, scope) = (self.app.store(), self.app.parts.scope);
        let mut fitting = Vec::new();
        for status in RunStatus::ALL {
            let (mut before, mut looked) = (None, 0);
            loop {
                let ids = store.run_ids(scope, status, before, PAGE).await?;
                looked += ids.len();
                fitting.extend(ids.iter().copied().filter(|id: &RunId| self.fits(id.to_bytes())));
                before = ids.last().copied();
                if ids.len() < PAGE {
                    break;
                }
                if looked >= MAX_LOOKED {
                    self.found.has_more = true;
                    break;
                }
            }
            self.note(looked);
        }
        fitting.sort_unstable();
        fitting.dedup();
        for id in fitting.into_iter().rev().take(MAX_FOUND + 1) {
            // A list may have a run that is gone since.
            let Some(record) = store.run(scope, id).await? else { continue };
            self.found.ids.push(FoundId {
                id: id.to_string(),
                kind: IdKind::Run,
                title: Some(record.run.brain),
                status: Some(record.run.status.as_str().to_owned()),
                at: record.run.created_at,
            });
        }
        Ok(())
    }

    async fn deliveries(&mut self) -> Result<(), ApiError> {
        let (store, scope) = (self.app.store(), self.app.parts.scope);
        let mut fitting = Vec::new();
        for state in InboxState::ALL {
            let (mut before, mut looked) = (None, 0);
            loop {
                let ids = store.delivery_ids(scope, DeliveryList::State(state), before, PAGE).await?;
                looked += ids.len();
                fitting.extend(ids.iter().copied().filter(|id: &DeliveryId| self.fits(id.to_bytes())));
                before = ids.last().copied();
                if ids.len() < PAGE {
                    break;
                }
                if looked >= MAX_LOOKED {
                    self.found.has_more = true;
                    break;
                }
            }
            self.note(looked);
        }
        fitting.sort_unstable();
        fitting.dedup();
        for id in fitting.into_iter().rev().take(MAX_FOUND + 1) {
            let Some(delivery) = store.delivery(scope, id).await? else { continue };
            self.found.ids.push(FoundId {
                id: id.to_string(),
                kind: IdKind::Delivery,
                title: Some(delivery.slug),
                status: delivery.events.first().map(|event| event.state.as_str().to_owned()),
                at: delivery.received_at,
            });
        }
        Ok(())
    }

    async fn callbacks(&mut self) -> Result<(), ApiError> {
        let filter = CallbackFilter::default();
        let outbox = self.app.store().outbox();
        let page = outbox.callbacks(self.app.parts.scope, &filter, None, MAX_CALLBACKS).await?;
        self.note(page.items.len());
        self.found.has_more |= page.next.is_some();
        for callback in page.items {
            if self.fits(callback.id.to_bytes()) {
                self.found.ids.push(FoundId {
                    id: callback.id.to_string(),
                    kind: IdKind::Callback,
                    title: Some(callback.kind.as_str().to_owned()),
                    status: Some(callback.state.as_str().to_owned()),
                    at: callback.created_at,
                });
            }
        }
        Ok(())
    }

    fn hooks(&mut self) -> Result<(), ApiError> {
        let hooks = self.app.store().outbox().hook_set(self.app.parts.scope)?;
        for hook in hooks.hooks() {
            let hook = &hook.record;
            if self.fits(hook.id.to_bytes()) {
                self.found.ids.push(FoundId {
                    id: hook.id.to_string(),
                    kind: IdKind::Hook,
                    title: Some(hook.name.clone()),
                    status: None,
                    at: hook.id.made_at(),
                });
            }
        }
        self.note(hooks.hooks().len());
        Ok(())
    }
}
