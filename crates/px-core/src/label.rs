//! Labels of runs: short texts by name, by which people find a run.

use std::collections::BTreeMap;

use crate::event::EventBody;

/// Labels of a run, by name.
pub type Labels = BTreeMap<String, String>;

/// Maximum number of labels of a run.
pub const MAX_LABELS: usize = 16;

/// Maximum length of a label's value, bytes.
const MAX_LABEL_BYTES: usize = 255;

/// Maximum length of a label's name.
const MAX_LABEL_NAME: usize = 32;

/// Checks the name of a label: a letter from a to z, then up to 31 of these, digits, `_` and `-`.
///
/// # Errors
/// The sentence about a name that is none.
pub fn check_label_name(name: &str) -> Result<(), String> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    let begins = name.bytes().next().is_some_and(|first| first.is_ascii_lowercase());
    if begins && name.len() <= MAX_LABEL_NAME && name.bytes().all(fits) {
        return Ok(());
    }
    Err(format!(
        "'{}' cannot be the name of a label: it begins with a letter from a to z, and has at most {MAX_LABEL_NAME} \
         of these, digits, '_' and '-'",
        name.escape_debug()
    ))
}

/// Checks the value of a label: 1 to 255 bytes without control characters.
///
/// # Errors
/// The sentence about a value that is none.
pub fn check_label_value(name: &str, value: &str) -> Result<(), String> {
    let length = value.len();
    if length == 0 || length > MAX_LABEL_BYTES {
        return Err(format!(
            "the value of label '{name}' has {length} bytes, and it can have 1 to {MAX_LABEL_BYTES}"
        ));
    }
    if value.chars().any(char::is_control) {
        return Err(format!("the value of label '{name}' has a control character: {value:?}"));
    }
    Ok(())
}

impl EventBody {
    /// The labels that this puts on the run.
    #[must_use]
    pub fn labels(&self) -> Option<&Labels> {
        match self {
            Self::BrainStart { labels, .. } | Self::StepComplete { labels, .. } => Some(labels),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_lower_case() {
        for name in ["o", "order", "order-id", "order_2", &"a".repeat(32)] {
            assert_eq!(check_label_name(name), Ok(()), "{name}");
        }
        for name in ["", "Order", "orderId", "2nd", "-a", "a b", "ä", "a=b", "a\n", &"a".repeat(33)] {
            assert!(check_label_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_value_has_up_to_255_bytes_and_no_control_character() {
        for value in ["o2", "a=b", "ä b", &"x".repeat(255)] {
            assert_eq!(check_label_value("order", value), Ok(()), "{value}");
        }
        for value in ["", "a\0b", "a\nb", &"x".repeat(256), &"ä".repeat(128)] {
            assert!(check_label_value("order", value).is_err(), "{value}");
        }
    }
}
