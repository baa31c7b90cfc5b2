//! Fields of a body that px does not know (docs/rules.md#61). Clients of the
//! ancestor send some on its routes; a slip of the pen in a known one is refused
//! there too, or the client would believe that it was heard.

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue};
use serde::de::IgnoredAny;

use crate::error::ApiError;

static WARNING: HeaderName = HeaderName::from_static("px-warning");

/// Maximum number of unknown fields that an answer names.
const MAX_NAMED: usize = 8;

/// Maximum length of a name in an answer, bytes.
const MAX_NAME: usize = 64;

/// Maximum number of letters by which a slip of the pen differs.
const NEAR: usize = 2;

/// Names of a body's fields that are not known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unknown(Vec<String>);

/// Finds the unknown fields of a body that has been read.
///
/// # Errors
/// One of them is nearly a known one: 400 that names it.
pub(super) fn fields(body: &[u8], known: &[&str]) -> Result<Unknown, ApiError> {
    let fields = serde_json::from_slice::<std::collections::BTreeMap<String, IgnoredAny>>(body);
    let unknown = fields.unwrap_or_default().into_keys().filter(|name| !known.contains(&name.as_str()));
    let unknown: Vec<String> = unknown.collect();
    for name in &unknown {
        if let Some(meant) = known.iter().find(|known| is_near(name, known)) {
            let text = format!("Unknown field '{}' in request body: '{meant}' is meant", shown(name));
            return Err(ApiError::bad_request(text));
        }
    }
    Ok(Unknown(unknown))
}

impl Unknown {
    /// Adds what was passed over to an answer.
    pub(super) fn warn(self, answer: impl IntoResponse) -> Response {
        let mut response = answer.into_response();
        for name in self.0.iter().take(MAX_NAMED) {
            if let Ok(value) = HeaderValue::try_from(format!("unknown field {}", shown(name))) {
                response.headers_mut().append(&WARNING, value);
            }
        }
        response
    }
}

/// Returns a name for a header and a sentence: escaped, and not long.
fn shown(name: &str) -> String {
    let name = name.get(..name.floor_char_boundary(MAX_NAME)).unwrap_or_default();
    name.escape_default().to_string()
}

/// Returns whether two names differ by so few letters that one is a slip of the
/// pen (Levenshtein's distance, without regard to case).
fn is_near(name: &str, known: &str) -> bool {
    if name.len().abs_diff(known.len()) > NEAR {
        return false;
    }
    let (name, known) = (name.to_ascii_lowercase(), known.to_ascii_lowercase());
    let mut row: Vec<usize> = (0..=known.len()).collect();
    for (at, letter) in name.bytes().enumerate() {
        let mut left = at + 1;
        let mut corner = at;
        for (cell, other) in row.iter_mut().skip(1).zip(known.bytes()) {
            let change = corner + usize::from(letter != other);
            corner = *cell;
            *cell = change.min(corner + 1).min(left + 1);
            left = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = at + 1;
        }
    }
    row.last().is_some_and(|distance| *distance <= NEAR)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 3] = ["identifier", "initialState", "webhookUrl"];

    #[test]
    fn a_slip_of_the_pen_is_refused_and_another_name_is_passed_over() {
        for (name, is_slip) in [
            ("identifer", true),
            ("Identifier", true),
            ("initial_state", true),
            ("initialstat", true),
            ("webhookURL", true),
            ("webhook_url", true),
            ("webhookFormat", false),
            ("userName", false),
            ("", false),
        ] {
            let body = format!(r#"{{"identifier":"x","{name}":{{"deep":[1]}}}}"#);
            let found = fields(body.as_bytes(), &KNOWN);
            assert_eq!(found.is_err(), is_slip, "{name}");
            assert_eq!(found.ok(), (!is_slip).then(|| Unknown(vec![name.to_owned()])), "{name}");
        }
        assert_eq!(fields(br#"{"identifier":"x"}"#, &KNOWN).ok(), Some(Unknown(Vec::new())));
    }

    #[test]
    fn an_answer_names_what_was_passed_over_in_letters_that_a_header_takes() {
        let names = (0..20).map(|n| format!("é{n}\n{}", "x".repeat(100))).collect();
        let response = Unknown(names).warn(());
        let values: Vec<_> = response.headers().get_all(&WARNING).iter().collect();
        assert_eq!(values.len(), MAX_NAMED);
        assert!(values.iter().all(|value| value.to_str().unwrap().starts_with("unknown field \\u{e9}")));
    }
}
