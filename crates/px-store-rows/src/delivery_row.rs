//! The row of a delivery: its record as JSON, the names of the values that lie
//! apart with the runs that took them, and the body as it came.

use bytes::{BufMut, Bytes, BytesMut};
use px_core::RunId;
use px_store::{Delivery, Error, InboxEvent};
use serde_json::Value;

use crate::apart::{Gap, Name, gaps_of, parted, put_gaps, whole};
use crate::layout::{check_format, json, short};

/// The format byte of the first deliveries, which did not say how often they were
/// written. They are read all the same.
const FIRST_FORMAT: u8 = 1;

/// The format byte of a delivery that says how often it was written.
const FORMAT: u8 = 2;

/// The format byte of a delivery some values of which lie with runs.
const FORMAT_APART: u8 = 3;

/// The format byte of a delivery some events of which have rows of their own. It
/// says which values lie with runs, as the one before.
const FORMAT_EVENTS: u8 = 4;

/// The format byte of a delivery that has files, which an older px would lose with the
/// next write. It says what the one before says.
const FORMAT_FILES: u8 = 5;

/// The format byte of a delivery whose files are held by runs beside its own. A px that knows files and no
/// holders would drop these with the next write, and its retention would take files that a fork reads. It says what the
/// one before says, and the first write without holders has that one's format again.
const FORMAT_HELD: u8 = 6;

/// Format and count, length of the record's JSON, the record, names of values if
/// there are any, the body as it came. `owner` tells the run that has a value.
pub(crate) fn delivery_value(
    delivery: &Delivery,
    owner: &dyn Fn(&Name) -> Option<RunId>,
) -> Result<Bytes, Error> {
    let has_events_apart = delivery.events.iter().any(|event| event.apart != 0);
    let written = if has_events_apart { json(&with_stubs(delivery))? } else { json(delivery)? };
    let (document, gaps) = parted(written, &mut |name, _| owner(&name))?;
    let mut value = BytesMut::with_capacity(64 + document.len() + delivery.body.len());
    let format = match (has_events_apart, gaps.is_empty()) {
        _ if !delivery.holders.is_empty() => FORMAT_HELD,
        _ if !delivery.files.is_empty() => FORMAT_FILES,
        (true, _) => FORMAT_EVENTS,
        (false, true) => FORMAT,
        (false, false) => FORMAT_APART,
    };
    value.put_u64(next_revision(delivery.revision, format));
    value.put_u32(u32::try_from(document.len()).unwrap_or(u32::MAX));
    value.put_slice(&document);
    if format >= FORMAT_APART {
        let gaps: Vec<_> = gaps.into_iter().map(|gap| (0, gap)).collect();
        put_gaps(&mut value, &gaps)?;
    }
    value.put_slice(&delivery.body);
    Ok(value.freeze())
}

/// A delivery without what the rows of its events say.
fn with_stubs(delivery: &Delivery) -> Delivery {
    let stub = |event: &InboxEvent| if event.apart == 0 { event.clone() } else { event.stub() };
    Delivery {
        events: delivery.events.iter().map(stub).collect(),
        slug: delivery.slug.clone(),
        remote: delivery.remote.clone(),
        method: delivery.method.clone(),
        target: delivery.target.clone(),
        headers: delivery.headers.clone(),
        verdict: delivery.verdict.clone(),
        files: delivery.files.clone(),
        holders: delivery.holders.clone(),
        test: delivery.test.clone(),
        body: Bytes::new(),
        contents: Vec::new(),
        ..*delivery
    }
}

/// The first eight bytes of the row that takes the place of one that began
/// with `revision`: the format, and how often it was written.
fn next_revision(revision: u64, format: u8) -> u64 {
    let [was, count @ ..] = revision.to_be_bytes();
    let [a, b, c, d, e, f, g] = if was == FIRST_FORMAT { [0; 7] } else { count };
    let count = u64::from_be_bytes([0, a, b, c, d, e, f, g]) + 1;
    (u64::from(format) << 56) | count
}

/// True if a row that begins with this revision may name values of runs.
pub(crate) fn names_values(revision: u64) -> bool {
    revision >> 56 >= u64::from(FORMAT_APART)
}

/// True if the delivery of a row that begins with this revision may have events with rows of their own.
pub(crate) fn has_events_apart(revision: u64) -> bool {
    revision >> 56 >= u64::from(FORMAT_EVENTS)
}

/// Head of a row, its gaps, and the bytes behind them.
type Parts<'a> = (&'a [u8], Vec<Gap>, &'a [u8]);

/// The record's JSON, the values that it names, and the body.
fn parts(value: &Bytes) -> Result<Parts<'_>, Error> {
    let format = *value.first().ok_or_else(short)?;
    check_format(format, FORMAT_HELD)?;
    let rest = value.get(if format == FIRST_FORMAT { 1 } else { 8 }..).ok_or_else(short)?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
    let (document, mut rest) =
        rest.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or_else(short)?;
    let mut gaps = Vec::new();
    if format >= FORMAT_APART {
        (gaps, rest) = gaps_of(rest)?;
    }
    Ok((document, gaps.into_iter().map(|(_, gap)| gap).collect(), rest))
}

/// The values of runs that a row names.
pub(crate) fn named(value: &Bytes) -> Result<Vec<Gap>, Error> {
    parts(value).map(|(_, gaps, _)| gaps)
}

/// A delivery, with the values that it names.
pub(crate) fn from_delivery_value(
    value: &Bytes,
    read: &dyn Fn(RunId, Name) -> Result<Value, Error>,
) -> Result<Delivery, Error> {
    let head = value.first_chunk::<8>().ok_or_else(short)?;
    let (document, gaps, body) = parts(value)?;
    let mut delivery: Delivery = whole(document, &gaps, read)?;
    delivery.body = value.slice_ref(body);
    delivery.revision = u64::from_be_bytes(*head);
    Ok(delivery)
}
