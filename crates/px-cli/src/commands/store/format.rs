//! The form of an export: JSON, a line a row. The first line says what it is,
//! the last one how many rows there were and their SHA-256, over every byte
//! before that line. Keys and values are as they are stored, in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use px_store::Table;
use px_store_rows::{RawRow, letter_of, table_of};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The version of this form. Since version 2 there are rows of the lines of keys, since
/// version 3 those of secrets and of values that outlive runs; older exports are read all
/// the same.
const FORMAT: u64 = 3;

/// A row, with the letter of its table.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    t: char,
    k: String,
    v: String,
}

/// The last line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    pub(super) rows: u64,
    pub(super) sha256: String,
}

pub(super) fn header(exported_at: u64) -> String {
    json!({
        "px": "store",
        "format": FORMAT,
        "eventFormat": px_core::event::FORMAT_VERSION,
        "version": env!("CARGO_PKG_VERSION"),
        "exportedAt": exported_at,
    })
    .to_string()
}

/// Returns whether a first line is that of an export that this px can read.
pub(super) fn check_header(line: &str) -> Result<(), String> {
    let header: Value = serde_json::from_str(line).map_err(|_| "it is no export of px".to_owned())?;
    if header.get("px") != Some(&json!("store")) {
        return Err("it is no export of px".to_owned());
    }
    match header.get("format").and_then(Value::as_u64) {
        Some(1..=FORMAT) => Ok(()),
        other => Err(format!("its format is {}, and this px reads 1 to {FORMAT}", other.unwrap_or(0))),
    }
}

pub(super) fn row(table: Table, (key, value): &RawRow) -> String {
    let line = Line { t: letter_of(table), k: STANDARD.encode(key), v: STANDARD.encode(value) };
    // Two texts and a letter are always JSON.
    serde_json::to_string(&line).unwrap_or_default()
}

/// A line after the first one.
pub(super) enum Read {
    Row(Table, RawRow),
    End(End),
}

pub(super) fn read(line: &str) -> Result<Read, String> {
    if let Ok(end) = serde_json::from_str::<End>(line) {
        return Ok(Read::End(end));
    }
    let line: Line = serde_json::from_str(line).map_err(|error| format!("it is no row: {error}"))?;
    let table = table_of(line.t).ok_or_else(|| format!("this px knows no table '{}'", line.t))?;
    let bytes = |text: &str| STANDARD.decode(text).map_err(|error| format!("it is no base64: {error}"));
    Ok(Read::Row(table, (bytes(&line.k)?, bytes(&line.v)?.into())))
}
