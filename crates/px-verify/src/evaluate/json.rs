//! JSON from strangers: one value, no object with the same key twice, at most
//! 128 levels deep, bounded stack, bounded memory: seven bytes, `{"":0},`, take
//! a hundred times as many once they are read. A byte order mark before it is
//! dropped, and half a surrogate pair is read as U+FFFD (docs/rules.md#53).
//!
//! RFC 8259 section 4 leaves duplicate keys undefined, so two readers of one
//! body may see different things; the one that checks must not be another
//! than the one that acts. Depth is bounded by serde_json's own limit. Keys
//! that serde_json keeps for itself are refused for the same reason: it would
//! read `{"$serde_json::private::RawValue": "[1]"}` back as `[1]`.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

use super::surrogates;

/// Memory that one text may take when it is read, in units of a value (32
/// bytes): 64 MB.
const MAX_UNITS: usize = 2_000_000;

/// Cost of an object beside its values: room for eleven fields.
const OBJECT_UNITS: usize = 20;

/// Reads one JSON value in one pass.
///
/// # Errors
/// If the text is not one JSON value, or an object in it has a key twice or a
/// reserved one, or it would take more than 64 MB in memory. The text of the error names line, column and key.
pub fn strict(text: &[u8]) -> Result<Value, serde_json::Error> {
    let text = surrogates::replaced(without_mark(text));
    let mut deserializer = serde_json::Deserializer::from_slice(&text);
    let left = Cell::new(MAX_UNITS);
    let value = Strict { left: &left }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Returns a text without the byte order mark that some senders begin with.
#[must_use]
pub fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

/// Prefix of keys to which serde_json gives a meaning of its own.
const RESERVED: &str = "$serde_json::private::";

#[derive(Clone, Copy)]
struct Strict<'a> {
    /// Number of units that may still be used.
    left: &'a Cell<usize>,
}

impl Strict<'_> {
    fn use_up<E: Error>(self, units: usize) -> Result<(), E> {
        let left = self.left.get().checked_sub(units);
        self.left.set(left.ok_or_else(|| E::custom("it has too many values"))?);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.use_up(1)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(self)? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if object.is_empty() {
                self.use_up(OBJECT_UNITS)?;
            }
            if key.starts_with(RESERVED) {
                return Err(A::Error::custom("reserved key"));
            }
            match object.entry(key) {
                Entry::Vacant(entry) => entry.insert(entries.next_value_seed(self)?),
                Entry::Occupied(entry) => {
                    return Err(A::Error::custom(format_args!("duplicate key `{}`", shortened(entry.key()))));
                }
            };
        }
        Ok(Value::Object(object))
    }
}

/// Enough of a key to find it.
fn shortened(key: &str) -> String {
    key.chars().take(64).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_serde_json_reads() {
        for text in [
            r#"{"a":[1,-2,3.5,null,true,"x\u00e9"],"b":{"c":{}},"d":18446744073709551615}"#,
            " [] ",
            "0",
            r#""text""#,
        ] {
            assert_eq!(
                strict(text.as_bytes()).unwrap(),
                serde_json::from_str::<Value>(text).unwrap(),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_duplicate_keys_anywhere() {
        for text in [r#"{"a":1,"a":2}"#, r#"[{"x":{"b":1,"c":2,"b":1}}]"#, r#"{"a":1,"\u0061":2}"#] {
            let error = strict(text.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with("duplicate key `"), "{error}");
        }
        assert!(strict(br#"{"a":{"a":1},"b":{"a":1}}"#).is_ok());
    }

    #[test]
    fn refuses_keys_that_would_be_read_back_as_something_else() {
        let text = r#"{"a":{"$serde_json::private::RawValue":"[1]"}}"#;
        assert!(strict(text.as_bytes()).unwrap_err().to_string().starts_with("reserved key"));
        assert!(strict(br#"{"$ref":"x"}"#).is_ok());
    }

    #[test]
    fn refuses_what_would_take_too_much_memory() {
        let objects = |n: usize| format!("[{}0]", r#"{"":0},"#.repeat(n));
        assert!(strict(objects(80_000).as_bytes()).is_ok());
        let error = strict(objects(700_000).as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("it has too many values"), "{error}");
        assert!(strict(format!("[{}0]", "0,".repeat(1_500_000)).as_bytes()).is_ok());
        assert!(strict(format!("[{}0]", "0,".repeat(2_500_000)).as_bytes()).is_err());
        // Long texts are as large in memory as they are.
        assert!(strict(format!("[\"{}\"]", "x".repeat(5_000_000)).as_bytes()).is_ok());
    }

    #[test]
    fn reads_what_senders_write() {
        let read = |text: &[u8]| strict(text).unwrap().to_string();
        assert_eq!(read("\u{feff}{\"a\":1}".as_bytes()), r#"{"a":1}"#);
        assert_eq!(
            read(br#"["cut \ud83e","\udd16","\ud83e\udd16"]"#),
            "[\"cut \u{fffd}\",\"\u{fffd}\",\"🤖\"]"
        );
        // Two keys of which nothing tells them apart any more.
        assert!(strict(br#"{"\ud800":1,"\ud801":2}"#).is_err());
    }

    #[test]
    fn refuses_depth_and_junk() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(strict(deep(127).as_bytes()).is_ok());
        assert!(strict(deep(128).as_bytes()).unwrap_err().to_string().contains("recursion limit"));
        assert!(strict("[".repeat(1_000_000).as_bytes()).is_err());
        for junk in ["", "{} {}", "nul", "{\"a\":1e999}", "\u{feff}\u{feff}{}", "NaN", "{\"a\":1,}"] {
            assert!(strict(junk.as_bytes()).is_err(), "{junk}");
        }
        assert!(strict(b"\"\xff\"").is_err());
    }
}
