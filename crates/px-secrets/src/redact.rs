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
//!
//! The tokens of signed links are secrets that nobody has told: they are known by how
//! they begin, and `[link]` stands in their place.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use aho_corasick::{AhoCorasick, PatternID};
use px_core::wait::LINK_TOKEN_PREFIX;
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::forms::forms;
use crate::rules::MIN_VALUE_BYTES;

/// Label of the token of a link.
const LINK: &str = "[link]";
/// Digits that a token of a link has at least; what is shorter opens nothing.
const LEAST_LINK_DIGITS: usize = 40;

/// Takes secrets out of bytes. Shows none of them.
pub struct Redactor {
    matcher: Option<AhoCorasick>,
    /// The text in the place of each pattern.
    labels: Vec<Arc<str>>,
}

impl Default for Redactor {
    /// Knows no secret, and links all the same.
    fn default() -> Self {
        Self::new([])
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} forms)", self.labels.len().saturating_sub(1))
    }
}

impl Redactor {
    /// A redactor of these values, each with its name.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = (String, SecretString)>) -> Self {
        let (mut patterns, mut labels) = (vec![LINK_TOKEN_PREFIX.to_owned()], vec![Arc::from(LINK)]);
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
        match AhoCorasick::new(&patterns) {
            Ok(matcher) => Self { matcher: Some(matcher), labels },
            Err(error) => {
                // Four thousand million states, which bounded secrets cannot have.
                tracing::error!(%error, "the secrets cannot be looked for");
                Self { matcher: None, labels: Vec::new() }
            }
        }
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
            .filter_map(|one| {
                let label: &str = self.labels.get(one.pattern().as_usize())?;
                let range = one.range();
                Some((if one.pattern() == PatternID::ZERO { link(bytes, range)? } else { range }, label))
            })
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

/// The whole of a link's token that begins here, if it is one.
fn link(bytes: &[u8], prefix: Range<usize>) -> Option<Range<usize>> {
    let is_digit = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let digits = bytes.get(prefix.end..)?.iter().take_while(is_digit).count();
    (digits >= LEAST_LINK_DIGITS).then(|| prefix.start..prefix.end + digits)
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
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use percent_encoding::utf8_percent_encode;

    use super::*;
    use crate::forms::{COMPONENT, URL, WHOLE_URL, ascii, inside, lower_percent};

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
    fn the_token_of_a_link_is_found_by_how_it_begins() {
        let token = format!("pxl_{}", "aZ09-_".repeat(12));
        for redactor in [Redactor::default(), redactor(&[("KEY", "sk_live_1")])] {
            let url = format!("failed: https://px.example/webhooks/system/link/{token}: 550");
            assert_eq!(redactor.text(&url), "failed: https://px.example/webhooks/system/link/[link]: 550");
            let json = format!("{{\"url\":\"https:\\/\\/px\\/{token}\",\"encoded\":\"x%2F{token}%3F\"}}");
            let wanted = "{\"url\":\"https:\\/\\/px\\/[link]\",\"encoded\":\"x%2F[link]%3F\"}";
            assert_eq!(&*redactor.json(json.as_bytes()), wanted.as_bytes());
            assert_eq!(redactor.text("pxl_ and pxl_short"), "pxl_ and pxl_short");
        }
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
        assert_eq!(Redactor::default().text("1234567"), "1234567");
        let redaction = Redaction::default();
        let other = redaction.clone();
        redaction.replace(redactor);
        assert_eq!(other.current().text("a hunter2hunter2"), "a [secret KEY]");
    }
}
