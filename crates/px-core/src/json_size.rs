//! The size of a JSON value as it is stored, found without writing it anywhere.

use std::io::{Error, Write};

use serde_json::Value;

/// Counts what is written, and refuses what goes beyond a bound.
struct Counter {
    bytes: usize,
    most: usize,
}

impl Write for Counter {
    fn write(&mut self, piece: &[u8]) -> Result<usize, Error> {
        self.bytes = self.bytes.saturating_add(piece.len());
        if self.bytes > self.most { Err(Error::other("over the bound")) } else { Ok(piece.len()) }
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// Returns true if a value takes more than `most` bytes as JSON text. Looks at no
/// more of it than that.
#[must_use]
pub fn json_exceeds(value: &Value, most: usize) -> bool {
    serde_json::to_writer(Counter { bytes: 0, most }, value).is_err()
}

/// Returns the number of bytes that a value takes as JSON text.
#[must_use]
pub fn json_bytes(value: &Value) -> usize {
    let mut counter = Counter { bytes: 0, most: usize::MAX };
    // A value is always JSON, and the counter takes all of it.
    let _ = serde_json::to_writer(&mut counter, value);
    counter.bytes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_as_long_as_its_text() {
        for value in [json!(null), json!({"a": [1, 2.5, "\u{e9}\n"]}), json!("x".repeat(1_000))] {
            let bytes = value.to_string().len();
            assert_eq!(json_bytes(&value), bytes);
            assert!(json_exceeds(&value, bytes - 1), "{bytes}");
            assert!(!json_exceeds(&value, bytes), "{bytes}");
        }
    }
}
