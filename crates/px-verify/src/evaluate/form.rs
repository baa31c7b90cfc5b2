//! `application/x-www-form-urlencoded` (WHATWG URL standard, section 5.1).

use std::borrow::Cow;

use percent_encoding::percent_decode;
use serde_json::{Map, Value};

/// The decoded names and values of a form or a query string, in their order,
/// as bytes. Without a `+` or `%` nothing is copied.
pub(super) fn pairs(text: &[u8]) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
    text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let (name, value) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
        (decoded(name), decoded(value))
    })
}

fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if text.contains(&b'+') {
        let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
        return Cow::Owned(percent_decode(&spaced).collect());
    }
    percent_decode(text).into()
}

/// The names and values of a form, in their order. What is not UTF-8 has a replacement character.
#[must_use]
pub fn fields(form: &[u8]) -> Vec<(String, String)> {
    let text = |bytes: Cow<'_, [u8]>| String::from_utf8_lossy(&bytes).into_owned();
    pairs(form).map(|(name, value)| (text(name), text(value))).collect()
}

/// A form as a JSON object of strings. `k[]` and repeated names become
/// arrays. `None` if something is not UTF-8.
#[must_use]
pub fn object(text: &[u8]) -> Option<Map<String, Value>> {
    let mut object = Map::new();
    for (name, value) in pairs(text) {
        insert(&mut object, std::str::from_utf8(&name).ok()?, std::str::from_utf8(&value).ok()?.to_owned());
    }
    Some(object)
}

/// Adds a field to those before it: a name that came before, or that ends in
/// `[]`, has an array.
pub fn insert(object: &mut Map<String, Value>, name: &str, value: String) {
    insert_value(object, name, Value::String(value));
}

/// The same, of a field that is no text.
pub(super) fn insert_value(object: &mut Map<String, Value>, name: &str, value: Value) {
    let (name, list) = match name.strip_suffix("[]") {
        Some(name) => (name, true),
        None => (name, false),
    };
    match object.get_mut(name) {
        Some(Value::Array(values)) => values.push(value),
        Some(first) => {
            let first_value = first.take();
            *first = Value::Array(vec![first_value, value]);
        }
        None => {
            let value = if list { Value::Array(vec![value]) } else { value };
            object.insert(name.to_owned(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn forms_become_objects() {
        let parse = |text: &str| object(text.as_bytes()).map(Value::Object);
        assert_eq!(
            parse("a=1&b=two+words&c=%C3%A9&d&e="),
            Some(json!({
                "a": "1", "b": "two words", "c": "é", "d": "", "e": "",
            }))
        );
        assert_eq!(parse("k[]=1"), Some(json!({"k": ["1"]})));
        assert_eq!(parse("k%5B%5D=1&k=2&k[]=3"), Some(json!({"k": ["1", "2", "3"]})));
        assert_eq!(parse("k=1&k=2"), Some(json!({"k": ["1", "2"]})));
        assert_eq!(parse("a=b=c&&=x&%zz=%"), Some(json!({"a": "b=c", "": "x", "%zz": "%"})));
        assert_eq!(parse(""), Some(json!({})));
        assert_eq!(parse("a=%ff"), None);
    }
}
