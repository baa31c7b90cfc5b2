//! Values that outlive runs, as rows: a row each, and one for each brain that has values.
//!
//! Their keys are texts that end where a lower one could not go on, so that rows lie in the order of names
//! and the values of a brain are one range: a zero byte within a text is written `00 ff`, and `00 01` ends
//! it.

use bytes::Bytes;
use px_core::{KvChange, KvId, Scope};
use px_store::{Error, KvBatch, KvBrain, KvRecord, KvStore, Read, Row, Table, Versioned};

use crate::embedded::{Embedded, ready};
use crate::layout;
use crate::rows::{Backing, Expect, RowKey};
use crate::translation::{Precondition, Translation};

const ZERO: [u8; 2] = [0, 0xff];
const END: [u8; 2] = [0, 1];

fn put_text(key: &mut RowKey, text: &str) {
    for byte in text.bytes() {
        match byte {
            0 => key.extend_from_slice(&ZERO),
            byte => key.push(byte),
        }
    }
    key.extend_from_slice(&END);
}

/// Takes a text off the front of a key.
fn take_text(key: &mut &[u8]) -> Option<String> {
    let mut text = Vec::new();
    loop {
        let (byte, rest) = key.split_first()?;
        *key = rest;
        if *byte != 0 {
            text.push(*byte);
            continue;
        }
        let (mark, rest) = key.split_first()?;
        *key = rest;
        match [0, *mark] {
            ZERO => text.push(0),
            END => return String::from_utf8(text).ok(),
            _ => return None,
        }
    }
}

fn texts(scope: Scope, table: Table, texts: &[&str]) -> RowKey {
    let mut key = layout::row(scope, table, texts.iter().map(|text| text.len() + END.len()).sum());
    for text in texts {
        put_text(&mut key, text);
    }
    key
}

fn value_row(scope: Scope, id: &KvId) -> RowKey {
    texts(scope, Table::Kv, &[&id.brain, &id.scope, &id.key])
}

fn brain_row(scope: Scope, brain: &str) -> RowKey {
    texts(scope, Table::KvBrain, &[brain])
}

/// The rows behind one: `from <= row < to`.
fn behind(mut row: RowKey) -> RowKey {
    row.push(0);
    row
}

/// The texts of a key, so many of them and nothing else.
fn texts_of<const N: usize>(row: &[u8]) -> Result<[String; N], Error> {
    let prefix = layout::row(Scope::default(), Table::Kv, 0).len();
    let mut rest = row.get(prefix..).unwrap_or_default();
    let mut texts = Vec::with_capacity(N);
    for _ in 0..N {
        texts.push(take_text(&mut rest).ok_or_else(nameless)?);
    }
    if rest.is_empty() { texts.try_into().map_err(|_| nameless()) } else { Err(nameless()) }
}

fn nameless() -> Error {
    Error::Corrupt("the row of a value has no name".into())
}

fn id_of(row: &[u8]) -> Result<KvId, Error> {
    let [brain, scope, key] = texts_of(row)?;
    Ok(KvId { brain, scope, key })
}

fn brain_of(row: &[u8]) -> Result<String, Error> {
    texts_of(row).map(|[brain]| brain)
}

/// A row of one of the two tables, and the key that it should have.
pub(crate) fn read(scope: Scope, table: Table, row: &[u8], value: &Bytes) -> Result<(Row, RowKey), Error> {
    Ok(if table == Table::Kv {
        let id = id_of(row)?;
        let expected = value_row(scope, &id);
        (Row::Kv(id, Box::new(layout::from_versioned(value)?)), expected)
    } else {
        let brain = brain_of(row)?;
        let expected = brain_row(scope, &brain);
        (Row::KvBrain(brain, layout::from_versioned(value)?), expected)
    })
}

impl Translation {
    pub(crate) fn kv(&mut self, scope: Scope, batch: &KvBatch) -> Result<(), Error> {
        let expect = |version| if version == 0 { Expect::Absent } else { Expect::Version(version) };
        for write in &batch.values {
            let row = value_row(scope, &write.id);
            self.check(row.clone(), expect(write.expected), Precondition::Kv(write.id.clone()));
            match &write.change {
                KvChange::Keep => {}
                KvChange::Put(value) => {
                    let record = KvRecord { value: value.clone(), at: write.at };
                    self.put(row, layout::versioned(write.version, &record)?);
                }
                KvChange::Remove => self.remove(row),
            }
        }
        for write in &batch.brains {
            let row = brain_row(scope, &write.brain);
            self.check(row.clone(), expect(write.expected), Precondition::KvBrain(write.brain.clone()));
            match write.keys {
                0 => self.remove(row),
                keys => self.put(row, layout::versioned(write.version, &KvBrain { keys })?),
            }
        }
        Ok(())
    }
}

impl<B: Backing> KvStore for Embedded<B> {
    fn value<'a>(&'a self, scope: Scope, id: &'a KvId) -> Read<'a, Option<Versioned<KvRecord>>> {
        let read = self.record(&value_row(scope, id), |value| layout::from_versioned(value));
        ready(self.noted(read))
    }

    fn values<'a>(
        &'a self,
        scope: Scope,
        brain: &'a str,
        after: Option<(&'a str, &'a str)>,
        limit: usize,
    ) -> Read<'a, Vec<(KvId, Versioned<KvRecord>)>> {
        let start = texts(scope, Table::Kv, &[brain]);
        let mut to = start.clone();
        if let Some(last) = to.last_mut() {
            *last += 1;
        }
        let from = match after {
            None => start,
            Some((group, key)) => behind(texts(scope, Table::Kv, &[brain, group, key])),
        };
        let parse = |row: &[u8], value: &Bytes| Ok((id_of(row)?, layout::from_versioned(value)?));
        ready(self.readable(from, &to, limit, parse))
    }

    fn brain<'a>(&'a self, scope: Scope, brain: &'a str) -> Read<'a, Option<Versioned<KvBrain>>> {
        let read = self.record(&brain_row(scope, brain), |value| layout::from_versioned(value));
        ready(self.noted(read))
    }

    fn brains<'a>(
        &'a self,
        scope: Scope,
        after: Option<&'a str>,
        limit: usize,
    ) -> Read<'a, Vec<(String, Versioned<KvBrain>)>> {
        let (start, to) = layout::table_range(scope, Table::KvBrain);
        let from = after.map_or(start, |brain| behind(brain_row(scope, brain)));
        let parse = |row: &[u8], value: &Bytes| Ok((brain_of(row)?, layout::from_versioned(value)?));
        ready(self.readable(from, &to, limit, parse))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_lie_in_the_order_of_names_and_are_read_back() {
        let texts =
            ["", "\0", "\0\0", "\0a", "\u{1}", "a", "a\0", "a\0b", "a\u{1}", "aa", "b", "é", "\u{ffff}"];
        let id = |brain: &str, scope: &str, key: &str| KvId {
            brain: brain.into(),
            scope: scope.into(),
            key: key.into(),
        };
        let mut ids = Vec::new();
        for brain in texts {
            for scope in texts {
                ids.extend(texts.map(|key| id(brain, scope, key)));
            }
        }
        ids.sort();
        let rows: Vec<RowKey> = ids.iter().map(|id| value_row(Scope::default(), id)).collect();
        assert!(rows.is_sorted_by(|one, next| one < next));
        for (id, row) in ids.iter().zip(&rows) {
            assert_eq!(id_of(row).unwrap(), *id);
            assert!(id_of(&behind(row.clone())).is_err(), "something comes behind");
            assert!(id_of(&row[..row.len() - 1]).is_err(), "it does not end");
        }
    }

    /// Older rows are read for ever.
    #[test]
    fn rows_are_spelled_as_they_rest() {
        let record =
            KvRecord { value: serde_json::json!({"n": 1}), at: px_core::Timestamp::from_millis(1_700) };
        let value = layout::versioned(7, &record).unwrap();
        assert_eq!(&value[..], b"\0\0\0\0\0\0\0\x07{\"value\":{\"n\":1},\"at\":1700}");
        assert_eq!(&layout::versioned(1, &KvBrain { keys: 3 }).unwrap()[8..], b"{\"keys\":3}");
        let row = value_row(Scope::default(), &KvId::shared("b", "k\0"));
        assert_eq!(&row[2..], b"jb\0\x01shared\0\x01k\0\xff\0\x01");
        assert_eq!(&brain_row(Scope::default(), "b")[2..], b"bb\0\x01");
        let null = KvRecord { value: serde_json::Value::Null, ..record };
        let read: Versioned<KvRecord> =
            layout::from_versioned(&layout::versioned(1, &null).unwrap()).unwrap();
        assert_eq!(read.record, null, "null is a value");
    }
}
