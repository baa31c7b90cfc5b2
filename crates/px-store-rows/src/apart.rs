//! Large values apart: a text, list or object of more than [`LARGE`] bytes in a
//! record is a row of its own, under the run whose log it came into and the digest
//! of its JSON, and the record has its name. A run's row, the entries of its log and
//! the delivery that brought the value name one row, so it is written once, and a
//! commit of the run writes only what changed.
//!
//! Values come into a run with an entry of its log, and a log is only added to: so
//! a value stays as long as its run, and nothing has to count who names it. What
//! is large and is in no entry (a long list of which each step changes a part) is
//! written in place.

use std::collections::BTreeMap;

use bytes::{BufMut as _, Bytes, BytesMut};
use px_core::{Event, RunId, Scope};
use px_store::{Error, Table};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::layout;
use crate::rows::{Backing, RowKey};

/// A value of so many bytes stays in its record.
pub(crate) const LARGE: usize = 64 * 1024;

/// Room that is made for an event's line.
const EVENT_BYTES: usize = 192;

/// First byte of a piece of a log that names values. Others begin with an entry,
/// and so with a brace.
const NAMES: u8 = 1;

/// The first bytes of the digest of a value's JSON.
pub(crate) type Name = [u8; 16];

/// Values that are written, by name.
pub(crate) type Values = BTreeMap<Name, Bytes>;

/// A value that is not where it belongs in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gap {
    /// The place: a JSON pointer.
    pub(crate) pointer: String,
    /// The run that the value belongs to.
    pub(crate) run: RunId,
    /// The value.
    pub(crate) name: Name,
}

pub(crate) fn value_row(scope: Scope, run: RunId, name: Name) -> RowKey {
    let mut row = layout::id_row(scope, Table::Value, run.to_bytes());
    row.extend_from_slice(&name);
    row
}

pub(crate) fn name_of(json: &[u8]) -> Name {
    let digest = Sha256::digest(json);
    digest.first_chunk::<16>().copied().unwrap_or_default()
}

/// Takes large values out of a document, those for which `owner` names a run, and
/// leaves nulls in their places. Of a value and its parts, the smallest that is large
/// is taken: that one is the same wherever else it lies.
fn take_apart(
    document: &mut Value,
    owner: &mut dyn FnMut(Name, Bytes) -> Option<RunId>,
) -> Result<Vec<Gap>, Error> {
    let mut gaps = Vec::new();
    visit(document, &mut String::new(), owner, &mut gaps)?;
    Ok(gaps)
}

/// Returns about how many bytes of a value stay where they are, and could be taken
/// together with what is around them.
fn visit(
    value: &mut Value,
    pointer: &mut String,
    owner: &mut dyn FnMut(Name, Bytes) -> Option<RunId>,
    gaps: &mut Vec<Gap>,
) -> Result<usize, Error> {
    let (before, length) = (gaps.len(), pointer.len());
    let mut is_parted = false;
    let mut bytes = 0;
    let mut part = |key: &str, value: &mut Value, gaps: &mut Vec<Gap>| -> Result<(), Error> {
        pointer.push('/');
        pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
        match visit(value, pointer, owner, gaps)? {
            usize::MAX => is_parted = true,
            more => bytes += more + key.len() + 4,
        }
        pointer.truncate(length);
        Ok(())
    };
    match value {
        Value::String(text) => bytes = text.len(),
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                part(&index.to_string(), item, gaps)?;
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                part(name, field, gaps)?;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => bytes = 8,
    }
    if is_parted || gaps.len() > before {
        return Ok(usize::MAX);
    }
    if bytes <= LARGE || pointer.is_empty() {
        return Ok(bytes);
    }
    let json = layout::json(value)?;
    let name = name_of(&json);
    if let Some(run) = owner(name, json) {
        gaps.push(Gap { pointer: pointer.clone(), run, name });
        *value = Value::Null;
    }
    Ok(usize::MAX)
}

/// The JSON of a record without its large values, and the places of those. A record
/// that is not large has none, and one whose values `owner` does not know stays as it is.
pub(crate) fn parted(
    document: Bytes,
    owner: &mut dyn FnMut(Name, Bytes) -> Option<RunId>,
) -> Result<(Bytes, Vec<Gap>), Error> {
    if document.len() <= LARGE {
        return Ok((document, Vec::new()));
    }
    let mut left: Value = layout::from_json(&document)?;
    let gaps = take_apart(&mut left, owner)?;
    if gaps.is_empty() { Ok((document, gaps)) } else { Ok((layout::json(&left)?, gaps)) }
}

/// A record of its JSON, with the values that it names.
pub(crate) fn whole<T: DeserializeOwned>(
    document: &[u8],
    gaps: &[Gap],
    read: &dyn Fn(RunId, Name) -> Result<Value, Error>,
) -> Result<T, Error> {
    if gaps.is_empty() {
        return layout::from_json(document);
    }
    let mut document: Value = layout::from_json(document)?;
    put_back(&mut document, gaps, read)?;
    serde_json::from_value(document)
        .map_err(|error| Error::Corrupt(format!("a record does not parse: {error}")))
}

/// Puts values back into the places that they were taken from.
fn put_back(
    document: &mut Value,
    gaps: &[Gap],
    read: &dyn Fn(RunId, Name) -> Result<Value, Error>,
) -> Result<(), Error> {
    for gap in gaps {
        let place = document.pointer_mut(&gap.pointer);
        let place = place.ok_or_else(|| Error::Corrupt("a large value has no place in its record".into()))?;
        *place = read(gap.run, gap.name)?;
    }
    Ok(())
}

/// The gaps of a document as a record has them: length, then JSON.
pub(crate) fn put_gaps(value: &mut BytesMut, gaps: &[(usize, Gap)]) -> Result<(), Error> {
    let texts: Vec<_> = gaps.iter().map(|(line, gap)| (line, &gap.pointer, gap.run, hex(gap.name))).collect();
    let json = layout::json(&texts)?;
    value.put_u32(u32::try_from(json.len()).unwrap_or(u32::MAX));
    value.put_slice(&json);
    Ok(())
}

/// Gaps with their places, and the bytes behind them.
pub(crate) type Gaps<'a> = (Vec<(usize, Gap)>, &'a [u8]);

/// The gaps at the beginning of these bytes, and what is behind them.
pub(crate) fn gaps_of(bytes: &[u8]) -> Result<Gaps<'_>, Error> {
    let damaged = || Error::Corrupt("a record does not say which values it names".into());
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(damaged)?;
    let (json, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or_else(damaged)?;
    let texts: Vec<(usize, String, RunId, String)> = layout::from_json(json)?;
    let gaps = texts.into_iter().map(|(line, pointer, run, name)| {
        let name = u128::from_str_radix(&name, 16).map_err(|_| damaged())?.to_be_bytes();
        Ok((line, Gap { pointer, run, name }))
    });
    Ok((gaps.collect::<Result<_, Error>>()?, rest))
}

fn hex(name: Name) -> String {
    format!("{:032x}", u128::from_be_bytes(name))
}

/// New entries of a run's log, one a line, without their large values.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub(crate) lines: Bytes,
    /// With the lines that they are in, from 0.
    pub(crate) gaps: Vec<(usize, Gap)>,
    pub(crate) values: Values,
}

impl Lines {
    pub(crate) fn of(run: RunId, events: &[Event]) -> Result<Self, Error> {
        let mut lines = Vec::with_capacity(EVENT_BYTES * events.len());
        let mut this = Self::default();
        for (index, event) in events.iter().enumerate() {
            let start = lines.len();
            serde_json::to_writer(&mut lines, event).map_err(|error| layout::unwritable(&error))?;
            if lines.len() - start > LARGE {
                let line = Bytes::from(lines.split_off(start));
                let values = &mut this.values;
                let (line, gaps) = parted(line, &mut |name, json| {
                    values.insert(name, json);
                    Some(run)
                })?;
                this.gaps.extend(gaps.into_iter().map(|gap| (index, gap)));
                lines.extend_from_slice(&line);
            }
            lines.push(b'\n');
        }
        Ok(Self { lines: lines.into(), ..this })
    }

    /// Entries that were written once, and have no large values.
    pub(crate) fn made(lines: Bytes) -> Self {
        Self { lines, ..Self::default() }
    }

    /// A piece of a log: these lines behind earlier ones, which are whole.
    pub(crate) fn piece(&self, earlier: &[u8]) -> Result<Bytes, Error> {
        let mut piece = BytesMut::with_capacity(earlier.len() + self.lines.len() + 64);
        if !self.gaps.is_empty() {
            let before = earlier.iter().filter(|byte| **byte == b'\n').count();
            let gaps: Vec<_> = self.gaps.iter().map(|(line, gap)| (line + before, gap.clone())).collect();
            piece.put_u8(NAMES);
            put_gaps(&mut piece, &gaps)?;
        }
        piece.put_slice(earlier);
        piece.put_slice(&self.lines);
        Ok(piece.freeze())
    }
}

/// The names of a piece of a log, and its lines as they are stored.
fn parts(piece: &[u8]) -> Result<Gaps<'_>, Error> {
    match piece.split_first() {
        Some((&NAMES, rest)) => gaps_of(rest),
        None | Some((&b'{', _)) => Ok((Vec::new(), piece)),
        Some((first, _)) => Err(Error::Format { found: u32::from(*first), supported: u32::from(NAMES) }),
    }
}

/// The lines of a piece of a log, as they are stored.
pub(crate) fn stored_lines(piece: &[u8]) -> Result<&[u8], Error> {
    parts(piece).map(|(_, lines)| lines)
}

/// The lines of a piece of a log, with their values.
pub(crate) fn whole_lines(
    piece: &Bytes,
    read: &dyn Fn(RunId, Name) -> Result<Value, Error>,
) -> Result<Bytes, Error> {
    let (gaps, lines) = parts(piece)?;
    if gaps.is_empty() {
        return Ok(piece.slice_ref(lines));
    }
    let mut text = BytesMut::with_capacity(lines.len());
    for (index, line) in lines.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let here: Vec<Gap> = gaps.iter().filter(|(at, _)| *at == index).map(|(_, gap)| gap.clone()).collect();
        if here.is_empty() {
            text.put_slice(line);
            continue;
        }
        text.put_slice(&layout::json(&whole::<Value>(line, &here, read)?)?);
        text.put_u8(b'\n');
    }
    Ok(text.freeze())
}

/// Reads values of a scope from where they lie.
pub(crate) fn reader<B: Backing + ?Sized>(
    backing: &B,
    scope: Scope,
) -> impl Fn(RunId, Name) -> Result<Value, Error> {
    move |run, name| {
        let row = backing.get(&value_row(scope, run, name))?;
        let json =
            row.ok_or_else(|| Error::Corrupt(format!("{run} misses the large value {}", hex(name))))?;
        layout::from_json(&json)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const RUN: RunId = RunId::from_bytes([1; 16]);

    fn apart(document: &Value) -> (Value, Vec<Gap>, Values) {
        let (mut left, mut values) = (document.clone(), Values::new());
        let gaps = take_apart(&mut left, &mut |name, json| {
            values.insert(name, json);
            Some(RUN)
        });
        (left, gaps.unwrap(), values)
    }

    #[test]
    fn what_is_taken_out_of_a_document_is_put_back() {
        let (large, list) = ("x".repeat(LARGE + 1), vec![7; LARGE]);
        for document in [
            json!({"a": {"b/c": [1, large]}, "~d": large, "e": "small"}),
            json!({"list": list, "more": {"list": list}}),
            json!({"text": "y".repeat(LARGE)}),
            json!([]),
        ] {
            let (mut left, gaps, values) = apart(&document);
            assert!(layout::json(&left).unwrap().len() < 2 * LARGE);
            let read = |_, name| layout::from_json(&values[&name]);
            put_back(&mut left, &gaps, &read).unwrap();
            assert_eq!(left, document);
        }
    }

    #[test]
    fn one_value_has_one_name_wherever_it_lies() {
        let (large, list) = ("x".repeat(LARGE + 1), vec![7; LARGE]);
        let (_, gaps, values) =
            apart(&json!({"a": {"text": large, "list": list}, "b": [large, {"list": list}]}));
        assert_eq!((gaps.len(), values.len()), (4, 2));
        let (_, _, alone) = apart(&json!({"deep": {"er": large}}));
        assert!(alone.keys().all(|name| values.contains_key(name)));
    }

    #[test]
    fn what_nobody_has_stays_in_its_place() {
        let document = json!({"a": {"text": "x".repeat(LARGE + 1)}});
        let mut left = document.clone();
        assert!(take_apart(&mut left, &mut |_, _| None).unwrap().is_empty());
        assert_eq!(left, document);
    }

    #[test]
    fn a_piece_of_a_log_that_begins_with_neither_is_of_a_newer_form() {
        let lines = Bytes::from_static(b"{\"seq\":1}\n");
        assert_eq!(stored_lines(&lines).unwrap(), &lines[..]);
        assert_eq!(stored_lines(b"").unwrap(), b"");
        for piece in [&b"\x02{}"[..], b"[]\n"] {
            assert!(matches!(stored_lines(piece), Err(Error::Format { .. })), "{piece:?}");
            let read = |_, _| Ok(Value::Null);
            assert!(whole_lines(&Bytes::copy_from_slice(piece), &read).is_err());
        }
    }
}
