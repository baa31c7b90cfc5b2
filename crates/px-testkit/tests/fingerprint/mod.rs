//! What tells two stores apart, whatever ids and versions they happened to
//! use: ids count only by their order, versions and measured times not at all.
//! Two stores of one fingerprint behave alike from here on.

#![allow(dead_code, unreachable_pub, reason = "shared by several tests, none of which uses all of it")]

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};

use px_store_rows::MemoryRows;

/// An id in a value: this many hexadecimal digits after an underscore.
const DIGITS: usize = 32;

/// What is left out of values, up to the next character that is no digit: the
/// numbers behind these names are versions, or measured.
const NUMBERS: [&[u8]; 3] = [b"\"took_us\":", b"\"nonce\":", b"\"owner\":"];

/// Starts a hash of a store; the caller adds what else it tells states apart by.
pub fn fingerprint(rows: &MemoryRows) -> DefaultHasher {
    let rows = rows.rows();
    let mut ranks: BTreeMap<&[u8], u32> = BTreeMap::new();
    for (_, value) in &rows {
        for (_, id) in ids(value) {
            ranks.insert(id, 0);
        }
    }
    for (rank, place) in ranks.values_mut().zip(0..) {
        *rank = place;
    }
    let mut hasher = DefaultHasher::new();
    for (key, value) in &rows {
        let table = key.get(2).copied().unwrap_or(0);
        hasher.write_u8(table);
        let (key_from, key_to, skip) = match table {
            // Their ids are in the value, and in this order.
            b'r' => (3, 3, 0),
            b'd' => (3, 3, 12),
            b'w' => (3, 3, 8),
            // An epoch is nothing but a version.
            b'k' | b'n' | b'j' | b'b' => (3, key.len(), 8),
            // When it is due.
            b't' => (3, 11, 0),
            _ => (3, key.len(), 0),
        };
        hasher.write(key.get(key_from..key_to.min(key.len())).unwrap_or_default());
        if matches!(table, b'w' | b'l')
            && let Some(id) = key.get(3..19)
        {
            let text: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
            hasher.write_u32(ranks.get(text.as_bytes()).copied().unwrap_or(u32::MAX));
        }
        hash_value(&mut hasher, value.get(skip..).unwrap_or_default(), &ranks);
    }
    hasher
}

fn hash_value(hasher: &mut DefaultHasher, value: &[u8], ranks: &BTreeMap<&[u8], u32>) {
    let mut from = 0;
    for (at, id) in ids(value) {
        hash_text(hasher, value.get(from..at).unwrap_or_default());
        hasher.write_u32(ranks.get(id).copied().unwrap_or(u32::MAX));
        from = at + DIGITS;
    }
    hash_text(hasher, value.get(from..).unwrap_or_default());
}

fn hash_text(hasher: &mut DefaultHasher, mut text: &[u8]) {
    while let Some((at, name)) =
        NUMBERS.iter().filter_map(|name| find(text, name).map(|at| (at, name))).min_by_key(|(at, _)| *at)
    {
        let number = at + name.len();
        hasher.write(text.get(..number).unwrap_or_default());
        let rest = text.get(number..).unwrap_or_default();
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        text = rest.get(digits..).unwrap_or_default();
    }
    hasher.write(text);
}

fn find(text: &[u8], name: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(text).ok()?;
    text.find(std::str::from_utf8(name).ok()?)
}

/// The ids in a value, with their places.
fn ids(value: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = value.get(at..)?;
            let underscore = rest.iter().position(|byte| *byte == b'_')?;
            let from = at + underscore + 1;
            let id = value.get(from..from + DIGITS);
            if let Some(id) = id.filter(|id| id.iter().all(u8::is_ascii_hexdigit)) {
                at = from + DIGITS;
                return Some((from, id));
            }
            at = from;
        }
    })
}
