//! The size of a JSON value as it is stored, found without writing it anywhere.

use serde_json::Value;

/// Returns true if a value takes more than `most` bytes as JSON text. Looks at no
/// more of it than that.
#[must_use]
pub fn json_exceeds(value: &Value, most: usize) -> bool {
    rest_of(value, most).is_none()
}

/// Returns the number of bytes that a value takes as JSON text.
#[must_use]
pub fn json_bytes(value: &Value) -> usize {
    usize::MAX - rest_of(value, usize::MAX).unwrap_or(0)
}

/// Bytes that a value leaves of so many; `None` if it takes more.
fn rest_of(value: &Value, bytes: usize) -> Option<usize> {
    match value {
        Value::Null | Value::Bool(true) => bytes.checked_sub(4),
        Value::Bool(false) => bytes.checked_sub(5),
        Value::Number(number) => bytes.checked_sub(number.to_string().len()),
        Value::String(text) => rest_of_text(text, bytes),
        Value::Array(items) => {
            // Two brackets, and a comma between two items.
            let rest = bytes.checked_sub(2 + items.len().saturating_sub(1))?;
            items.iter().try_fold(rest, |rest, item| rest_of(item, rest))
        }
        Value::Object(fields) => {
            let rest = bytes.checked_sub(2 + fields.len().saturating_sub(1))?;
            fields.iter().try_fold(rest, |rest, (name, value)| {
                rest_of(value, rest_of_text(name, rest)?.checked_sub(1)?)
            })
        }
    }
}

fn rest_of_text(text: &str, bytes: usize) -> Option<usize> {
    let rest = bytes.checked_sub(2 + text.len())?;
    let escapes = text.bytes().map(|byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
        0..=0x1f => 5,
        _ => 0,
    });
    rest.checked_sub(escapes.sum())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_as_long_as_its_text() {
        for value in [
            json!(null),
            json!({"a": [1, 2.5, "\u{e9}\n\u{1}\u{7f}"]}),
            json!([]),
            json!({}),
            json!([true, false, {"\"k": -7}, 1e300, u64::MAX]),
            json!("x".repeat(1_000)),
        ] {
            let bytes = value.to_string().len();
            assert_eq!(json_bytes(&value), bytes);
            assert!(json_exceeds(&value, bytes - 1), "{bytes}");
            assert!(!json_exceeds(&value, bytes), "{bytes}");
        }
    }
}
