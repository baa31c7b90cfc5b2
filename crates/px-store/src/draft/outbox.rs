//! The outbox in a draft: hooks that listen are told of the draft's decisions, in
//! the same commit. Where no hook listens, this is one look at a number.

use std::sync::Arc;

use px_core::event::TestMark;
use px_core::lifecycle::{Envelope, Kind, Lifecycle, RunRef, lifecycle};
use px_core::{Event, EventId, Ids, Run, RunId, RunStatus, Scope, Timestamp};
use serde_json::{Map, Value, json};

use super::{Draft, DraftError};
use crate::batch::LogTail;
use crate::epoch::{Epoch, EpochWrite};
use crate::error::Error;
use crate::model::InboxState;
use crate::outbox::{Address, CallbackWrite, HookSet, HookWrite, OutboxBatch, OwnHook, announce, lane_of};
use crate::store::Store;
use px_core::hook::{Hook, Source};

/// The part of a draft that goes to the outbox.
#[derive(Default)]
pub(super) struct DraftOutbox {
    hook_set: Option<Arc<HookSet>>,
    batch: OutboxBatch,
    next: Option<Hook>,
}

impl DraftOutbox {
    /// Looks up who listens, once a draft.
    pub(super) fn listen(&mut self, store: &dyn Store, scope: Scope) -> Result<(), Error> {
        if self.hook_set.is_none() {
            self.hook_set = Some(store.outbox().hook_set(scope)?);
        }
        Ok(())
    }

    /// Tells those who listen of an entry of a run's log. `run` is the run with
    /// the entry applied. What it numbers lies in the run's own row, whose
    /// precondition makes `seq` gap-free.
    pub(super) fn tell(
        &mut self,
        (ids, now): (&Ids, Timestamp),
        run: &Run,
        before: RunStatus,
        event: &Event,
        tail: &mut LogTail,
    ) {
        let Some(hook_set) = self.hook_set.clone() else { return };
        let own = tail.told().and_then(|told| told.own.as_ref()).map(Address::of_run);
        if hook_set.hooks().is_empty() && own.is_none() {
            return;
        }
        let Some(told) = lifecycle(before, run, event) else { return };
        let named = hook_set.told(told.kind, Some(&run.brain)).map(Address::of_hook);
        // One event, whoever hears of it.
        let event = ids.event(now);
        for address in own.into_iter().chain(named) {
            self.write((ids, now), &hook_set, &address, (run, event), &told, tail);
        }
    }

    /// The run of this id was not started after all.
    pub(super) fn forget(&mut self, run: RunId) {
        self.batch.hooks.retain(|write| write.hook.source != Source::Run(run));
    }

    fn write(
        &mut self,
        (ids, now): (&Ids, Timestamp),
        hook_set: &HookSet,
        address: &Address,
        (run, event): (&Run, EventId),
        told: &Lifecycle,
        tail: &mut LogTail,
    ) {
        let memory = Arc::make_mut(tail.told.get_or_insert_with(Arc::default));
        let last = memory.last.get(&address.hook).copied();
        let envelope = Envelope {
            id: event,
            kind: told.kind,
            seq: last.map_or(0, |(seq, _)| seq) + 1,
            at: told.at,
            is_final: told.is_final,
            run: Some(RunRef {
                id: run.id,
                brain: run.brain.clone(),
                status: run.status,
                request_id: run.request_id.clone(),
                labels: run.labels.clone(),
            }),
            change: told.change,
            log_seq: told.log_seq,
            test: told.test.clone(),
            data: told.data.clone(),
        };
        let callback = address.callback(ids, now, hook_set, &envelope, last.map(|(_, id)| id));
        memory.last.insert(address.hook, (envelope.seq, callback.id));
        self.batch.callback.push(CallbackWrite::new(callback));
    }
}

impl Draft<'_> {
    /// Gives the next run that this draft starts a hook of its own (docs/hooks.md
    /// section 1). The hook's id and its run are set here.
    pub fn hook_next_run(&mut self, hook: Hook) {
        self.outbox.next = Some(hook);
    }

    pub(super) fn hook_new(&mut self, run: RunId) {
        if let Some(hook) = self.outbox.next.take() {
            self.set_hook(run, hook);
        }
    }

    /// Gives a run a hook of its own, from the next event on: one that it had
    /// before keeps what it was told. A command that changes the run has to
    /// follow, for what a run says only counts with its log.
    ///
    /// # Errors
    /// There is no such run, or the store could not be read.
    pub async fn hook_run(&mut self, run: RunId, hook: Hook) -> Result<(), DraftError> {
        if self.run(run).await?.is_none() {
            return Err(DraftError::NoRun(run));
        }
        self.set_hook(run, hook);
        Ok(())
    }

    fn set_hook(&mut self, run: RunId, mut hook: Hook) {
        let (ids, now) = (self.ids, self.now);
        let Some(loaded) = self.runs.get_mut(&run) else { return };
        hook.id = ids.hook(now);
        hook.source = Source::Run(run);
        let own =
            OwnHook { id: hook.id, lane: lane_of(&hook.url).0, format: hook.format, ordered: hook.ordered };
        Arc::make_mut(loaded.tail.told.get_or_insert_with(Arc::default)).own = Some(own);
        let version = ids.version(now);
        self.outbox.batch.hooks.push(HookWrite { hook, expected: 0, version });
    }

    /// Takes the part that goes to the outbox, with what it tells of the inbox, and the
    /// epoch of the hooks that it knows.
    pub(super) fn take_outbox(&mut self) -> (OutboxBatch, Vec<EpochWrite>) {
        let mut outbox = std::mem::take(&mut self.outbox);
        let mut epochs = Vec::new();
        if !self.deliveries.is_empty() && outbox.listen(self.store, self.scope).is_err() {
            // The commit will find the same.
            outbox.hook_set = None;
        }
        if let Some(hook_set) = &outbox.hook_set {
            epochs.push(EpochWrite::demand(Epoch::Hooks, hook_set.epoch()));
        }
        if !self.deliveries.is_empty()
            && let Some(hook_set) = outbox.hook_set.take().filter(|hook_set| !hook_set.hooks().is_empty())
        {
            let now = self.now;
            for write in self.deliveries.values() {
                for event in &write.delivery.events {
                    let kind = match event.state {
                        InboxState::Rejected => continue,
                        InboxState::Expired if event.since == now && !write.new => Kind::WebhookUnmatched,
                        _ if write.new => Kind::WebhookReceived,
                        _ => continue,
                    };
                    let data = json!({
                        "slug": write.delivery.slug, "deliveryId": write.delivery.id, "eventId": event.id,
                        "identifier": event.identifier, "state": event.state, "brainRunId": event.run,
                    });
                    let Value::Object(data) = data else { continue };
                    outbox.batch.callback.extend(announced(
                        (self.ids, now),
                        &hook_set,
                        kind,
                        &data,
                        write.delivery.test.as_ref(),
                    ));
                }
            }
        }
        (outbox.batch, epochs)
    }
}

fn announced(
    (ids, now): (&Ids, Timestamp),
    hook_set: &HookSet,
    kind: Kind,
    data: &Map<String, Value>,
    test: Option<&TestMark>,
) -> impl Iterator<Item = CallbackWrite> {
    announce(hook_set, (ids, now), kind, data, test).into_iter().map(CallbackWrite::new)
}
