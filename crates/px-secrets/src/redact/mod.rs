//! The redactor: finds the values of all known secrets at once in what is about to
//! leave, in the forms in which they travel, and puts `[secret NAME]` there.
//!
//! The forms of a value, and of each text within one that is JSON: as it is; in base64,
//! of either alphabet, padded or not, at any place within a longer text that was
//! encoded; in hexadecimal digits of either case; and what is encoded so is the value as JSON escapes it, too. Each of these, too, where the text
//! around it is escaped: by backslashes, by percent signs, or by entities, and by
//! several of these over one another, three at most. Values that are shorter than
//! [`MIN_VALUE_BYTES`] are not looked for.
//!
//! What overlaps is taken out as a whole, so that of two secrets with a part in
//! common neither leaves a rest.
//!
//! The tokens of signed links are secrets that nobody has told: they are known by how
//! they begin, and `[link]` stands in their place.

mod decode;
mod forms;
mod json;
mod left_out;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use px_core::wait::LINK_TOKEN_PREFIX;
use secrecy::{ExposeSecret as _, SecretString};

use crate::rules::MIN_VALUE_BYTES;
use decode::Escaping;
use forms::Form;
pub use left_out::LeftOut;

/// Maximum number of forms that are looked for: those of some nine thousand values. Each
/// costs the automaton [`forms::HEAD_BYTES`] at most, however long its value is.
const MAX_FORMS: usize = 100_000;

/// Maximum number of texts within values that are JSON which are looked for beside the
/// values themselves.
const MAX_PARTS: usize = 3_000;

/// Maximum number of ways of escaping that are undone over one another.
const MAX_DEPTH: usize = 3;

/// Text in the place of a link's token.
const LINK: &str = "[link]";

/// Digits that a token of a link has at least; what is shorter opens nothing.
const LEAST_LINK_DIGITS: usize = 40;

/// The number of links among what is sought.
const LINKS: usize = usize::MAX;

/// Reason that there is no redactor of some secrets.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unsearchable {
    /// They are too many.
    #[error(
        "there are {0} forms of secrets to look for, more than {MAX_FORMS}: delete secrets that nobody reads"
    )]
    TooMany(usize),
    /// The automaton cannot be made.
    #[error("the secrets cannot be looked for: {0}")]
    Automaton(#[from] aho_corasick::BuildError),
}

/// A text that is looked for.
struct Sought {
    /// The text in its place.
    label: Arc<str>,
    value: SecretString,
}

/// A place of a text that holds a secret, and what stands there instead.
#[derive(Debug, Clone)]
struct Span<'a> {
    place: Range<usize>,
    label: &'a str,
}

/// Takes secrets out of bytes. Shows none of them.
pub struct Redactor {
    /// Finds how links begin, and the beginnings of all forms.
    heads: Option<AhoCorasick>,
    /// The value and the form of each of them.
    forms: Vec<(usize, Form)>,
    sought: Vec<Sought>,
    /// True if a value has a blank within it.
    has_blanks: bool,
    left_out: LeftOut,
}

impl Default for Redactor {
    /// Knows no secret, and links all the same.
    fn default() -> Self {
        let nothing = |_| Self {
            heads: None,
            forms: Vec::new(),
            sought: Vec::new(),
            has_blanks: false,
            left_out: LeftOut::default(),
        };
        // One pattern is always small enough.
        Self::of(Vec::new()).unwrap_or_else(nothing)
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} forms)", self.forms.len())
    }
}

impl Redactor {
    /// A redactor of these values, each with its name.
    ///
    /// # Errors
    /// They are too many. Whoever has a redactor keeps it then.
    pub fn new(secrets: impl IntoIterator<Item = (String, SecretString)>) -> Result<Self, Unsearchable> {
        let mut known: BTreeMap<String, Arc<str>> = BTreeMap::new();
        let mut within: BTreeMap<String, (usize, Arc<str>, String)> = BTreeMap::new();
        let mut left_out = LeftOut::default();
        for (name, value) in secrets {
            let label = label(&name);
            let forms::Parts { texts: mut parts, left_out: too_many } = forms::parts(value.expose_secret());
            left_out.add(&name, too_many);
            parts.retain(|part| part.len() >= MIN_VALUE_BYTES);
            let whole =
                parts.take(value.expose_secret().trim()).or_else(|| parts.take(value.expose_secret()));
            // Of two secrets of one value the first gives its name.
            if let Some(whole) = whole {
                known.entry(whole).or_insert_with(|| Arc::clone(&label));
            }
            for part in parts {
                let place = within.len();
                within.entry(part).or_insert_with(|| (place, Arc::clone(&label), name.clone()));
            }
        }
        within.retain(|part, _| !known.contains_key(part));
        // Those of secrets that were named first.
        let mut within: Vec<_> = within.into_iter().collect();
        within.sort_by_key(|(_, (place, ..))| *place);
        let too_many = within.split_off(within.len().min(MAX_PARTS));
        too_many.iter().for_each(|(_, (_, _, name))| left_out.add(name, 1));
        let within = within.into_iter().map(|(part, (_, label, _))| (part, label));
        let sought = known.into_iter().chain(within);
        let sought: Vec<_> = sought.map(|(value, label)| Sought { label, value: value.into() }).collect();
        Ok(Self { left_out, ..Self::of(sought)? })
    }

    /// What is not looked for, if there is anything.
    #[must_use]
    pub fn left_out(&self) -> Option<&LeftOut> {
        Some(&self.left_out).filter(|left_out| **left_out != LeftOut::default())
    }

    /// A redactor of values that count, and of values that count no more: of these as many as can be
    /// looked for, the first ones.
    ///
    /// # Errors
    /// Those that count are too many.
    pub fn with_past(
        counting: Vec<(String, SecretString)>,
        past: Vec<(String, SecretString)>,
    ) -> Result<Self, Unsearchable> {
        match Self::new(counting.iter().chain(&past).cloned()) {
            Err(Unsearchable::TooMany(_)) => {}
            redactor => return redactor,
        }
        let room = (MAX_FORMS / Form::ALL.len()).saturating_sub(counting.len() + MAX_PARTS);
        let (mut redactor, kept) = match Self::new(counting.iter().chain(past.iter().take(room)).cloned()) {
            Err(Unsearchable::TooMany(_)) => (Self::new(counting)?, 0),
            redactor => (redactor?, room),
        };
        redactor.left_out.past = past.len().saturating_sub(kept);
        Ok(redactor)
    }

    fn of(sought: Vec<Sought>) -> Result<Self, Unsearchable> {
        let (mut heads, mut forms) = (vec![LINK_TOKEN_PREFIX.as_bytes().to_vec()], Vec::new());
        for (index, Sought { value, .. }) in sought.iter().enumerate() {
            let value = value.expose_secret().as_bytes();
            // Of most values both alphabets make the same digits.
            let mut spelled: Vec<Cow<'_, [u8]>> = Vec::new();
            for form in Form::ALL {
                let whole = form.of(value);
                if !spelled.contains(&whole) {
                    heads.push(form.head(value));
                    forms.push((index, form));
                    spelled.push(whole);
                }
            }
        }
        if heads.len() > MAX_FORMS {
            return Err(Unsearchable::TooMany(heads.len()));
        }
        // A table of all transitions would take a hundred times as much memory.
        let heads = AhoCorasick::builder().kind(Some(AhoCorasickKind::ContiguousNFA)).build(&heads)?;
        let has_blanks = sought.iter().any(|sought| sought.value.expose_secret().contains(' '));
        Ok(Self { heads: Some(heads), forms, sought, has_blanks, left_out: LeftOut::default() })
    }

    /// Returns whether a value would be found as a whole, as far as values of its length are.
    #[must_use]
    pub fn knows(&self, value: &str) -> bool {
        let value = if value.trim().len() < MIN_VALUE_BYTES { value } else { value.trim() };
        let is_whole = |span: &Span<'_>| span.place == (0..value.len());
        value.len() < MIN_VALUE_BYTES || self.spans(value.as_bytes()).first().is_some_and(is_whole)
    }

    /// Returns whether some bytes hold a secret.
    #[must_use]
    pub fn finds_in(&self, bytes: &[u8]) -> bool {
        !self.spans(bytes).is_empty()
    }

    /// Bytes without secrets.
    #[must_use]
    pub fn bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let spans = self.spans(bytes);
        if spans.is_empty() { Cow::Borrowed(bytes) } else { Cow::Owned(replaced(bytes, &spans)) }
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

    /// A JSON document without secrets, which is JSON still: a number that is a secret
    /// becomes a string, and so does the list or the object of which a secret is more
    /// than one value. What is no JSON is redacted as [`bytes`](Self::bytes).
    #[must_use]
    pub fn json<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let spans = self.spans(bytes);
        if spans.is_empty() {
            return Cow::Borrowed(bytes);
        }
        Cow::Owned(json::splice(bytes, &spans).unwrap_or_else(|| replaced(bytes, &spans)))
    }

    /// The places of secrets, in order and without overlaps, each with what stands
    /// there instead.
    fn spans(&self, bytes: &[u8]) -> Vec<Span<'_>> {
        let Some(heads) = &self.heads else { return Vec::new() };
        let mut search = Search { redactor: self, heads, spelled: BTreeMap::new() };
        let mut found = search.all(bytes, &mut Vec::new());
        // The longest of those that begin at one place gives its name.
        found.sort_by_key(|(place, _)| (place.start, std::cmp::Reverse(place.end)));
        let mut spans: Vec<Span<'_>> = Vec::new();
        for (place, index) in found {
            match spans.last_mut() {
                Some(last) if place.start < last.place.end => last.place.end = last.place.end.max(place.end),
                _ => {
                    let label = match index {
                        LINKS => LINK,
                        index => self.sought.get(index).map_or("", |sought| &sought.label),
                    };
                    spans.push(Span { place, label });
                }
            }
        }
        spans
    }
}

/// The text in the place of a secret: nothing in it needs an escape in JSON.
fn label(name: &str) -> Arc<str> {
    let is_plain = |letter: char| !letter.is_control() && !"\"\\".contains(letter);
    let name: String = name.chars().map(|letter| if is_plain(letter) { letter } else { '_' }).collect();
    format!("[secret {name}]").into()
}

fn replaced(bytes: &[u8], spans: &[Span<'_>]) -> Vec<u8> {
    let places: Vec<_> = spans.iter().map(|span| (span.place.clone(), span.label)).collect();
    json::replaced(bytes, 0..bytes.len(), &places)
}

/// The whole of a link's token that begins here, if it is one.
fn link(text: &[u8], prefix: Range<usize>) -> Option<Range<usize>> {
    let is_digit = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let digits = text.get(prefix.end..)?.iter().take_while(is_digit).count();
    (digits >= LEAST_LINK_DIGITS).then(|| prefix.start..prefix.end + digits)
}

/// A search of one text, and of what it is once its escapes are undone.
struct Search<'a> {
    redactor: &'a Redactor,
    heads: &'a AhoCorasick,
    /// The forms whose heads were found, as a whole.
    spelled: BTreeMap<usize, Vec<u8>>,
}

impl Search<'_> {
    /// The places of secrets, each with the number of what was sought, in no order.
    fn all(&mut self, text: &[u8], undone: &mut Vec<Escaping>) -> Vec<(Range<usize>, usize)> {
        let mut found = self.plain(text);
        if undone.len() == MAX_DEPTH {
            return found;
        }
        for escaping in Escaping::ALL {
            // One way is put over itself, as in a URL within a URL; ways that are alike seldom mix.
            let is_like = |other: &Escaping| escaping != Escaping::Backslash && escaping.is_like(*other);
            let is_over_itself = undone.iter().all(|other| *other == escaping);
            let is_vain = escaping == Escaping::Form && !self.redactor.has_blanks;
            if is_vain || (!is_over_itself && undone.iter().any(is_like)) {
                continue;
            }
            let Some(decoded) = escaping.decode(text) else { continue };
            undone.push(escaping);
            let (mut places, indexes): (Vec<_>, Vec<_>) = self.all(&decoded, undone).into_iter().unzip();
            undone.pop();
            if !places.is_empty() {
                escaping.origins(text, &mut places);
                found.extend(places.into_iter().zip(indexes));
            }
        }
        found
    }

    /// The places of secrets whose text is not escaped.
    fn plain(&mut self, text: &[u8]) -> Vec<(Range<usize>, usize)> {
        let mut found = Vec::new();
        for head in self.heads.find_overlapping_iter(text) {
            let Some(number) = head.pattern().as_usize().checked_sub(1) else {
                found.extend(link(text, head.range()).map(|place| (place, LINKS)));
                continue;
            };
            let Some((index, form)) = self.redactor.forms.get(number).copied() else { continue };
            let Some(sought) = self.redactor.sought.get(index) else { continue };
            let value = sought.value.expose_secret().as_bytes();
            let whole = self.spelled.entry(number).or_insert_with(|| form.of(value).into_owned());
            let place = head.start()..head.start() + whole.len();
            if text.get(place.clone()) == Some(&whole[..]) {
                found.push((form.whole(text, place, value), index));
            }
        }
        found
    }
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
mod tests;
