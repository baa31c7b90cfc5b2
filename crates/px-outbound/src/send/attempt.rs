//! One attempt, from the due row to the commit of its end. The hook, the
//! delivery and what is said about both are read anew, so that a change made
//! meanwhile counts.

use std::sync::Arc;
use std::time::Duration;

use px_core::hook::Hook;
use px_core::lifecycle::Kind;
use px_core::{CallbackId, Timestamp};
use px_store::cluster::{Slot, SlotRight};
use px_store::outbox::{
    Attempt, AttemptBrief, Callback, CallbackState, CallbackWrite, Due, HookSet, HookWrite, OutboxBatch,
    Timing, announce, lane_of,
};
use px_store::{Admission, Batch, Bound, Conflict, Epoch, EpochWrite, Round, Versioned};
use serde_json::{Value, json};
use tracing::Instrument as _;
use tracing::field::display;

use super::{Error, SenderContext, held, prepare};
use crate::backoff::Jitter;
use crate::hook_health;
use crate::metrics;
use crate::transport::{Answer, Class, Failure};
use crate::verdict::{self, Cause, End, Verdict};

/// Rounds for an attempt's end that is recorded anew when rows changed meanwhile.
const ROUNDS: Bound = Bound::waiting(16);
/// Time that a delivery waits for one before it that is due and was not sent.
const BEHIND_WAIT: Duration = Duration::from_millis(200);

/// Outcome of a due row that was taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was sent.
    Sent {
        /// True if the endpoint is well, as far as it tells.
        healthy: bool,
        /// True if what comes after it in its run may go.
        goes_on: bool,
        /// Beginning of the attempt.
        began: Timestamp,
        /// End of the attempt.
        ended: Timestamp,
        /// True if the endpoint was asked at all.
        asked: bool,
    },
    /// It waits for the one before it, and its time was set to that one's.
    Behind,
    /// There was nothing to send: its hook is disabled or gone, or somebody was first.
    Nothing,
}

/// Takes up a due row.
pub(crate) async fn attempt(parts: &SenderContext, due: Due, right: SlotRight) -> Result<Ended, Error> {
    let outbox = parts.store.outbox();
    let Some(callback) = outbox.callback(parts.scope, due.id).await? else { return Ok(Ended::Nothing) };
    if callback.due_row() != Some(due) {
        return Ok(Ended::Nothing);
    }
    let hook_set = outbox.hook_set(parts.scope)?;
    let hook = hook_of(parts, &hook_set, &callback).await?;
    let Some(hook) = hook.filter(|hook| hook.record.deleted_at.is_none()) else {
        rest(parts, &callback, CallbackState::Discarded, "its hook was deleted").await?;
        return Ok(Ended::Nothing);
    };
    if hook.record.disabled.is_some() {
        hold(parts, &callback, "its hook is disabled").await?;
        return Ok(Ended::Nothing);
    }
    if let Some(refused) = held::closed(parts, &hook.record) {
        hold(parts, &callback, &refused.to_string()).await?;
        return Ok(Ended::Nothing);
    }
    // After the hook: while that keeps its callbacks, those behind a kept one are
    // kept with it, and do not come to ask for their turn.
    if let Some(prev) = due.prev
        && let Some(until) = blocked(parts, prev).await?
    {
        change(parts, &callback, |callback| callback.due = Some(until)).await?;
        return Ok(Ended::Behind);
    }
    let began = parts.clock.now();
    let run = callback.run.map(display);
    let span = tracing::info_span!("deliver", delivery = %callback.id, hook = %callback.hook, run);
    let sent =
        match prepare::request(&parts.vault, &parts.redaction.current(), &hook.record, &callback, began) {
            Ok(request) => parts.transport.send(request).instrument(span.clone()).await,
            Err(error) => {
                let (class, message) = (Class::Unsendable, error.to_string());
                Err(Failure { class, message, timing: Timing::default() })
            }
        };
    let demand = right.demand(Slot::of_lane(due.lane));
    record(parts, (callback, hook), &sent, began, demand).instrument(span).await
}

/// The time until which the one before it keeps a delivery waiting. One that is
/// kept is made due here, since its hook is open again: those that were kept are let
/// go page by page, the newest first, and nothing may wait for one that stayed.
async fn blocked(parts: &SenderContext, prev: CallbackId) -> Result<Option<Timestamp>, Error> {
    let prev = parts.store.outbox().callback(parts.scope, prev).await?;
    if let Some(held) = prev.as_ref().filter(|prev| prev.state == CallbackState::Held) {
        release(parts, held).await?;
    }
    let waits = |state| matches!(state, CallbackState::Pending | CallbackState::Held);
    let before = prev.filter(|prev| waits(prev.state));
    let soon = parts.clock.now().after(BEHIND_WAIT);
    Ok(before.map(|prev| prev.due.map_or(soon, |due| if due > parts.clock.now() { due } else { soon })))
}

async fn hook_of(
    parts: &SenderContext,
    hook_set: &HookSet,
    callback: &Callback,
) -> Result<Option<Arc<Versioned<Hook>>>, Error> {
    if let Some(hook) = hook_set.hook(callback.hook) {
        return Ok(Some(Arc::clone(hook)));
    }
    Ok(parts.store.outbox().hook(parts.scope, callback.hook).await?.map(Arc::new))
}

/// Commits an attempt and what follows from it, with whatever the delivery and
/// its hook have become meanwhile.
async fn record(
    parts: &SenderContext,
    (callback, hook): (Callback, Arc<Versioned<Hook>>),
    sent: &Result<Answer, Failure>,
    began: Timestamp,
    demand: Option<EpochWrite>,
) -> Result<Ended, Error> {
    let ended = parts.clock.now();
    let (end, asked) = end_of(sent, ended);
    let jitter = Jitter::random();
    let id = callback.id;
    let mut known = Some((callback, Arc::clone(&hook)));
    let (end, hook) = (&end, &hook);
    let recorded = parts.store.transact(ROUNDS, |lost| {
        let known = known.take();
        async move {
            // Another member has the lane, and this one stood still meanwhile: the
            // delivery is that one's, which may have sent it too.
            if matches!(lost, Some(Conflict::Epoch(Epoch::Slot(_)))) {
                return Ok(Round::Done(None));
            }
            let outbox = parts.store.outbox();
            let (callback, hook) = match known {
                Some(known) => known,
                None => {
                    let read = outbox.callback(parts.scope, id).await?;
                    let Some(callback) = read else { return Ok(Round::Done(None)) };
                    let read = outbox.hook(parts.scope, callback.hook).await?;
                    (callback, read.map_or_else(|| Arc::clone(hook), Arc::new))
                }
            };
            let verdict = verdict::judge(&hook.record.retry, callback.tries, end, ended, jitter);
            let attempt = attempt_of(callback.attempts + 1, began, sent, end, verdict);
            let mut outbox = OutboxBatch {
                callback: vec![written(&callback, verdict, &attempt, ended)],
                attempts: vec![(callback.id, attempt)],
                ..OutboxBatch::default()
            };
            // What px itself refuses to do says nothing about the receiver.
            let mut disabled = None;
            if asked && let Some(next) = hook_health::after(&hook.record, verdict, ended) {
                if next.disabled.is_some() && hook.record.disabled.is_none() {
                    let hook_set = parts.store.outbox().hook_set(parts.scope)?;
                    outbox.callback.extend(told_of(parts, &hook_set, &next, ended));
                    disabled = Some((next.id, next.url.clone()));
                }
                let version = parts.ids.version(ended);
                outbox.hooks.push(HookWrite { hook: next, expected: hook.version, version });
            }
            let epochs = demand.into_iter().collect();
            let batch = Batch { scope: parts.scope, outbox, epochs, ..Batch::default() };
            Ok::<_, Error>(Round::Commit(Box::new(batch), Some((verdict, disabled))))
        }
    });
    let Some((verdict, disabled)) = recorded.await? else { return Ok(Ended::Nothing) };
    if let Some((hook, url)) = disabled {
        tracing::warn!(%hook, url = lane_of(&url).1, "a hook was disabled");
    }
    let counter = if verdict.is_success() { &metrics::DELIVERED } else { &metrics::FAILED };
    counter.increment();
    metrics::ATTEMPT.observe(ended.since(began));
    let goes_on = !matches!(verdict, Verdict::Retry { .. });
    Ok(Ended::Sent { healthy: end.is_healthy(), goes_on, began, ended, asked })
}

/// A delivery after an attempt.
fn written(callback: &Callback, verdict: Verdict, attempt: &Attempt, ended: Timestamp) -> CallbackWrite {
    CallbackWrite::change(callback, |callback| {
        callback.note(AttemptBrief {
            at: attempt.at,
            status: attempt.status,
            error: attempt.error.clone(),
            duration_ms: attempt.timing.total_ms,
        });
        // Somebody may have discarded it while it was under way.
        if callback.state == CallbackState::Pending {
            settle(callback, verdict, attempt, ended);
        }
    })
}

/// Returns how an attempt ended, and whether the endpoint was asked at all.
fn end_of(sent: &Result<Answer, Failure>, now: Timestamp) -> (End, bool) {
    match sent {
        Ok(answer) => {
            let asks = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("retry-after");
            let retry_after =
                answer.headers.iter().find(asks).and_then(|(_, text)| verdict::retry_after(text, now));
            (End::Answered { status: answer.status, retry_after }, true)
        }
        Err(Failure { class: Class::Egress | Class::Unsendable, .. }) => (End::Refused, false),
        Err(_) => (End::Unreachable, true),
    }
}

fn settle(callback: &mut Callback, verdict: Verdict, attempt: &Attempt, now: Timestamp) {
    callback.tries += 1;
    callback.since = now;
    let said = match (attempt.status, &attempt.error) {
        (Some(status), _) => format!("the receiver answered {status}"),
        (None, error) => error.clone().unwrap_or_default(),
    };
    let (state, due, reason) = match verdict {
        Verdict::Delivered => (CallbackState::Delivered, None, None),
        Verdict::Retry { at, asked } => {
            let reason = asked.then(|| "the receiver asked to be tried again then".to_owned());
            (CallbackState::Pending, Some(at), reason)
        }
        Verdict::Dead(Cause::Spent) => {
            let tries = match callback.tries {
                1 => "its only try is spent".to_owned(),
                tries => format!("its {tries} tries are spent"),
            };
            (CallbackState::Dead, None, Some(format!("{tries}: {said}")))
        }
        Verdict::Dead(Cause::Permanent) => {
            (CallbackState::Dead, None, Some(format!("{said}, which is no use to repeat")))
        }
        Verdict::Gone => (CallbackState::Dead, None, Some(format!("{said}, and its hook is disabled"))),
    };
    (callback.state, callback.due, callback.reason) = (state, due, reason);
}

fn attempt_of(
    number: u32,
    began: Timestamp,
    sent: &Result<Answer, Failure>,
    end: &End,
    verdict: Verdict,
) -> Attempt {
    let asked = match (end, verdict) {
        (End::Answered { retry_after, .. }, Verdict::Retry { asked: true, .. }) => *retry_after,
        _ => None,
    };
    match sent {
        Ok(answer) => {
            let redirect = (300..400).contains(&answer.status);
            Attempt {
                number,
                at: began,
                status: Some(answer.status),
                error: redirect.then(|| "redirect".to_owned()),
                message: redirect.then(|| "redirects are failures and are never followed".to_owned()),
                timing: answer.timing,
                headers: answer.headers.clone(),
                body: String::from_utf8_lossy(&answer.body).into_owned(),
                retry_after: asked,
            }
        }
        Err(failure) => Attempt {
            number,
            at: began,
            status: None,
            error: Some(failure.class.as_str().to_owned()),
            message: Some(failure.message.clone()),
            timing: failure.timing,
            headers: Vec::new(),
            body: String::new(),
            retry_after: None,
        },
    }
}

/// `hook.disabled`, to everybody else who listens.
fn told_of(parts: &SenderContext, hook_set: &HookSet, hook: &Hook, now: Timestamp) -> Vec<CallbackWrite> {
    // Without its query, which may hold what is for its receiver only.
    let data = json!({
        "hookId": hook.id, "name": hook.name, "url": lane_of(&hook.url).1,
        "by": hook.disabled.map(|disabled| disabled.by), "failingSince": hook.failing_since,
    });
    let Value::Object(data) = data else { return Vec::new() };
    let told = announce(hook_set, (&parts.ids, now), Kind::HookDisabled, &data, None);
    told.into_iter().filter(|callback| callback.hook != hook.id).map(CallbackWrite::new).collect()
}

/// Lets a delivery rest in a state without an attempt.
async fn rest(
    parts: &SenderContext,
    callback: &Callback,
    state: CallbackState,
    reason: &str,
) -> Result<(), Error> {
    let now = parts.clock.now();
    change(parts, callback, |callback| {
        callback.state = state;
        callback.since = now;
        callback.due = None;
        callback.reason = Some(reason.to_owned());
    })
    .await
}

/// Keeps a callback until its hook is open. Whoever opened it meanwhile has let go what
/// was kept by then, and this one after it.
async fn hold(parts: &SenderContext, callback: &Callback, reason: &str) -> Result<(), Error> {
    rest(parts, callback, CallbackState::Held, reason).await?;
    let hook = parts.store.outbox().hook(parts.scope, callback.hook).await?;
    let is_open = hook.is_some_and(|hook| held::is_open(parts, &hook.record));
    if is_open
        && let Some(held) = parts.store.outbox().callback(parts.scope, callback.id).await?
        && held.state == CallbackState::Held
    {
        release(parts, &held).await?;
    }
    Ok(())
}

/// Makes a callback due that was kept.
async fn release(parts: &SenderContext, held: &Callback) -> Result<(), Error> {
    let now = parts.clock.now();
    change(parts, held, |held| {
        (held.state, held.since, held.due, held.reason) = (CallbackState::Pending, now, Some(now), None);
    })
    .await
}

/// Writes a change; a conflict leaves it to whoever was first.
async fn change(
    parts: &SenderContext,
    callback: &Callback,
    change: impl FnOnce(&mut Callback),
) -> Result<(), Error> {
    let write = CallbackWrite::change(callback, change);
    let outbox = OutboxBatch { callback: vec![write], ..OutboxBatch::default() };
    let batch = Batch { scope: parts.scope, outbox, ..Batch::default() };
    parts.store.commit(batch, Admission::Wait).await?;
    Ok(())
}
