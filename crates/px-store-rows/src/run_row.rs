//! The row of a run: the run as JSON, the newest entries of its log, and the
//! names of the values that lie apart.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use px_core::{Event, RunId};
use px_store::{Error, LogTail, RunRecord, RunWrite};
use serde_json::Value;

use crate::apart::{Gap, Lines, Name, Values, gaps_of, parted, put_gaps, whole};
use crate::layout::{check_format, from_json, json, short};

/// The format byte of a run's row.
const FORMAT: u8 = 1;

/// The format byte of a run that hooks have been told of: what they were told
/// lies between the run and its log. Other runs keep the first format.
const FORMAT_TOLD: u8 = 2;

/// The format byte of a run of which large values lie apart: what hooks were told
/// of it, whose length may be 0, and then the names of the values lie between the
/// run and its log.
const FORMAT_APART: u8 = 3;

/// Past this many bytes of log, a run's row hands its log to a chunk of its own.
const INLINE_LOG_LIMIT: usize = 8 * 1024;

/// Room that is made for a run.
const RUN_BYTES: usize = 1_024;

/// The rows that a write of a run comes to.
pub(crate) struct RunRow {
    /// The row.
    pub(crate) value: Bytes,
    /// The tail of the run's log once this is written.
    pub(crate) tail: LogTail,
    /// The piece of the log that the row hands over, and the `seq` of its first entry.
    pub(crate) piece: Option<(u64, Bytes)>,
    /// The values that the new entries brought.
    pub(crate) values: Values,
}

/// The row is `seq`, format, length of the run's JSON, the run, what hooks were told
/// of it, the first `seq` of the log's tail, the tail: one JSON line an event.
pub(crate) fn run_row(write: &RunWrite) -> Result<RunRow, Error> {
    let RunWrite { run, tail, events, next_tail, .. } = write;
    let lines = match next_tail.as_ref().and_then(|next| lines_between(tail, next)) {
        Some(made) => Lines::made(made),
        None => Lines::of(run.id, events)?,
    };
    let is_apart = is_apart(tail, &lines);
    let piece = is_apart.then(|| lines.piece(&tail.lines)).transpose()?.map(|piece| (tail.first_seq, piece));
    let (first_seq, kept) = if is_apart {
        (run.seq + 1, [&[][..], &[]])
    } else {
        (tail.first_seq, [&tail.lines[..], &lines.lines])
    };
    let Lines { values, .. } = &lines;
    let (mut document, mut gaps) = (json(&**run)?, Vec::new());
    if !values.is_empty() || tail.apart.is_some() {
        let is_known = |name: &Name| {
            values.contains_key(name) || tail.apart.as_ref().is_some_and(|apart| apart.contains(name))
        };
        (document, gaps) = parted(document, &mut |name, _| is_known(&name).then_some(run.id))?;
    }

    let mut value =
        BytesMut::with_capacity(RUN_BYTES + document.len() + kept.map(<[u8]>::len).iter().sum::<usize>());
    value.put_u64(run.seq);
    value.put_u8(match (&tail.told, gaps.is_empty()) {
        (_, false) => FORMAT_APART,
        (Some(_), true) => FORMAT_TOLD,
        (None, true) => FORMAT,
    });
    put_sized(&mut value, &document);
    match &tail.told {
        Some(told) => put_sized(&mut value, &json(&**told)?),
        None if gaps.is_empty() => {}
        None => put_sized(&mut value, &[]),
    }
    let apart: BTreeSet<Name> = gaps.iter().map(|gap| gap.name).collect();
    if !gaps.is_empty() {
        let gaps: Vec<_> = gaps.into_iter().map(|gap| (0, gap)).collect();
        put_gaps(&mut value, &gaps)?;
    }
    value.put_u64(first_seq);
    let start = value.len();
    kept.into_iter().for_each(|part| value.put_slice(part));
    let value = value.freeze();
    let tail = LogTail { first_seq, lines: value.slice(start..), apart: shared(apart), ..tail.clone() };
    Ok(RunRow { value, tail, piece, values: lines.values })
}

fn put_sized(value: &mut BytesMut, part: &[u8]) {
    value.put_u32(u32::try_from(part.len()).unwrap_or(u32::MAX));
    value.put_slice(part);
}

fn take_sized(bytes: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(short)?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or_else(short)
}

fn shared(names: BTreeSet<Name>) -> Option<Arc<BTreeSet<Name>>> {
    (!names.is_empty()).then(|| Arc::new(names))
}

/// A run's row as it is stored.
struct Parts<'a> {
    document: &'a [u8],
    /// Empty if hooks were told nothing.
    told: &'a [u8],
    gaps: Vec<Gap>,
    first_seq: u64,
    lines: &'a [u8],
}

fn parts(value: &[u8]) -> Result<Parts<'_>, Error> {
    let (_, rest) = value.split_first_chunk::<8>().ok_or_else(short)?;
    let (format, rest) = rest.split_first().ok_or_else(short)?;
    check_format(*format, FORMAT_APART)?;
    let (document, mut rest) = take_sized(rest)?;
    let (mut told, mut gaps) = (&[][..], Vec::new());
    if *format >= FORMAT_TOLD {
        (told, rest) = take_sized(rest)?;
    }
    if *format == FORMAT_APART {
        (gaps, rest) = gaps_of(rest)?;
    }
    let (first_seq, lines) = rest.split_first_chunk::<8>().ok_or_else(short)?;
    let gaps = gaps.into_iter().map(|(_, gap)| gap).collect();
    Ok(Parts { document, told, gaps, first_seq: u64::from_be_bytes(*first_seq), lines })
}

/// A run's row, with the values that it names.
pub(crate) fn from_run_row(
    value: &Bytes,
    read: &dyn Fn(RunId, Name) -> Result<Value, Error>,
) -> Result<RunRecord, Error> {
    let Parts { document, told, gaps, first_seq, lines } = parts(value)?;
    let told = if told.is_empty() { None } else { Some(Arc::new(from_json(told)?)) };
    let run = whole(document, &gaps, read)?;
    let apart = shared(gaps.iter().map(|gap| gap.name).collect());
    Ok(RunRecord {
        run: Arc::new(run),
        tail: LogTail { first_seq, lines: value.slice_ref(lines), told, apart },
    })
}

/// The newest entries of a run's log, of its row. The run itself is not read.
pub(crate) fn log_of_row(value: &Bytes) -> Result<LogTail, Error> {
    let Parts { first_seq, lines, .. } = parts(value)?;
    Ok(LogTail { first_seq, lines: value.slice_ref(lines), ..LogTail::default() })
}

/// The tail of a run's log after a commit: with the new events, or empty if
/// they made it outgrow its row.
pub(crate) fn next_tail(tail: &LogTail, events: &[Event], seq: u64) -> Result<LogTail, Error> {
    // Whose values they are does not change their names.
    let lines = Lines::of(RunId::from_bytes([0; 16]), events)?;
    let mut names = tail.apart.as_deref().cloned().unwrap_or_default();
    names.extend(lines.values.keys().copied());
    let apart = shared(names);
    if is_apart(tail, &lines) {
        return Ok(LogTail { first_seq: seq + 1, lines: Bytes::new(), apart, ..tail.clone() });
    }
    let mut kept = BytesMut::with_capacity(tail.lines.len() + lines.lines.len());
    kept.put_slice(&tail.lines);
    kept.put_slice(&lines.lines);
    Ok(LogTail { lines: kept.freeze(), apart, ..tail.clone() })
}

/// Returns the lines by which a tail has become the next one of its run, unless its log went
/// into a chunk of its own meanwhile.
fn lines_between(tail: &LogTail, next: &LogTail) -> Option<Bytes> {
    let is_longer = next.first_seq == tail.first_seq && next.apart == tail.apart;
    let made = next.lines.get(tail.lines.len()..).filter(|_| is_longer)?;
    Some(next.lines.slice_ref(made))
}

/// Returns true if a tail and what comes to it belong into a chunk of their own.
fn is_apart(tail: &LogTail, new: &Lines) -> bool {
    !new.gaps.is_empty() || tail.lines.len() + new.lines.len() > INLINE_LOG_LIMIT
}

#[cfg(test)]
mod tests {
    use px_core::event::EventBody;
    use px_core::{Event, Run, Timestamp};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_log_is_read_of_its_row_without_the_run() {
        let mut run = Run::vacant(RunId::from_bytes([1; 16]));
        (run.seq, run.options) = (1, json!({"note": "x"}));
        let events = vec![Event { seq: 1, at: Timestamp::from_millis(5), event: EventBody::BrainComplete }];
        let (run, tail) = (Arc::new(run), LogTail::default());
        let write = RunWrite { run: run.clone(), expected: 0, events: events.clone(), tail, next_tail: None };
        let row = run_row(&write).unwrap().value;
        let read = |_, _| Ok(Value::Null);
        assert_eq!(from_run_row(&row, &read).unwrap().run, run);
        // The run is no JSON any more, so that whoever reads it fails.
        let mut damaged = row.to_vec();
        damaged[8 + 1 + 4] = b'x';
        let damaged = Bytes::from(damaged);
        assert!(from_run_row(&damaged, &read).is_err());
        let log = log_of_row(&damaged).unwrap();
        assert_eq!(log.entries(0, 9).collect::<Result<Vec<_>, _>>().unwrap(), events);
    }
    /// A run's `n`th write, with an entry that says a text of so many bytes.
    fn write(n: u64, tail: LogTail, bytes: usize) -> RunWrite {
        let mut run = Run::vacant(RunId::from_bytes([1; 16]));
        (run.seq, run.reason) = (n, Some("x".repeat(bytes)));
        let event = EventBody::BrainPaused { reason: run.reason.clone() };
        let events = vec![Event { seq: n, at: Timestamp::from_millis(5), event }];
        RunWrite { run: Arc::new(run), expected: n - 1, events, tail, next_tail: None }
    }

    #[test]
    fn a_tail_that_was_made_before_its_row_makes_no_other_row() {
        let mut tail = LogTail::default();
        // Small ones, one that ends the piece, one that is apart, and what follows on each.
        let sizes = [10, 2_000, INLINE_LOG_LIMIT, 10, 20, crate::apart::LARGE + 1, 10, 20];
        for (n, bytes) in (1..).zip(sizes) {
            let plain = write(n, tail.clone(), bytes);
            let next = next_tail(&tail, &plain.events, n).unwrap();
            let made = RunWrite { next_tail: Some(next.clone()), ..plain.clone() };
            let (plain, made) = (run_row(&plain).unwrap(), run_row(&made).unwrap());
            assert_eq!((&made.value, &made.tail), (&plain.value, &plain.tail), "entry {n}");
            assert_eq!((made.piece, made.values), (plain.piece, plain.values), "entry {n}");
            assert_eq!((next.first_seq, &next.lines), (plain.tail.first_seq, &plain.tail.lines), "entry {n}");
            tail = plain.tail;
        }
    }
}
