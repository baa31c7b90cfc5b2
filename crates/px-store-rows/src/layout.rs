//! The layout of a store of rows: their keys and values. This
//! is the on-disk format; [`FORMAT_VERSION`](px_core::event::FORMAT_VERSION)
//! names it, and every value that may grow starts with its own format byte.

use bytes::Bytes;
use px_core::{DeliveryId, KeyId, KeyRecord, RunId, Scope, Timestamp, TokenId};
use px_store::{Epoch, Error, Table, Timer, TimerKind, Versioned};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::rows::RowKey;

pub(crate) use crate::lists::{
    deliveries_by_identifier, deliveries_by_slug, deliveries_by_state, list, runs_by_brain, runs_by_label,
    runs_by_status,
};

/// The letter of a table: the first byte of its rows' keys after the scope.
pub(crate) const fn letter(table: Table) -> u8 {
    match table {
        Table::Key => b'k',
        Table::Waiter => b'v',
        Table::WaiterPlace => b'x',
        Table::Queue => b'q',
        Table::Run => b'r',
        Table::Log => b'l',
        Table::Value => b'g',
        Table::Event => b'm',
        Table::File => b'F',
        Table::Delivery => b'd',
        Table::Dedup => b'u',
        Table::SetAside => b'z',
        Table::Work => b'w',
        Table::Timer => b't',
        Table::Start => b's',
        Table::Forgotten => b'f',
        Table::Hook => b'h',
        Table::Callback => b'o',
        Table::Due => b'e',
        Table::Attempt => b'a',
        Table::Endpoint => b'p',
        Table::Token => b'c',
        Table::KeyCheck => b'y',
        Table::Kv => b'j',
        Table::KvBrain => b'b',
        Table::Secret => b'i',
    }
}

pub(crate) fn row(scope: Scope, table: Table, parts: usize) -> RowKey {
    let mut key = RowKey::with_capacity(3 + parts);
    key.extend_from_slice(&scope.0.to_be_bytes());
    key.push(letter(table));
    key
}

/// The letter of epochs, which are in no table: nobody goes through them, and a
/// copy of a store begins with new ones.
const EPOCH: u8 = b'n';

pub(crate) fn epoch_row(scope: Scope, epoch: Epoch) -> RowKey {
    let mut key = RowKey::from_slice(&scope.0.to_be_bytes());
    key.push(EPOCH);
    key.extend_from_slice(&epoch.to_bytes());
    key
}

/// A text of any content, so that no text is the beginning of another one's row.
fn put_text(key: &mut RowKey, text: &str) {
    key.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    key.extend_from_slice(text.as_bytes());
}

pub(crate) fn two_texts(scope: Scope, table: Table, first: &str, second: &str) -> RowKey {
    let mut key = row(scope, table, 8 + first.len() + second.len());
    put_text(&mut key, first);
    put_text(&mut key, second);
    key
}

pub(crate) fn key_row(scope: Scope, key: &KeyId) -> RowKey {
    two_texts(scope, Table::Key, &key.slug, &key.identifier)
}

/// The place right behind a row.
pub(crate) fn behind(mut row: RowKey) -> RowKey {
    row.push(0);
    row
}

/// The keys of one webhook: `from <= row < to`.
pub(crate) fn keys_of(scope: Scope, slug: &str) -> (RowKey, RowKey) {
    let mut from = row(scope, Table::Key, 8 + slug.len());
    put_text(&mut from, slug);
    let mut to = from.clone();
    // No identifier is as long as its length could say.
    to.extend_from_slice(&[u8::MAX; 4]);
    (from, to)
}

pub(crate) fn queue_row(scope: Scope, key: &KeyId, place: u64) -> RowKey {
    let mut row = two_texts(scope, Table::Queue, &key.slug, &key.identifier);
    row.extend_from_slice(&place.to_be_bytes());
    row
}

pub(crate) fn run_row(scope: Scope, run: RunId) -> RowKey {
    id_row(scope, Table::Run, run.to_bytes())
}

pub(crate) fn log_row(scope: Scope, run: RunId, first_seq: u64) -> RowKey {
    let mut row = id_row(scope, Table::Log, run.to_bytes());
    row.extend_from_slice(&first_seq.to_be_bytes());
    row
}

pub(crate) fn delivery_row(scope: Scope, delivery: DeliveryId) -> RowKey {
    id_row(scope, Table::Delivery, delivery.to_bytes())
}

/// The one row of its table.
pub(crate) fn forgotten_row(scope: Scope) -> RowKey {
    row(scope, Table::Forgotten, 0)
}

pub(crate) fn dedup_row(scope: Scope, slug: &str, provider_id: &str) -> RowKey {
    two_texts(scope, Table::Dedup, slug, provider_id)
}

pub(crate) fn set_aside_row(scope: Scope, slug: &str, provider_id: &str) -> RowKey {
    two_texts(scope, Table::SetAside, slug, provider_id)
}

pub(crate) fn start_row(scope: Scope, brain: &str, key: &str) -> RowKey {
    two_texts(scope, Table::Start, brain, key)
}

pub(crate) fn work_row(scope: Scope, run: RunId) -> RowKey {
    id_row(scope, Table::Work, run.to_bytes())
}

/// The one row of its table.
pub(crate) fn key_check_row(scope: Scope) -> RowKey {
    row(scope, Table::KeyCheck, 0)
}

pub(crate) fn secret_row(scope: Scope, name: &str) -> RowKey {
    let mut key = row(scope, Table::Secret, 4 + name.len());
    put_text(&mut key, name);
    key
}

pub(crate) fn token_row(scope: Scope, token: TokenId) -> RowKey {
    id_row(scope, Table::Token, token.to_bytes())
}

pub(crate) fn id_row(scope: Scope, table: Table, id: [u8; 16]) -> RowKey {
    let mut row = row(scope, table, 24);
    row.extend_from_slice(&id);
    row
}

/// The rows of a table: `from <= row < to`.
pub(crate) fn table_range(scope: Scope, table: Table) -> (RowKey, RowKey) {
    let from = row(scope, table, 0);
    let mut to = row(scope, table, 0);
    if let Some(last) = to.last_mut() {
        *last += 1;
    }
    (from, to)
}

pub(crate) fn timer_row(scope: Scope, timer: &Timer) -> RowKey {
    let mut row = due_row(scope, timer.due);
    match &timer.kind {
        TimerKind::Wait { wait, .. } => {
            row.push(b'w');
            row.extend_from_slice(&wait.to_bytes());
        }
        TimerKind::Remind { wait, .. } => {
            row.push(b'm');
            row.extend_from_slice(&wait.to_bytes());
        }
        TimerKind::Retry { run } => {
            row.push(b'r');
            row.extend_from_slice(&run.to_bytes());
        }
        TimerKind::Expire { event, .. } => {
            row.push(b'e');
            row.extend_from_slice(&event.to_bytes());
        }
        TimerKind::Forget { nonce, .. } => {
            row.push(b'f');
            row.extend_from_slice(&nonce.to_be_bytes());
        }
        TimerKind::End { run, from, .. } => {
            row.push(b'n');
            row.extend_from_slice(&run.to_bytes());
            // The next one is set in the commit that removes this one, at the same time maybe.
            row.extend_from_slice(&from.to_be_bytes());
        }
    }
    row
}

/// The first row that is not due before `at`.
pub(crate) fn due_row(scope: Scope, at: Timestamp) -> RowKey {
    let mut key = row(scope, Table::Timer, 32);
    key.extend_from_slice(&at.as_millis().to_be_bytes());
    key
}

pub(crate) fn due_of(scope: Scope, key: &[u8]) -> Result<Timestamp, Error> {
    let prefix = row(scope, Table::Timer, 0).len();
    key.get(prefix..)
        .and_then(|rest| rest.first_chunk::<8>())
        .map(|due| Timestamp::from_millis(u64::from_be_bytes(*due)))
        .ok_or_else(|| Error::Corrupt("a timer row has no due time".into()))
}

/// The id at the end of an id row.
pub(crate) fn id_of(key: &[u8]) -> Result<[u8; 16], Error> {
    key.last_chunk::<16>().copied().ok_or_else(|| Error::Corrupt("a row has no id".into()))
}

/// The two texts of a row that has them, and what follows.
pub(crate) fn texts_of(key: &[u8]) -> Result<(&str, &str, &[u8]), Error> {
    fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (text, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        Some((std::str::from_utf8(text).ok()?, rest))
    }
    let prefix = row(Scope::default(), Table::Key, 0).len();
    key.get(prefix..)
        .and_then(text)
        .and_then(|(first, rest)| text(rest).map(|(second, rest)| (first, second, rest)))
        .ok_or_else(|| Error::Corrupt("a row has no names".into()))
}

/// The place at the end of the row of a queue, a line or a log.
pub(crate) fn place_of(key: &[u8]) -> Result<u64, Error> {
    key.last_chunk::<8>()
        .map(|place| u64::from_be_bytes(*place))
        .ok_or_else(|| Error::Corrupt("a row has no place".into()))
}

// Values.

pub(crate) fn json<T: Serialize>(value: &T) -> Result<Bytes, Error> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|error| unwritable(&error))
}

pub(crate) fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| Error::Corrupt(format!("a record does not parse: {error}")))
}

pub(crate) fn unwritable(error: &serde_json::Error) -> Error {
    Error::Corrupt(format!("a record cannot be written: {error}"))
}

/// A version, then JSON.
pub(crate) fn versioned<T: Serialize>(version: u64, record: &T) -> Result<Bytes, Error> {
    let mut value = Vec::with_capacity(256);
    value.extend_from_slice(&version.to_be_bytes());
    serde_json::to_writer(&mut value, record).map_err(|error| unwritable(&error))?;
    Ok(value.into())
}

pub(crate) fn from_versioned<T: DeserializeOwned>(bytes: &[u8]) -> Result<Versioned<T>, Error> {
    let (head, rest) = bytes.split_first_chunk::<8>().ok_or_else(short)?;
    Ok(Versioned { version: u64::from_be_bytes(*head), record: from_json(rest)? })
}

pub(crate) fn short() -> Error {
    Error::Corrupt("a record is cut short".into())
}

pub(crate) fn check_format(found: u8, supported: u8) -> Result<(), Error> {
    if found > supported {
        return Err(Error::Format { found: found.into(), supported: supported.into() });
    }
    Ok(())
}

/// A key's record, or an idle one.
pub(crate) fn from_key_value(value: Option<Bytes>) -> Result<Versioned<KeyRecord>, Error> {
    value.map_or_else(|| Ok(Versioned::default()), |value| from_versioned(&value))
}
