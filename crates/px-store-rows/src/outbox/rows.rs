//! The outbox as rows of an embedded store: where each lies, and what a batch
//! means for them.

use bytes::{BufMut, Bytes, BytesMut};
use px_core::hook::Hook;
use px_core::{CallbackId, HookId, Scope, Timestamp};
use px_store::outbox::{
    Attempt, Callback, CallbackState, CallbackWrite, Due, Endpoint, OutboxBatch, OutboxConflict,
};
use px_store::{Error, Table, Versioned};

use crate::layout;
use crate::rows::{Expect, RowKey};
use crate::translation::{Precondition, Translation};

fn row(scope: Scope, table: Table) -> RowKey {
    layout::table_range(scope, table).0
}

/// Hooks of many runs come before those of one, so that the few are one range.
pub(crate) fn hook_row(scope: Scope, own: bool, id: HookId) -> RowKey {
    let mut key = row(scope, Table::Hook);
    key.push(u8::from(own));
    key.extend_from_slice(&id.to_bytes());
    key
}

/// The hooks of many runs: `from <= row < to`.
pub(crate) fn hooks(scope: Scope) -> (RowKey, RowKey) {
    let (mut from, mut to) = (row(scope, Table::Hook), row(scope, Table::Hook));
    from.push(0);
    to.push(1);
    (from, to)
}

pub(crate) fn callback_row(scope: Scope, id: CallbackId) -> RowKey {
    layout::id_row(scope, Table::Callback, id.to_bytes())
}

pub(crate) fn attempt_row(scope: Scope, id: CallbackId, number: u32) -> RowKey {
    let mut key = layout::id_row(scope, Table::Attempt, id.to_bytes());
    key.extend_from_slice(&number.to_be_bytes());
    key
}

pub(crate) fn endpoint_row(scope: Scope, lane: u64) -> RowKey {
    let mut key = row(scope, Table::Endpoint);
    key.extend_from_slice(&lane.to_be_bytes());
    key
}

pub(crate) fn lane_row(scope: Scope, lane: u64) -> RowKey {
    let mut key = row(scope, Table::Due);
    key.extend_from_slice(&lane.to_be_bytes());
    key
}

pub(crate) fn lane_due_row(scope: Scope, lane: u64, due: Timestamp) -> RowKey {
    let mut key = lane_row(scope, lane);
    key.extend_from_slice(&due.as_millis().to_be_bytes());
    key
}

pub(crate) fn due_row(scope: Scope, due: &Due) -> RowKey {
    let mut key = lane_due_row(scope, due.lane, due.due);
    key.extend_from_slice(&due.id.to_bytes());
    key
}

pub(crate) fn due_of(scope: Scope, key: &[u8], value: &[u8]) -> Result<Due, Error> {
    let rest = key.get(row(scope, Table::Due).len()..).unwrap_or_default();
    let (lane, rest) = rest.split_first_chunk::<8>().ok_or_else(cut)?;
    let (due, _) = rest.split_first_chunk::<8>().ok_or_else(cut)?;
    let lane = u64::from_be_bytes(*lane);
    let due = Timestamp::from_millis(u64::from_be_bytes(*due));
    Ok(Due { lane, due, ..layout::from_json(value)? })
}

pub(crate) fn endpoint_of(key: &[u8], value: &[u8]) -> Result<Endpoint, Error> {
    Ok(Endpoint { lane: layout::place_of(key)?, ..layout::from_json(value)? })
}

/// The deliveries of a hook.
pub(crate) fn of_hook(scope: Scope, hook: HookId) -> RowKey {
    layout::list(scope, &[b"out", &hook.to_bytes()])
}

/// The deliveries of a hook that came to rest in a state.
pub(crate) fn of_state(scope: Scope, hook: HookId, state: CallbackState) -> RowKey {
    layout::list(scope, &[b"out", &hook.to_bytes(), state.as_str().as_bytes()])
}

/// Version, format, length of the record's JSON, the record, the body.
pub(crate) fn callback_value(version: u64, callback: &Callback) -> Result<Bytes, Error> {
    let json = layout::json(callback)?;
    let mut value = BytesMut::with_capacity(13 + json.len() + callback.body.len());
    value.put_u64(version);
    value.put_u8(1);
    value.put_u32(u32::try_from(json.len()).unwrap_or(u32::MAX));
    value.put_slice(&json);
    value.put_slice(&callback.body);
    Ok(value.freeze())
}

pub(crate) fn from_callback_value(value: &Bytes) -> Result<Callback, Error> {
    let (version, rest) = value.split_first_chunk::<8>().ok_or_else(cut)?;
    let (format, rest) = rest.split_first().ok_or_else(cut)?;
    if *format > 1 {
        return Err(Error::Format { found: (*format).into(), supported: 1 });
    }
    let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
    let (json, body) = rest.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or_else(cut)?;
    let mut callback: Callback = layout::from_json(json)?;
    callback.version = u64::from_be_bytes(*version);
    callback.body = value.slice_ref(body);
    Ok(callback)
}

fn cut() -> Error {
    Error::Corrupt("a row of the outbox is cut short".into())
}

pub(crate) fn hook_of(value: &[u8]) -> Result<Versioned<Hook>, Error> {
    layout::from_versioned(value)
}

impl Translation {
    /// Translates the outbox's part of a batch.
    pub(crate) fn outbox(&mut self, scope: Scope, batch: &OutboxBatch) -> Result<(), Error> {
        for write in &batch.hooks {
            let hook = &write.hook;
            let row = hook_row(scope, hook.is_own(), hook.id);
            let expect = if write.expected == 0 { Expect::Absent } else { Expect::Version(write.expected) };
            self.check(row.clone(), expect, Precondition::Outbox(OutboxConflict::Hook(hook.id)));
            self.put(row, layout::versioned(write.version, hook)?);
        }
        for write in &batch.callback {
            self.callback(scope, write)?;
        }
        for callback in &batch.removed {
            let row = callback_row(scope, callback.id);
            let precondition = Precondition::Outbox(OutboxConflict::Callback(callback.id));
            self.check(row.clone(), Expect::Version(callback.version), precondition);
            self.remove(row);
            for number in 1..=callback.attempts {
                self.remove(attempt_row(scope, callback.id, number));
            }
        }
        for (id, attempt) in &batch.attempts {
            self.put(attempt_row(scope, *id, attempt.number), layout::json::<Attempt>(attempt)?);
        }
        for endpoint in &batch.endpoints {
            let row = endpoint_row(scope, endpoint.lane);
            if endpoint.is_well() {
                self.remove(row);
            } else {
                self.put(row, layout::json(endpoint)?);
            }
        }
        Ok(())
    }

    fn callback(&mut self, scope: Scope, write: &CallbackWrite) -> Result<(), Error> {
        let callback = &write.callback;
        let row = callback_row(scope, callback.id);
        if callback.version > 0 {
            // A new one needs no check: its id was never used.
            let precondition = Precondition::Outbox(OutboxConflict::Callback(callback.id));
            self.check(row.clone(), Expect::Version(callback.version), precondition);
        }
        self.put(row, callback_value(callback.version + 1, callback)?);
        let due = callback.due_row();
        if let Some(was) = write.was_due.filter(|was| Some(*was) != due) {
            self.remove(due_row(scope, &was));
        }
        if let Some(due) = due.filter(|due| write.was_due != Some(*due)) {
            let row = due_row(scope, &due);
            if callback.version == 0 {
                // It is removed within a moment, and then leaves nothing behind that
                // the next look at what is due would have to pass over: a store that
                // knows a row to be new need not remember that it went.
                self.check(
                    row.clone(),
                    Expect::Absent,
                    Precondition::Outbox(OutboxConflict::Callback(callback.id)),
                );
            }
            self.put(row, layout::json(&due)?);
        }
        // The few deliveries of a run's own hook are found by way of the run.
        if !callback.own {
            let id = callback.id.to_bytes();
            if callback.version == 0 {
                self.post(of_hook(scope, callback.hook), id);
            }
            if matches!(callback.state, CallbackState::Dead | CallbackState::Held) {
                self.post(of_state(scope, callback.hook, callback.state), id);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use px_core::Ids;
    use px_core::hook::Source;
    use px_core::lifecycle::Kind;
    use px_store::Batch;
    use px_store::outbox::{OutboxStore as _, address};

    use super::*;
    use crate::{Embedded, MemoryRows};

    /// A store that knows a row to be new forgets it when it goes, so that the
    /// next look at what is due passes over nothing.
    #[test]
    fn the_row_that_says_when_a_new_callback_is_due_is_known_to_be_new() {
        let now = Timestamp::from_millis(1_000_000);
        let hook = Hook::new(HookId::from_bytes([7; 16]), "https://receiver.example/", Source::Api, now);
        let hook_set = Embedded::new(MemoryRows::new()).hook_set(Scope::default()).unwrap();
        let data = serde_json::Map::new();
        let callback = address(&hook_set, &hook, &Ids::counted(0), now, Kind::HookDisabled, data);
        let row = due_row(Scope::default(), &callback.due_row().unwrap());
        let outbox = OutboxBatch { callback: vec![CallbackWrite::new(callback)], ..OutboxBatch::default() };
        let rows = Translation::of(&Batch { outbox, ..Batch::default() }, &MemoryRows::new()).unwrap().rows;
        assert!(rows.checks.iter().any(|check| check.key == row && check.expect == Expect::Absent));
    }
}
