//! `GET /ids`: the things whose ids end in some digits. Ids begin with the time, so the
//! last digits are what people read and type.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use px_api::{FindIds, FoundId, FoundIds, IdKind};
use px_core::{DeliveryId, RunId, RunStatus};
use px_store::outbox::CallbackFilter;
use px_store::{DeliveryList, InboxState, Read};

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

pub(crate) async fn find(
    State(app): State<Shared>,
    query: Result<Query<FindIds>, QueryRejection>,
) -> Result<Json<FoundIds>, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::bad_request(error.body_text()))?;
    let text = query.tail.unwrap_or_default();
    let tail = Tail::of(&text).ok_or_else(|| {
        ApiError::bad_request(format!(
            "The tail of an id is its last digits, 4 to 32 hexadecimal ones, as in tail=5e67c0; this is '{text}'"
        ))
    })?;
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

/// The last digits of an id, as the number that they are.
#[derive(Debug, Clone, Copy)]
struct Tail {
    digits: u128,
    mask: u128,
}

impl Tail {
    /// `None` if the text is no tail.
    fn of(text: &str) -> Option<Self> {
        let is_tail = DIGITS.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let digits = u128::from_str_radix(text, 16).ok().filter(|_| is_tail)?;
        let bits = u32::try_from(text.len()).ok()?.checked_mul(4)?;
        Some(Self { digits, mask: u128::MAX >> u128::BITS.checked_sub(bits)? })
    }

    fn fits(self, id: [u8; 16]) -> bool {
        u128::from_be_bytes(id) & self.mask == self.digits
    }
}

struct Search<'a> {
    app: &'a App,
    tail: Tail,
    found: FoundIds,
}

impl Search<'_> {
    fn note(&mut self, looked: usize) {
        self.found.looked += u64::try_from(looked).unwrap_or(u64::MAX);
    }

    /// The ids of a list that fit, among the newest that it has. `read` gives those behind one.
    /// A list is read in memory, page by page, and whoever else has work comes in between.
    async fn tails<'a, I: Copy>(
        &mut self,
        bytes: fn(I) -> [u8; 16],
        read: impl Fn(Option<I>) -> Read<'a, Vec<I>>,
    ) -> Result<Vec<I>, ApiError> {
        let (mut fitting, mut before, mut looked) = (Vec::new(), None, 0);
        loop {
            let ids = read(before).await?;
            looked += ids.len();
            fitting.extend(ids.iter().copied().filter(|id| self.tail.fits(bytes(*id))));
            before = ids.last().copied();
            if ids.len() < PAGE || looked >= MAX_LOOKED {
                self.found.has_more |= ids.len() == PAGE;
                self.note(looked);
                return Ok(fitting);
            }
            tokio::task::yield_now().await;
        }
    }

    async fn runs(&mut self) -> Result<(), ApiError> {
        let (store, scope) = (self.app.store(), self.app.parts.scope);
        let mut fitting = BTreeSet::new();
        for status in RunStatus::ALL {
            let read = move |before| store.run_ids(scope, status, before, PAGE);
            fitting.extend(self.tails(RunId::to_bytes, read).await?);
        }
        for id in fitting.into_iter().rev().take(MAX_FOUND + 1) {
            // A list may have a run that is gone since.
            let Some(record) = store.run(scope, id).await? else { continue };
            self.found.ids.push(FoundId {
                id: id.to_string(),
                kind: IdKind::Run,
                title: Some(record.run.brain.clone()),
                status: Some(record.run.status.as_str().to_owned()),
                at: record.run.created_at,
            });
        }
        Ok(())
    }

    async fn deliveries(&mut self) -> Result<(), ApiError> {
        let (store, scope) = (self.app.store(), self.app.parts.scope);
        let mut fitting = BTreeSet::new();
        for state in InboxState::ALL {
            let read = move |before| store.delivery_ids(scope, DeliveryList::State(state), before, PAGE);
            fitting.extend(self.tails(DeliveryId::to_bytes, read).await?);
        }
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
            if self.tail.fits(callback.id.to_bytes()) {
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
            if self.tail.fits(hook.id.to_bytes()) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_is_the_last_digits_and_no_others() {
        let id = 0x0197_c1f0_a1b2_7000_8000_0000_005e_67c0_u128.to_be_bytes();
        for (tail, fits) in
            [("67c0", true), ("5E67C0", true), ("005e67c0", true), ("67c1", false), ("e67c", false)]
        {
            assert_eq!(Tail::of(tail).is_some_and(|tail| tail.fits(id)), fits, "{tail}");
        }
        assert!(Tail::of("0197c1f0a1b2700080000000005e67c0").is_some_and(|tail| tail.fits(id)));
        for text in ["", "7c0", "+7c0", "67cg", "0197c1f0a1b2700080000000005e67c00"] {
            assert!(Tail::of(text).is_none(), "{text}");
        }
    }
}
