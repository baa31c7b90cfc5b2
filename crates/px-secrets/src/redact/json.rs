//! Places of a JSON document that are replaced so that it stays JSON: within a text by a text, a number by
//! a text, and where a place goes beyond one of these, the smallest list or object around it by a text.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::de::IgnoredAny;

use super::Span;

/// A replacement of a part of the document.
struct Edit {
    place: Range<usize>,
    text: Vec<u8>,
}

/// A list or an object that has not ended.
struct Open {
    start: usize,
    /// The names of fields that hold a label, each with its number in the object so far.
    names: BTreeMap<Vec<u8>, u32>,
}

struct Splicer<'a> {
    document: &'a [u8],
    /// In order, without overlaps.
    spans: std::iter::Peekable<std::slice::Iter<'a, Span<'a>>>,
    open: Vec<Open>,
    /// Spans that are in no text or number, and not in a list or object that has ended.
    loose: Vec<&'a Span<'a>>,
    edits: Vec<Edit>,
}

/// The document without these places, as JSON; none if it is no JSON.
pub(super) fn splice(document: &[u8], spans: &[Span<'_>]) -> Option<Vec<u8>> {
    serde_json::from_slice::<IgnoredAny>(document).ok()?;
    let mut splicer = Splicer {
        document,
        spans: spans.iter().peekable(),
        open: Vec::new(),
        loose: Vec::new(),
        edits: Vec::new(),
    };
    splicer.read();
    let spliced = splicer.finish();
    // A splice that breaks the document would be a mistake here, and lets nothing out.
    serde_json::from_slice::<IgnoredAny>(&spliced).ok()?;
    Some(spliced)
}

impl<'a> Splicer<'a> {
    /// Goes through the tokens of a document that is known to be JSON.
    fn read(&mut self) {
        let mut at = 0;
        while let Some(byte) = self.document.get(at) {
            at = match byte {
                b'{' | b'[' => {
                    self.open.push(Open { start: at, names: BTreeMap::new() });
                    at + 1
                }
                b'}' | b']' => {
                    self.close(at + 1);
                    at + 1
                }
                b'"' => {
                    let end = end_of_text(self.document, at);
                    self.text(at..end);
                    end
                }
                b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' => at + 1,
                _ => {
                    let ends = |byte: &u8| b",:]} \t\n\r".contains(byte);
                    let rest = self.document.get(at..).unwrap_or_default();
                    let end = at + rest.iter().position(ends).unwrap_or(rest.len());
                    self.number(at..end);
                    end
                }
            };
        }
    }

    /// The spans within a token. Those that begin before its end and are not within it are loose.
    fn within(&mut self, token: &Range<usize>) -> Vec<&'a Span<'a>> {
        let mut within = Vec::new();
        while let Some(span) = self.spans.next_if(|span| span.place.start < token.end) {
            if span.place.start >= token.start && span.place.end <= token.end {
                within.push(span);
            } else {
                self.loose.push(span);
            }
        }
        within
    }

    /// A name or a text, with its quotes.
    fn text(&mut self, token: Range<usize>) {
        let spans = self.within(&token);
        if spans.is_empty() {
            return;
        }
        let inside = token.start + 1..token.end - 1;
        let mut places: Vec<(Range<usize>, &str)> = spans
            .iter()
            .map(|span| (span.place.start.max(inside.start)..span.place.end.min(inside.end), span.label))
            .filter(|(place, _)| !place.is_empty())
            .collect();
        whole_units(self.document, &inside, &mut places);
        let mut text = b"\"".to_vec();
        text.extend(replaced(self.document, inside, &places));
        if self.is_name(token.end) {
            let names = self.open.last_mut().map(|open| &mut open.names);
            let number = names.map_or(1, |names| {
                let number = names.entry(text.clone()).or_default();
                *number += 1;
                *number
            });
            // A second field of the same name would take the place of the first one.
            if number > 1 {
                text.extend_from_slice(format!(" {number}").as_bytes());
            }
        }
        text.push(b'"');
        self.edits.push(Edit { place: token, text });
    }

    /// Returns whether the text that ends here is the name of a field.
    fn is_name(&self, end: usize) -> bool {
        let rest = self.document.get(end..).unwrap_or_default();
        rest.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
    }

    /// A number, or a word. It becomes a text.
    fn number(&mut self, token: Range<usize>) {
        let places: Vec<_> =
            self.within(&token).iter().map(|span| (span.place.clone(), span.label)).collect();
        if !places.is_empty() {
            let text = [b"\"", &replaced(self.document, token.clone(), &places)[..], b"\""].concat();
            self.edits.push(Edit { place: token, text });
        }
    }

    /// The end of a list or an object: what is loose within it takes all of it.
    fn close(&mut self, end: usize) {
        self.loose.extend(std::iter::from_fn(|| self.spans.next_if(|span| span.place.start < end)));
        let Some(Open { start, .. }) = self.open.pop() else { return };
        let is_within = |span: &Span<'_>| span.place.start >= start && span.place.end <= end;
        if let Some(label) = self.loose.iter().find(|span| is_within(span)).map(|span| span.label) {
            self.loose.retain(|span| !is_within(span));
            self.edits.push(Edit { place: start..end, text: format!("\"{label}\"").into_bytes() });
        }
    }

    fn finish(mut self) -> Vec<u8> {
        if let Some(span) = self.loose.first().copied().or_else(|| self.spans.next()) {
            // It goes beyond the document's outermost value, by white space.
            return format!("\"{}\"", span.label).into_bytes();
        }
        // What is within another edit has gone with it.
        self.edits.sort_by_key(|edit| (edit.place.start, std::cmp::Reverse(edit.place.end)));
        let (mut spliced, mut from) = (Vec::with_capacity(self.document.len()), 0);
        for Edit { place, text } in self.edits {
            if place.start >= from {
                spliced.extend_from_slice(self.document.get(from..place.start).unwrap_or_default());
                spliced.extend(text);
                from = place.end;
            }
        }
        spliced.extend_from_slice(self.document.get(from..).unwrap_or_default());
        spliced
    }
}

/// The end of a text of JSON, behind its second quote.
fn end_of_text(document: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    loop {
        match document.get(at) {
            Some(b'\\') => at += 2,
            Some(b'"') => return at + 1,
            Some(_) => at += 1,
            None => return document.len(),
        }
    }
}

/// Widens places, which are in order, so that none ends within an escape. Two halves of one character are
/// one escape.
fn whole_units(document: &[u8], inside: &Range<usize>, places: &mut Vec<(Range<usize>, &str)>) {
    let mut at = inside.start;
    let is_surrogate = |at: usize| {
        let digit = document.get(at + 2).is_some_and(|digit| b"dD".contains(digit));
        document.get(at) == Some(&b'\\') && document.get(at + 1) == Some(&b'u') && digit
    };
    let mut first = 0;
    while at < inside.end {
        let length = match document.get(at) {
            Some(b'\\') if is_surrogate(at) && is_surrogate(at + 6) => 12,
            Some(b'\\') if document.get(at + 1) == Some(&b'u') => 6,
            Some(b'\\') => 2,
            _ => 1,
        };
        let unit = at..at + length;
        for (place, _) in places.iter_mut().skip(first) {
            if place.start >= unit.end {
                break;
            }
            if place.end > unit.start {
                place.start = place.start.min(unit.start);
                place.end = if place.end < unit.end { unit.end } else { place.end };
            }
        }
        first += places.iter().skip(first).take_while(|(place, _)| place.end <= unit.end).count();
        at = unit.end;
    }
    places.dedup_by(|next, before| {
        let overlaps = next.0.start < before.0.end;
        if overlaps {
            before.0.end = before.0.end.max(next.0.end);
        }
        overlaps
    });
}

/// A part of the document with labels in some places of it.
pub(super) fn replaced(document: &[u8], part: Range<usize>, places: &[(Range<usize>, &str)]) -> Vec<u8> {
    let (mut text, mut from) = (Vec::with_capacity(part.len()), part.start);
    for (place, label) in places {
        text.extend_from_slice(document.get(from..place.start).unwrap_or_default());
        text.extend_from_slice(label.as_bytes());
        from = place.end;
    }
    text.extend_from_slice(document.get(from..part.end).unwrap_or_default());
    text
}
