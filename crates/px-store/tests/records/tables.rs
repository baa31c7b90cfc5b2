//! Maps as tables, for tools that go through everything. A cursor is the last
//! record's key, as JSON.

use std::collections::BTreeMap;
use std::ops::Bound;

use px_core::FileId;
use px_store::{Cursor, Row, Scan, Table, Timer};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Maps, record};

/// A page of a map.
fn page<K: Clone + Ord + Serialize + DeserializeOwned, V>(
    map: &BTreeMap<K, V>,
    after: Option<&Cursor>,
    limit: usize,
    row: impl Fn(&K, &V) -> Row,
) -> Scan {
    let after: Option<K> =
        after.map(|cursor| serde_json::from_slice(cursor.row()).expect("a cursor of this table"));
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let found: Vec<_> = map.range((from, Bound::Unbounded)).take(limit).collect();
    let last = found.last().filter(|_| found.len() == limit);
    let next = last.map(|(key, _)| Cursor::new(serde_json::to_vec(key).expect("a key as JSON")));
    Scan { rows: found.into_iter().map(|(key, value)| row(key, value)).collect(), next }
}

pub(super) fn scan(maps: &Maps, table: Table, after: Option<&Cursor>, limit: usize) -> Scan {
    match table {
        Table::Key => page(&maps.keys, after, limit, |key, kept| Row::Key(key.clone(), kept.clone())),
        Table::Waiter => page(&maps.lines, after, limit, |(key, place), waiter| {
            Row::Waiter(key.clone(), *place, waiter.clone())
        }),
        // A map is looked through.
        Table::WaiterPlace => Scan { rows: Vec::new(), next: None },
        Table::Queue => page(&maps.queues, after, limit, |(key, place), event| {
            Row::Queued(key.clone(), *place, event.clone())
        }),
        Table::Run => page(&maps.runs, after, limit, |_, kept| Row::Run(Box::new(record(kept)))),
        // Each log lies with its run, and each value in its place.
        Table::Log | Table::Value => Scan { rows: Vec::new(), next: None },
        Table::Event => page(&maps.events_apart, after, limit, |(delivery, place), kept| {
            Row::Event(*delivery, *place, Box::new(kept.clone()))
        }),
        Table::File => page(&maps.files, after, limit, |(delivery, place, piece), bytes| {
            Row::File(FileId { delivery: *delivery, place: *place }, *piece, bytes.clone())
        }),
        Table::Delivery => {
            page(&maps.deliveries, after, limit, |_, kept| Row::Delivery(Box::new(maps.whole(kept))))
        }
        Table::Dedup => page(&maps.dedups, after, limit, |(slug, id), kept| {
            Row::Dedup(slug.clone(), id.clone(), kept.clone())
        }),
        Table::SetAside => page(&maps.set_asides, after, limit, |(slug, id), kept| {
            Row::SetAside(slug.clone(), id.clone(), *kept)
        }),
        Table::Work => page(&maps.work, after, limit, |run, work| Row::Work(*run, work.clone())),
        Table::Timer => page(&maps.timers, after, limit, |(due, kind), ()| {
            Row::Timer(Timer { due: *due, kind: kind.clone() })
        }),
        Table::Start => page(&maps.starts, after, limit, |(brain, key), kept| {
            Row::Start(brain.clone(), key.clone(), kept.clone())
        }),
        Table::Forgotten => {
            let one: BTreeMap<u8, _> = maps.forgotten.map(|forgotten| (0, forgotten)).into_iter().collect();
            page(&one, after, limit, |_, forgotten| Row::Forgotten(*forgotten))
        }
        Table::Hook => page(&maps.hooks, after, limit, |_, hook| Row::Hook(Box::new(hook.clone()))),
        Table::Callback => {
            page(&maps.callback, after, limit, |_, callback| Row::Callback(Box::new(callback.clone())))
        }
        Table::Due => page(&maps.due(), after, limit, |_, due| Row::Due(*due)),
        Table::Attempt => page(&maps.attempts, after, limit, |(id, _), attempt| {
            Row::Attempt(*id, Box::new(attempt.clone()))
        }),
        Table::Endpoint => page(&maps.endpoints, after, limit, |_, kept| Row::Endpoint(kept.clone())),
        Table::KeyCheck => {
            let one: BTreeMap<u8, _> = maps.key_check.iter().map(|check| (0, check)).collect();
            page(&one, after, limit, |_, check| Row::KeyCheck((*check).clone()))
        }
        Table::Kv => page(&maps.kv, after, limit, |id, kept| Row::Kv(id.clone(), Box::new(kept.clone()))),
        Table::KvBrain => {
            page(&maps.kv_brains, after, limit, |brain, kept| Row::KvBrain(brain.clone(), kept.clone()))
        }
        Table::Secret => page(&maps.secrets, after, limit, |_, kept| Row::Secret(Box::new(kept.clone()))),
        Table::Token => page(&maps.tokens, after, limit, |_, token| Row::Token(Box::new(token.clone()))),
    }
}
