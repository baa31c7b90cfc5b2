//! The redactor: finds the values of all known secrets at once in what is about to
//! leave, in the forms in which they travel, and puts `[secret NAME]` there.
//!
//! The forms of a value: as it is; escaped as in JSON, once, twice, with `\/`, and
//! with `\u` beyond ASCII; in base64, of either alphabet, padded or not, at any
//! place within a longer text that was encoded; in hexadecimal digits of either
//! case; percent-encoded as URLs and forms have it. Values that are shorter than
//! [`MIN_VALUE_BYTES`] are not looked for.
//!
//! What overlaps is taken out as a whole, so that of two secrets with a part in
//! common neither leaves a rest.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::rules::MIN_VALUE_BYTES;

/// Escapes all but what RFC 3986 leaves as it is.
const URL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Escapes all but what JavaScript's `encodeURIComponent` leaves as it is.
const COMPONENT: &AsciiSet = &URL.remove(b'!').remove(b'*').remove(b'\'').remove(b'(').remove(b')');
/// Escapes all but what JavaScript's `encodeURI` leaves as it is.
const WHOLE_URL: &AsciiSet = &COMPONENT
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

/// Takes secrets out of bytes. Shows none of them.
#[derive(Default)]
pub struct Redactor {
    matcher: Option<AhoCorasick>,
    /// The text in the place of each pattern.
    labels: Vec<Arc<str>>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} forms)", self.labels.len())
    }
}

impl Redactor {
    /// A redactor of these values, each with its name.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = (String, SecretString)>) -> Self {
        let (mut patterns, mut labels) = (Vec::new(), Vec::new());
        for (name, value) in secrets {
            if value.expose_secret().len() < MIN_VALUE_BYTES {
                continue;
            }
            let label: Arc<str> = format!("[secret {name}]").into();
            for form in forms(value.expose_secret()) {
                patterns.push(form);
                labels.push(Arc::clone(&label));
            }
        }
        if patterns.is_empty() {
            return Self::default();
        }
        match AhoCorasick::new(&patterns) {
            Ok(matcher) => Self { matcher: Some(matcher), labels },
            Err(error) => {
                // Four thousand million states, which bounded secrets cannot have.
                tracing::error!(%error, "the secrets cannot be looked for");
                Self::default()
            }
        }
    }

    /// Returns whether there is nothing to look for.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.matcher.is_none()
    }

    /// Returns whether a value would be found, as far as values of its length are.
    #[must_use]
    pub fn knows(&self, value: &str) -> bool {
        value.len() < MIN_VALUE_BYTES || matches!(self.bytes(value.as_bytes()), Cow::Owned(_))
    }

    /// Bytes without secrets.
    #[must_use]
    pub fn bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let spans = self.spans(bytes);
        if spans.is_empty() {
            return Cow::Borrowed(bytes);
        }
        let (mut redacted, mut from) = (Vec::with_capacity(bytes.len()), 0);
        for (span, label) in spans {
            redacted.extend_from_slice(bytes.get(from..span.start).unwrap_or_default());
            redacted.extend_from_slice(label.as_bytes());
            from = span.end;
        }
        redacted.extend_from_slice(bytes.get(from..).unwrap_or_default());
        Cow::Owned(redacted)
    }

    /// A text without secrets.
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.bytes(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            // Each form is text, and what text is found in text leaves text.
            Cow::Owned(redacted) => Cow::Owned(String::from_utf8_lossy(&redacted).into_owned()),
        }
    }

    /// A JSON document without secrets, which is JSON still: a number that is a
    /// secret becomes a string. What is no JSON is redacted as [`bytes`](Self::bytes).
    #[must_use]
    pub fn json<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let redacted = self.bytes(bytes);
        if matches!(redacted, Cow::Borrowed(_)) || serde_json::from_slice::<IgnoredAny>(&redacted).is_ok() {
            return redacted;
        }
        let Ok(mut value) = serde_json::from_slice::<Value>(bytes) else { return redacted };
        self.value(&mut value);
        // It was read from JSON.
        serde_json::to_vec(&value).map_or(redacted, Cow::Owned)
    }

    /// Takes secrets out of a JSON value: out of its strings, the names of its
    /// fields and its numbers.
    pub fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(redacted) = self.text(text) {
                    *text = redacted;
                }
            }
            Value::Number(number) => {
                let text = number.to_string();
                if let Cow::Owned(redacted) = self.text(&text) {
                    *value = Value::String(redacted);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(fields) => {
                for (name, mut field) in std::mem::take(fields) {
                    self.value(&mut field);
                    fields.insert(self.text(&name).into_owned(), field);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// The places of secrets, in order and without overlaps, each with what stands
    /// there instead.
    fn spans(&self, bytes: &[u8]) -> Vec<(Range<usize>, &str)> {
        let Some(matcher) = &self.matcher else { return Vec::new() };
        let mut found: Vec<_> = matcher
            .find_overlapping_iter(bytes)
            .map(|one| (one.range(), self.labels.get(one.pattern().as_usize()).map_or("", |label| label)))
            .collect();
        // The longest of those that begin at one place gives its name.
        found.sort_by_key(|(span, _)| (span.start, std::cmp::Reverse(span.end)));
        let mut spans: Vec<(Range<usize>, &str)> = Vec::new();
        for (span, label) in found {
            match spans.last_mut() {
                Some((last, _)) if span.start < last.end => last.end = last.end.max(span.end),
                _ => spans.push((span, label)),
            }
        }
        spans
    }
}

/// Every form of a value that is looked for, each once.
fn forms(value: &str) -> BTreeSet<String> {
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
fn inside(json: &str) -> String {
    json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(json).to_owned()
}

/// Escapes as in JSON all that is beyond ASCII.
fn ascii(escaped: &str, upper: bool) -> String {
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
fn lower_percent(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        let _ = write!(text, "%{}{rest}", digits.to_lowercase());
    }
    text
}

/// The redactor of a process, which changes when its secrets do. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Redaction(Arc<RwLock<Arc<Redactor>>>);

impl Redaction {
    /// The redactor of now.
    #[must_use]
    pub fn current(&self) -> Arc<Redactor> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another one in its place.
    pub fn replace(&self, redactor: Redactor) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(redactor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "sk_live/+\"ä€😀?\\x";

    fn redactor(secrets: &[(&str, &str)]) -> Redactor {
        Redactor::new(secrets.iter().map(|(name, value)| ((*name).to_owned(), SecretString::from(*value))))
    }

    #[test]
    fn every_form_is_found_wherever_it_stands() {
        let redactor = redactor(&[("KEY", VALUE)]);
        let json = Value::from(VALUE).to_string();
        let url = |set| utf8_percent_encode(VALUE, set).to_string();
        let texts = [
            VALUE.to_owned(),
            inside(&json),
            inside(&json).replace('/', "\\/"),
            ascii(&inside(&json), false),
            ascii(&inside(&json), true),
            STANDARD.encode(VALUE),
            STANDARD.encode(VALUE).trim_end_matches('=').to_owned(),
            URL_SAFE.encode(VALUE),
            URL_SAFE.encode(VALUE).trim_end_matches('=').to_owned(),
            hex::encode(VALUE),
            hex::encode_upper(VALUE),
            url(URL),
            url(COMPONENT),
            url(WHOLE_URL),
            lower_percent(&url(URL)),
        ];
        for text in texts {
            let sentence = format!("before {text} behind");
            assert_eq!(redactor.text(&sentence), "before [secret KEY] behind", "{text}");
        }
        // JSON within a string of JSON, as an error that quotes a body has it.
        let nested = Value::from(format!("{{\"key\": {json}}}")).to_string();
        let redacted: Value = serde_json::from_slice(&redactor.json(nested.as_bytes())).unwrap();
        assert_eq!(redacted, "{\"key\": \"[secret KEY]\"}");
        let form = redactor_of("a b&c=d efgh");
        assert_eq!(form.text("key=a+b%26c%3Dd+efgh&x=1"), "key=[secret KEY]&x=1");
    }

    fn redactor_of(value: &str) -> Redactor {
        redactor(&[("KEY", value)])
    }

    #[test]
    fn within_a_longer_text_that_was_encoded_no_rest_is_left() {
        let value = "sk_live_0123456789abcdef";
        let redactor = redactor(&[("KEY", value)]);
        for before in ["", "a", "ab", "abc", "user:"] {
            let text = STANDARD.encode(format!("{before}{value}:behind"));
            let redacted = redactor.text(&text);
            assert!(redacted.contains("[secret KEY]"), "{before}: {redacted}");
            // No three bytes of the value can be read from what is left.
            for part in redacted.split("[secret KEY]") {
                for at in 0..4 {
                    let rest = part.get(at..).unwrap_or_default();
                    let whole = rest.len() / 4 * 4;
                    let bytes = STANDARD.decode(rest.get(..whole).unwrap_or_default()).unwrap_or_default();
                    let left = String::from_utf8_lossy(&bytes).into_owned();
                    assert!(!left.contains("sk_") && !left.contains("def"), "{before}: {left}");
                }
            }
        }
    }

    #[test]
    fn json_stays_json() {
        let redactor = redactor(&[("PIN", "1234567890"), ("NAME", "fieldname")]);
        let document = br#"{"pin": 1234567890, "fieldname": ["x1234567890", 91234567890.5], "z": true}"#;
        let redacted: Value = serde_json::from_slice(&redactor.json(document)).unwrap();
        let wanted = serde_json::json!({
            "pin": "[secret PIN]", "[secret NAME]": ["x[secret PIN]", "9[secret PIN].5"], "z": true
        });
        assert_eq!(redacted, wanted);
        assert!(matches!(redactor.json(b"{\"a\": 1}"), Cow::Borrowed(_)), "what holds none is not copied");
        assert_eq!(&*redactor.json(b"no json: 1234567890"), b"no json: [secret PIN]");
    }

    #[test]
    fn of_secrets_with_a_part_in_common_none_leaves_a_rest() {
        let redactor = redactor(&[("A", "abcdefgh"), ("B", "efghijkl"), ("LONG", "abcdefghXYZ")]);
        assert_eq!(redactor.text("-abcdefghijkl-"), "-[secret A]-");
        assert_eq!(redactor.text("abcdefghXYZ"), "[secret LONG]");
        assert_eq!(redactor.text("abcdefghefghijkl"), "[secret A][secret B]");
    }

    #[test]
    fn what_is_short_is_not_looked_for_and_nothing_is_shown() {
        let redactor = redactor(&[("PIN", "1234567"), ("KEY", "hunter2hunter2")]);
        assert_eq!(redactor.text("1234567"), "1234567");
        assert!(
            redactor.knows("1234567")
                && redactor.knows("hunter2hunter2")
                && !redactor.knows("hunter3hunter3")
        );
        assert!(!format!("{redactor:?}").contains("hunter2"));
        assert!(Redactor::default().is_empty() && !redactor.is_empty());
        let redaction = Redaction::default();
        let other = redaction.clone();
        redaction.replace(redactor);
        assert_eq!(other.current().text("a hunter2hunter2"), "a [secret KEY]");
    }
}
