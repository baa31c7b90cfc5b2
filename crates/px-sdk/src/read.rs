//! Reading of users' types from JSON that others wrote: a number with an integral
//! value fits an integer, as JSON Schema has it (2.0 is 2), and what does not fit
//! is named by its place.

use px_core::key::{FORM_SLUG, KeyId, LINK_SLUG};
use serde::de::DeserializeOwned;
use serde_json::{Number, Value};
use serde_path_to_error::Segment;

use crate::ends::RunEnd;
use crate::form::Form;
use crate::link::Answered;
use crate::webhook::WebhookDef;

/// Numbers from here on may have been rounded when they were parsed, so no
/// integer is made of them.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Numbers from here on fit no integer of 64 bits.
const BEYOND: f64 = 18_446_744_073_709_551_616.0;

/// Cause of a misfit of a number from [`EXACT`] on.
const ROUNDED: &str = "an integer of 2^53 or more is written with a fraction or an exponent, and such numbers are \
                       rounded when they are read; it has to be written as digits alone";

/// Place and cause at which a value does not read as a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The place, as a JSON pointer (RFC 6901); the root is the empty text.
    pub path: String,
    /// What is there and what was expected, in words.
    pub why: String,
}

/// Reads a value. Where it only fits with its integral floats as integers, it is
/// read so; else every number stays as it was written.
pub(crate) fn payload<T: DeserializeOwned>(value: Value) -> Result<T, Misfit> {
    from_ref(&value)
}

/// Tells whether a value reads as a type.
pub(crate) fn fits<T: DeserializeOwned>(value: &Value) -> Result<(), Misfit> {
    from_ref::<T>(value).map(drop)
}

/// Reads a value. Keeping account of the place slows the reading down, so a value
/// that does not fit is read again for it.
fn from_ref<T: DeserializeOwned>(value: &Value) -> Result<T, Misfit> {
    if let Ok(read) = T::deserialize(value) {
        return Ok(read);
    }
    if has_integral_float(value)
        && let Ok(read) = serde_json::from_value(with_integers(value.clone()))
    {
        return Ok(read);
    }
    // A type whose reading has another result each time may fit now.
    serde_path_to_error::deserialize(value).map_err(|error| {
        let (path, why) = (pointer(error.path()), error.inner().to_string());
        let may_be_rounded = why.starts_with("invalid type: floating point")
            && value.pointer(&path).and_then(Value::as_f64).is_some_and(may_be_rounded);
        Misfit { why: if may_be_rounded { ROUNDED.to_owned() } else { why }, path }
    })
}

/// Tells whether a float could be an integer if it were written as one. Its value is not
/// told to anybody: it may be another one than the sender's.
fn may_be_rounded(float: f64) -> bool {
    (EXACT..BEYOND).contains(&float.abs())
}

/// Tells whether a response fits what a step waits for at this key: the response
/// of the webhook there, a form, the answer to a link, or the end of a run.
///
/// # Errors
/// Where and why it does not.
pub fn fits_key(key: &KeyId, webhook: Option<&WebhookDef>, response: &Value) -> Result<(), Misfit> {
    if key.awaited_run().is_some() {
        return fits::<RunEnd<Value>>(response);
    }
    if *key.slug == *FORM_SLUG {
        return fits::<Form>(response);
    }
    if *key.slug == *LINK_SLUG {
        return fits::<Answered<Value>>(response);
    }
    let webhook = webhook.ok_or_else(|| Misfit {
        path: String::new(),
        why: format!("webhook '{}' is not in this binary, so nothing can be an answer of it", key.slug),
    })?;
    webhook.reads_response(response)
}

/// Does `read`, and again with integers for integral floats if it fails.
pub(crate) fn leniently<T, E>(value: Value, mut read: impl FnMut(Value) -> Result<T, E>) -> Result<T, E> {
    if !has_integral_float(&value) {
        return read(value);
    }
    read(value.clone()).or_else(|error| read(with_integers(value)).map_err(|_| error))
}

pub(crate) fn has_integral_float(value: &Value) -> bool {
    match value {
        Value::Number(number) => integer(number).is_some(),
        Value::Array(values) => values.iter().any(has_integral_float),
        Value::Object(fields) => fields.values().any(has_integral_float),
        _ => false,
    }
}

/// Returns the value with integers for its integral floats.
pub(crate) fn with_integers(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(integer(&number).unwrap_or(number)),
        Value::Array(values) => values.into_iter().map(with_integers).collect(),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, value)| (name, with_integers(value))).collect())
        }
        other => other,
    }
}

/// Returns the integer that a float is.
fn integer(number: &Number) -> Option<Number> {
    let float = number.as_f64().filter(|_| number.is_f64())?;
    if float.fract() != 0.0 || float.abs() >= EXACT {
        return None;
    }
    // Without a fraction and an exponent it is the text of an integer, or of `-0`.
    let text = format!("{float:.0}");
    text.parse::<i64>().ok().map(Number::from)
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            // A variant is no place in the JSON, and beyond an unknown one nothing is known.
            Segment::Enum { .. } => {}
            Segment::Unknown => break,
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Read {
        number: u64,
        small: Option<i8>,
        ratio: Option<f64>,
        any: Option<Value>,
    }

    fn number(text: &str) -> Result<Read, Misfit> {
        payload(serde_json::from_str(&format!(r#"{{"number":{text},"ratio":2.0}}"#)).unwrap())
    }

    #[test]
    fn rule_53_a_number_with_an_integral_value_fits_an_integer_field() {
        for (text, expected) in [
            ("2", 2),
            ("2.0", 2),
            ("1e1", 10),
            ("1.5e1", 15),
            ("-0", 0),
            ("-0.0", 0),
            ("0.0", 0),
            ("9007199254740991.0", 9_007_199_254_740_991),
            ("18446744073709551615", u64::MAX),
        ] {
            let read = number(text).unwrap();
            assert_eq!((read.number, read.ratio), (expected, Some(2.0)), "{text}");
        }
        for text in
            ["2.5", "-1", "-1.0", "1e300", "18446744073709551616", "9007199254740993.0", "\"2\"", "null"]
        {
            assert_eq!(number(text).unwrap_err().path, "/number", "{text}");
        }
        // Of one that was rounded another value is known than was written.
        for text in ["9007199254740993.0", "9007199254740992.0", "1E19", "1.0e19", "-9007199254740993.0"] {
            let why = number(text).unwrap_err().why;
            assert!(why.contains("digits alone") && !why.contains("992"), "{text}: {why}");
        }
        assert!(number("18446744073709551616").unwrap_err().why.contains("invalid type"));
    }

    #[test]
    fn numbers_stay_as_they_were_written_where_they_fit() {
        let read: Read = payload(json!({"number": 1, "any": {"x": 2.0}})).unwrap();
        assert_eq!(read.any.unwrap().to_string(), r#"{"x":2.0}"#);
    }

    #[test]
    fn an_end_of_a_run_has_one_of_its_forms() {
        let key = KeyId::end_of(px_core::RunId::from_bytes([7; 16]));
        let fits = |value: Value| fits_key(&key, None, &value).map_err(|misfit| misfit.path);
        for end in [
            json!({"status": "complete", "result": {"any": 1}}),
            json!({"status": "complete", "result": null}),
            json!({"status": "error", "error": {"kind": "step", "name": "E", "message": "m"}}),
            json!({"status": "cancelled"}),
            json!({"status": "unknown"}),
        ] {
            assert_eq!(fits(end.clone()), Ok(()), "{end}");
        }
        for end in [
            json!({}),
            json!({"status": "complete"}),
            json!({"status": "done", "result": 1}),
            json!({"status": "error", "error": "no"}),
            json!({"status": "cancelled", "reason": 1}),
            json!("complete"),
        ] {
            assert!(fits(end.clone()).is_err(), "{end}");
        }
    }

    #[test]
    fn what_fits_is_read_once_and_without_account_of_the_place() {
        thread_local!(static TRACKED: std::cell::RefCell<Vec<bool>> = const { std::cell::RefCell::new(Vec::new()) });
        #[derive(Debug)]
        struct Noted;
        impl<'de> Deserialize<'de> for Noted {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let is_tracked = std::any::type_name::<D>().contains("path_to_error");
                TRACKED.with_borrow_mut(|tracked| tracked.push(is_tracked));
                u64::deserialize(deserializer).map(|_| Self)
            }
        }
        payload::<Noted>(json!(1)).unwrap();
        fits::<Noted>(&json!(1)).unwrap();
        assert_eq!(TRACKED.take(), [false, false]);
        assert_eq!(payload::<Vec<Noted>>(json!([1, "x"])).unwrap_err().path, "/1");
        assert_eq!(TRACKED.take(), [false, false, true, true]);
    }

    #[test]
    fn what_does_not_fit_is_named_by_its_place() {
        #[derive(Debug, Deserialize)]
        struct Outer {
            #[serde(rename = "a/b")]
            _list: Vec<Read>,
        }
        let misfit =
            payload::<Outer>(json!({"a/b": [{"number": 1}, {"number": 1, "small": 300}]})).unwrap_err();
        assert_eq!(misfit.path, "/a~1b/1/small");
        assert!(misfit.why.contains("300"), "{}", misfit.why);
        assert_eq!(payload::<Read>(json!({})).unwrap_err().path, "");
    }
}
