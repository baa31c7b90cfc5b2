//! The file: batches, each a line with its CRC-32C and its length, and then an
//! event a line, as JSON. One can read it with `grep`.

use std::io::{self, BufReader, Read, Seek as _, SeekFrom};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use px_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Event;

/// A longer batch is none: it bounds what recovery reads at once.
const MAX_BATCH_BYTES: usize = 1 << 30;
/// Eight digits of the checksum, a blank, ten of the length, a line feed.
const HEADER_BYTES: usize = 20;

#[derive(Serialize, Deserialize)]
struct Line<'a> {
    id: std::borrow::Cow<'a, str>,
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    kind: Option<std::borrow::Cow<'a, str>>,
    at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<std::borrow::Cow<'a, str>>,
    /// In place of `body` if that is no text.
    #[serde(rename = "bodyBase64", default, skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

/// A batch as it is written.
pub(super) fn batch<'a>(events: impl Iterator<Item = &'a Event>) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; HEADER_BYTES];
    for event in events {
        let text = std::str::from_utf8(&event.body).ok();
        let line = Line {
            id: event.id.as_str().into(),
            kind: event.kind.as_deref().map(Into::into),
            at: event.at,
            body: text.map(Into::into),
            body_base64: text.is_none().then(|| STANDARD.encode(&event.body)),
        };
        serde_json::to_writer(&mut bytes, &line)?;
        bytes.push(b'\n');
    }
    let (_, content) = bytes.split_at(HEADER_BYTES);
    let header = format!("{:08x} {:010}\n", crc32c::crc32c(content), content.len());
    bytes.iter_mut().zip(header.bytes()).for_each(|(to, from)| *to = from);
    Ok(bytes)
}

/// End of a file, and its place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With a whole batch.
    Whole(u64),
    /// With one that was not finished; the whole ones end here.
    Torn(u64),
    /// With whole batches behind one that is not what was written.
    Damaged(u64),
}

/// Reads a file from its start and hands on its events.
pub(super) fn read(mut file: impl Read + io::Seek, mut each: impl FnMut(Event) -> u64) -> io::Result<End> {
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(0))?;
    let mut reader = BufReader::new(file);
    let mut at = 0;
    while at < length {
        match one(&mut reader)? {
            Some((events, bytes)) => {
                for event in events {
                    each(event);
                }
                at += bytes;
            }
            None => {
                reader.seek(SeekFrom::Start(at))?;
                return Ok(if batch_follows(&mut reader, at)? { End::Damaged(at) } else { End::Torn(at) });
            }
        }
    }
    Ok(End::Whole(at))
}

/// The batch that begins here, and its length.
fn one(reader: &mut impl Read) -> io::Result<Option<(Vec<Event>, u64)>> {
    let mut header = [0; HEADER_BYTES];
    if !filled(reader, &mut header)? {
        return Ok(None);
    }
    let Some((checksum, length)) = parse_header(&header) else { return Ok(None) };
    let mut content = Vec::new();
    reader.take(length as u64).read_to_end(&mut content)?;
    if content.len() < length || crc32c::crc32c(&content) != checksum {
        return Ok(None);
    }
    let events = content.split_inclusive(|byte| *byte == b'\n').map(parse_line).collect::<Option<Vec<_>>>();
    Ok(events.map(|events| (events, (HEADER_BYTES + length) as u64)))
}

fn parse_header(header: &[u8; HEADER_BYTES]) -> Option<(u32, usize)> {
    let (checksum, length) = std::str::from_utf8(header).ok()?.strip_suffix('\n')?.split_once(' ')?;
    let checksum = u32::from_str_radix(checksum, 16).ok()?;
    let length = length.parse().ok().filter(|length| (1..=MAX_BATCH_BYTES).contains(length))?;
    Some((checksum, length))
}

fn parse_line(line: &[u8]) -> Option<Event> {
    let line: Line<'_> = serde_json::from_slice(line).ok()?;
    let body = match (line.body, line.body_base64) {
        (Some(text), _) => Bytes::from(text.into_owned()),
        (None, Some(text)) => Bytes::from(STANDARD.decode(text).ok()?),
        (None, None) => return None,
    };
    Some(Event { id: line.id.into_owned(), kind: line.kind.map(Into::into), at: line.at, body })
}

/// Returns whether a whole batch stands behind the one at `at` that is not. A header
/// ends with a line feed, and what senders write has none in it, so it is
/// enough to look in front of each.
fn batch_follows(reader: &mut (impl io::BufRead + io::Seek), at: u64) -> io::Result<bool> {
    let mut next = at;
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(false);
        }
        next += read as u64;
        let start = next.saturating_sub(HEADER_BYTES as u64);
        if start > at {
            reader.seek(SeekFrom::Start(start))?;
            if one(reader)?.is_some() {
                return Ok(true);
            }
            reader.seek(SeekFrom::Start(next))?;
        }
    }
}

/// Fills `bytes`, if there are enough.
fn filled(reader: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn event(id: &str, body: &'static [u8]) -> Event {
        Event {
            id: id.to_owned(),
            kind: Some("run.started".to_owned()),
            at: Timestamp::from_millis(5),
            body: Bytes::from_static(body),
        }
    }

    fn read_all(bytes: &[u8]) -> (Vec<Event>, End) {
        let mut events = Vec::new();
        let end = read(Cursor::new(bytes), |event| {
            events.push(event);
            0
        })
        .unwrap();
        (events, end)
    }

    fn file() -> (Vec<u8>, Vec<usize>, Vec<Event>) {
        let batches = [
            vec![event("a", b"{}"), event("b", "{\"\u{e9}\":\"\\n\"}".as_bytes())],
            vec![event("c", b"\xff\x00\n"), event("d\n00000000 0000000001", b"")],
        ];
        let (mut bytes, mut ends) = (Vec::new(), vec![0]);
        for one in &batches {
            bytes.extend(batch(one.iter()).unwrap());
            ends.push(bytes.len());
        }
        (bytes, ends, batches.concat())
    }

    #[test]
    fn what_is_written_is_read() {
        let (bytes, _, events) = file();
        assert_eq!(read_all(&bytes), (events, End::Whole(bytes.len() as u64)));
        assert_eq!(read_all(b""), (Vec::new(), End::Whole(0)));
    }

    #[test]
    fn a_file_cut_anywhere_ends_with_its_last_whole_batch() {
        let (bytes, ends, events) = file();
        for cut in 0..bytes.len() {
            let (found, end) = read_all(&bytes[..cut]);
            let whole = ends.iter().rposition(|end| *end <= cut).unwrap();
            let expected =
                if ends[whole] == cut { End::Whole(cut as u64) } else { End::Torn(ends[whole] as u64) };
            assert_eq!(end, expected, "cut at {cut}");
            assert_eq!(found, events[..whole * 2], "cut at {cut}");
        }
    }

    #[test]
    fn a_changed_byte_in_an_earlier_batch_is_damage_and_not_a_torn_end() {
        let (bytes, ends, _) = file();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let expected = if at < ends[1] { End::Damaged(0) } else { End::Torn(ends[1] as u64) };
            assert_eq!(read_all(&changed).1, expected, "changed at {at}");
        }
    }
}
