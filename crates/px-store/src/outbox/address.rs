//! Addressing: an event and whoever is to hear of it make a delivery, with its
//! body. It writes nothing; a draft or the sender puts it into a batch.

use px_core::event::TestMark;
use px_core::lifecycle::{Envelope, Kind};
use px_core::{CallbackId, HookId, Ids, Timestamp};
use serde_json::{Map, Value};

use super::delivery::{Callback, CallbackState, lane_of};
use super::hook_set::{HookSet, OwnHook};
use px_core::hook::RetryPolicy;
use px_core::hook::{Format, Hook};

/// Somebody who is to hear of an event.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    pub(crate) hook: HookId,
    lane: u64,
    format: Format,
    ordered: bool,
    own: bool,
    held: bool,
    delay_ms: u64,
}

impl Address {
    pub(crate) fn of_run(own: &OwnHook) -> Self {
        Self {
            hook: own.id,
            lane: own.lane,
            format: own.format,
            ordered: own.ordered,
            own: true,
            // The run's row cannot know; the sender sets it aside.
            held: false,
            delay_ms: 0,
        }
    }

    pub(crate) fn of_hook(hook: &Hook) -> Self {
        let delay_ms = match &hook.retry {
            RetryPolicy::List { delays_ms } => delays_ms.first().copied().unwrap_or(0),
            RetryPolicy::Exponential { .. } => 0,
        };
        Self {
            hook: hook.id,
            lane: lane_of(&hook.url).0,
            format: hook.format,
            ordered: hook.ordered,
            own: hook.is_own(),
            held: hook.disabled.is_some(),
            delay_ms,
        }
    }

    /// The delivery of an event to this address.
    pub(crate) fn callback(
        &self,
        ids: &Ids,
        now: Timestamp,
        hook_set: &HookSet,
        event: &Envelope,
        prev: Option<CallbackId>,
    ) -> Callback {
        let due = now.after(std::time::Duration::from_millis(self.delay_ms));
        Callback {
            id: ids.callback(now),
            version: 0,
            hook: self.hook,
            event: event.id,
            kind: event.kind,
            run: event.run.as_ref().map(|run| run.id),
            brain: event.run.as_ref().map(|run| run.brain.clone()),
            seq: event.seq,
            created_at: now,
            state: if self.held { CallbackState::Held } else { CallbackState::Pending },
            since: now,
            due: (!self.held).then_some(due),
            lane: self.lane,
            format: self.format,
            ordered: self.ordered,
            own: self.own,
            is_final: event.is_final,
            test: event.test.clone(),
            prev,
            attempts: 0,
            tries: 0,
            recent: Vec::new(),
            reason: None,
            body: hook_set.render(self.format, event),
        }
    }
}

/// The deliveries of an event that belongs to no run, to whoever listens.
#[must_use]
pub fn announce(
    hook_set: &HookSet,
    (ids, now): (&Ids, Timestamp),
    kind: Kind,
    data: &Map<String, Value>,
    test: Option<&TestMark>,
) -> Vec<Callback> {
    let event = Envelope { test: test.cloned(), ..of_no_run(ids, now, kind, data.clone()) };
    let told = hook_set.told(kind, None).map(Address::of_hook);
    told.map(|address| address.callback(ids, now, hook_set, &event, None)).collect()
}

/// The delivery of an event that belongs to no run to this very hook, whatever
/// its filters say.
#[must_use]
pub fn address(
    hook_set: &HookSet,
    hook: &Hook,
    ids: &Ids,
    now: Timestamp,
    kind: Kind,
    data: Map<String, Value>,
) -> Callback {
    Address::of_hook(hook).callback(ids, now, hook_set, &of_no_run(ids, now, kind, data), None)
}

fn of_no_run(ids: &Ids, now: Timestamp, kind: Kind, data: Map<String, Value>) -> Envelope {
    let id = ids.event(now);
    Envelope {
        id,
        kind,
        seq: 0,
        at: now,
        is_final: false,
        run: None,
        change: None,
        log_seq: 0,
        test: None,
        data,
    }
}
