//! Scans over rows: what a row of bytes says, read back into the record that it
//! was written from, and the lists in which it must be found.
//!
//! This file refuses to know what the records have to do with each other.

use std::fmt::Write as _;

use bytes::Bytes;
use px_core::{CallbackId, DeliveryId, KeyId, RunId, RunStatus, Scope};
use px_store::outbox::{Attempt, CallbackState};
use px_store::secrets::SecretRecord;
use px_store::tokens::Token;
use px_store::{Cursor, Error, Row, Scan, Table, Timer, Versioned};

use crate::apart;
use crate::event_row::{self, whole_delivery};
use crate::file_row;
use crate::kv;
use crate::layout;
use crate::line;
use crate::outbox::rows;
use crate::rows::{Backing, Order, RowKey};
use crate::run_row::from_run_row;

/// A page of a table.
pub(crate) fn page<B: Backing + ?Sized>(
    backing: &B,
    scope: Scope,
    table: Table,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Scan, Error> {
    let (start, end) = layout::table_range(scope, table);
    let from = after.map_or(start, |last| {
        let mut next = RowKey::from_slice(last.row());
        next.push(0);
        next
    });
    let found = backing.range(&from, &end, Order::Ascending, limit)?;
    let next = if found.len() < limit { None } else { found.last().map(|(row, _)| Cursor::new(row.clone())) };
    let rows = found.iter().map(|(row, value)| {
        read(backing, scope, table, row, value)
            .unwrap_or_else(|error| Row::Unreadable(hexadecimal(row), error.to_string()))
    });
    Ok(Scan { rows: rows.collect(), next })
}

/// A row of a table. `backing` is read only for values and events that lie apart.
pub(crate) fn read<B: Backing + ?Sized>(
    backing: &B,
    scope: Scope,
    table: Table,
    row: &[u8],
    value: &Bytes,
) -> Result<Row, Error> {
    let key = || layout::texts_of(row).map(|(slug, identifier, _)| KeyId::new(slug, identifier));
    // Each row with the key that it should have, for what it says itself.
    let (read, expected) = match table {
        Table::Key => {
            let key = key()?;
            let expected = layout::key_row(scope, &key);
            (Row::Key(key, layout::from_versioned(value)?), expected)
        }
        Table::Queue => {
            let (key, place) = (key()?, layout::place_of(row)?);
            let expected = layout::queue_row(scope, &key, place);
            (Row::Queued(key, place, layout::from_json(value)?), expected)
        }
        Table::Run => {
            let record = from_run_row(value, &apart::reader(backing, scope))?;
            if value.first_chunk().copied().map(u64::from_be_bytes) != Some(record.run.seq) {
                return Err(Error::Corrupt("the version of a run is not its `seq`".into()));
            }
            let expected = layout::run_row(scope, record.run.id);
            (Row::Run(Box::new(record)), expected)
        }
        Table::Log => {
            let first = layout::place_of(row)?;
            let id = row.split_last_chunk::<8>().map_or(row, |(id, _)| id);
            let run = RunId::from_bytes(layout::id_of(id)?);
            let entries = apart::stored_lines(value)?.iter().filter(|byte| **byte == b'\n').count() as u64;
            (Row::Log(run, first, entries), layout::log_row(scope, run, first))
        }
        Table::Value | Table::Event | Table::Waiter | Table::WaiterPlace => {
            read_beside(scope, table, row, value)?
        }
        Table::File => file_row::read(scope, row, value)?,
        Table::Delivery => {
            let delivery = whole_delivery(backing, scope, value)?;
            let expected = layout::delivery_row(scope, delivery.id);
            (Row::Delivery(Box::new(delivery)), expected)
        }
        Table::Work => {
            let run = RunId::from_bytes(layout::id_of(row)?);
            (Row::Work(run, layout::from_versioned(value)?), layout::work_row(scope, run))
        }
        Table::Timer => {
            let timer = Timer { due: layout::due_of(scope, row)?, kind: layout::from_json(value)? };
            let expected = layout::timer_row(scope, &timer);
            (Row::Timer(timer), expected)
        }
        Table::Dedup | Table::SetAside | Table::Start => read_named(scope, table, row, value)?,
        Table::Forgotten => (Row::Forgotten(layout::from_json(value)?), layout::forgotten_row(scope)),
        Table::Kv | Table::KvBrain => kv::read(scope, table, row, value)?,
        Table::KeyCheck => (Row::KeyCheck(layout::from_versioned(value)?), layout::key_check_row(scope)),
        Table::Token | Table::Secret => read_access(scope, table, value)?,
        _ => read_outbox(scope, table, row, value)?,
    };
    if *expected != *row {
        return Err(Error::Corrupt("a row lies under another one's key".into()));
    }
    Ok(read)
}

/// Reads a row that lies beside a record: a large value of a run, an event of a large
/// delivery, or what belongs to the line of a key.
fn read_beside(scope: Scope, table: Table, row: &[u8], value: &Bytes) -> Result<(Row, RowKey), Error> {
    Ok(match table {
        Table::Value => {
            let (run, name) = row.split_last_chunk::<16>().ok_or_else(layout::short)?;
            let run = RunId::from_bytes(layout::id_of(run)?);
            if apart::name_of(value) != *name {
                return Err(Error::Corrupt("a large value is not the one of its name".into()));
            }
            (Row::Value(run), apart::value_row(scope, run, *name))
        }
        Table::Event => {
            let (delivery, place) = event_row::event_of(row)?;
            let event = Box::new(event_row::from_event_value(value)?);
            (Row::Event(delivery, place, event), event_row::event_row(scope, delivery, place))
        }
        Table::Waiter => {
            let (slug, identifier, _) = layout::texts_of(row)?;
            let (key, place) = (KeyId::new(slug, identifier), layout::place_of(row)?);
            let expected = line::waiter_row(scope, &key, place);
            (Row::Waiter(key, place, layout::from_json(value)?), expected)
        }
        _ => {
            let (key, place, id, expected) = line::read_place(scope, row, value)?;
            (Row::WaiterPlace(key, place, id), expected)
        }
    })
}

/// Reads a row of what opens doors: an API token, or a secret.
fn read_access(scope: Scope, table: Table, value: &Bytes) -> Result<(Row, RowKey), Error> {
    Ok(match table {
        Table::Token => {
            let token: Versioned<Token> = layout::from_versioned(value)?;
            let expected = layout::token_row(scope, token.record.id);
            (Row::Token(Box::new(token)), expected)
        }
        _ => {
            let secret: Versioned<SecretRecord> = layout::from_versioned(value)?;
            let expected = layout::secret_row(scope, &secret.record.name);
            (Row::Secret(Box::new(secret)), expected)
        }
    })
}

/// Reads a row of one of the tables whose rows are known by two texts.
fn read_named(scope: Scope, table: Table, row: &[u8], value: &Bytes) -> Result<(Row, RowKey), Error> {
    let (first, second, _) = layout::texts_of(row)?;
    let (first, second) = (first.to_owned(), second.to_owned());
    Ok(match table {
        Table::Dedup => {
            let expected = layout::dedup_row(scope, &first, &second);
            (Row::Dedup(first, second, layout::from_json(value)?), expected)
        }
        Table::SetAside => {
            let expected = layout::set_aside_row(scope, &first, &second);
            (Row::SetAside(first, second, layout::from_json(value)?), expected)
        }
        _ => {
            let expected = layout::start_row(scope, &first, &second);
            (Row::Start(first, second, layout::from_json(value)?), expected)
        }
    })
}

fn read_outbox(scope: Scope, table: Table, row: &[u8], value: &Bytes) -> Result<(Row, RowKey), Error> {
    Ok(match table {
        Table::Callback => {
            let callback = rows::from_callback_value(value)?;
            let expected = rows::callback_row(scope, callback.id);
            (Row::Callback(Box::new(callback)), expected)
        }
        Table::Due => {
            let due = rows::due_of(scope, row, value)?;
            (Row::Due(due), rows::due_row(scope, &due))
        }
        Table::Attempt => {
            let attempt: Attempt = layout::from_json(value)?;
            let id = row.split_last_chunk::<4>().map_or(row, |(id, _)| id);
            let id = CallbackId::from_bytes(layout::id_of(id)?);
            let expected = rows::attempt_row(scope, id, attempt.number);
            (Row::Attempt(id, Box::new(attempt)), expected)
        }
        Table::Endpoint => {
            let endpoint = rows::endpoint_of(row, value)?;
            let expected = rows::endpoint_row(scope, endpoint.lane);
            (Row::Endpoint(endpoint), expected)
        }
        _ => {
            let hook = rows::hook_of(value)?;
            let expected = rows::hook_row(scope, hook.record.is_own(), hook.record.id);
            (Row::Hook(Box::new(hook)), expected)
        }
    })
}

/// The lists in which a row must be found: the list, the id, and its name.
pub(crate) fn listed(scope: Scope, row: &Row) -> Vec<(RowKey, [u8; 16], String)> {
    let mut lists = Vec::new();
    match row {
        Row::Run(record) => {
            let run = &record.run;
            let id = run.id.to_bytes();
            lists.push((layout::runs_by_brain(scope, &run.brain), id, format!("brain {}", run.brain)));
            for (name, value) in &run.labels {
                lists.push((layout::runs_by_label(scope, name, value), id, format!("label {name}={value}")));
            }
            if run.status != RunStatus::Running {
                let status = run.status.as_str();
                let list = layout::runs_by_status(scope, None, run.status);
                lists.push((list, id, format!("status {status}")));
                let list = layout::runs_by_status(scope, Some(&run.brain), run.status);
                lists.push((list, id, format!("brain {}, status {status}", run.brain)));
            }
        }
        Row::Delivery(delivery) => {
            let id = DeliveryId::to_bytes(delivery.id);
            let slug = &delivery.slug;
            lists.push((layout::deliveries_by_slug(scope, slug), id, format!("webhook {slug}")));
            for event in &delivery.events {
                let state = event.state.as_str();
                let list = layout::deliveries_by_state(scope, event.state);
                lists.push((list, id, format!("state {state}")));
                if let Some(identifier) = &event.identifier {
                    let list = layout::deliveries_by_identifier(scope, identifier);
                    lists.push((list, id, format!("identifier {identifier}")));
                }
            }
        }
        Row::Callback(callback) if !callback.own => {
            let (id, hook) = (callback.id.to_bytes(), callback.hook);
            lists.push((rows::of_hook(scope, hook), id, format!("hook {hook}")));
            if matches!(callback.state, CallbackState::Dead | CallbackState::Held) {
                let list = rows::of_state(scope, hook, callback.state);
                lists.push((list, id, format!("hook {hook}, given up or held")));
            }
        }
        _ => {}
    }
    lists
}

/// The lists in which this run or delivery is not found.
pub(crate) fn unlisted<B: Backing + ?Sized>(
    backing: &B,
    scope: Scope,
    row: &Row,
) -> Result<Vec<String>, Error> {
    let mut missing = Vec::new();
    for (list, id, name) in listed(scope, row) {
        // The list from this id on, newest first. Nothing comes after the largest id.
        let above = u128::from_be_bytes(id).checked_add(1).map(u128::to_be_bytes);
        if backing.postings(&list, above, Order::Descending, 1)?.first() != Some(&id) {
            missing.push(name);
        }
    }
    Ok(missing)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing into a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
