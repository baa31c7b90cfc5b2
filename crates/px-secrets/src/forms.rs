//! The forms in which a secret travels: see [`redact`](crate::Redactor), which looks for
//! them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::rules::MIN_VALUE_BYTES;

/// Escapes all but what RFC 3986 leaves as it is.
pub(crate) const URL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Escapes all but what JavaScript's `encodeURIComponent` leaves as it is.
pub(crate) const COMPONENT: &AsciiSet =
    &URL.remove(b'!').remove(b'*').remove(b'\'').remove(b'(').remove(b')');
/// Escapes all but what JavaScript's `encodeURI` leaves as it is.
pub(crate) const WHOLE_URL: &AsciiSet = &COMPONENT
    .remove(b';')
    .remove(b',')
    .remove(b'/')
    .remove(b'?')
    .remove(b':')
    .remove(b'@')
    .remove(b'&')
    .remove(b'=')
    .remove(b'+')
    .remove(b'$')
    .remove(b'#');
/// Escapes all but what HTML forms leave as it is; blanks are their own matter.
const FORM: &AsciiSet = &URL.remove(b'*').add(b'~').remove(b' ');

/// Every form of a value that is looked for, each once.
pub(crate) fn forms(value: &str) -> BTreeSet<String> {
    let mut forms = BTreeSet::from([value.to_owned()]);
    let escaped = inside(&Value::from(value).to_string());
    forms.insert(inside(&Value::from(escaped.as_str()).to_string()));
    for upper in [false, true] {
        forms.insert(escaped.replace('/', "\\/"));
        forms.insert(ascii(&escaped, upper));
        forms.insert(ascii(&escaped, upper).replace('/', "\\/"));
    }
    forms.insert(escaped);
    let lower = hex::encode(value);
    forms.insert(lower.to_uppercase());
    forms.insert(lower);
    for set in [URL, COMPONENT, WHOLE_URL, FORM] {
        let encoded = utf8_percent_encode(value, set).to_string();
        let encoded = if std::ptr::eq(set, FORM) { encoded.replace(' ', "+") } else { encoded };
        forms.insert(lower_percent(&encoded));
        forms.insert(encoded);
    }
    for engine in [&STANDARD, &URL_SAFE] {
        let whole = engine.encode(value);
        forms.insert(whole.trim_end_matches('=').to_owned());
        forms.insert(whole);
        forms.extend((0..3).filter_map(|before| within(engine, value, before)));
    }
    forms.retain(|form| form.len() >= MIN_VALUE_BYTES);
    forms
}

/// The digits of base64 that a value has for itself behind so many other bytes of
/// what is encoded, whatever these and those behind it are.
fn within(engine: &impl base64::Engine, value: &str, before: usize) -> Option<String> {
    let text = engine.encode([&vec![0; before], value.as_bytes()].concat());
    let (first, end) = ((8 * before).div_ceil(6), 8 * (before + value.len()) / 6);
    text.get(first..end).map(str::to_owned)
}

/// A JSON string without its quotes.
pub(crate) fn inside(json: &str) -> String {
    json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(json).to_owned()
}

/// Escapes as in JSON all that is beyond ASCII.
pub(crate) fn ascii(escaped: &str, upper: bool) -> String {
    let mut text = String::with_capacity(escaped.len());
    for letter in escaped.chars() {
        if letter.is_ascii() {
            text.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            // Writing into a text cannot fail.
            let _ = if upper { write!(text, "\\u{unit:04X}") } else { write!(text, "\\u{unit:04x}") };
        }
    }
    text
}

/// Percent-encoded text whose digits are lower case.
pub(crate) fn lower_percent(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        let _ = write!(text, "%{}{rest}", digits.to_lowercase());
    }
    text
}
