//! Fields of bodies that a route does not know (docs/rules.md#61). On px's own
//! routes they are refused. On the ancestor's, whose clients send some that mean
//! nothing here, only what looks like a slip is; the rest is named in a header.

use http::{HeaderMap, HeaderName, HeaderValue};
use px_api::suggest;
use serde::de::IgnoredAny;

use crate::error::ApiError;

static WARNING: HeaderName = HeaderName::from_static("px-warning");

/// The longest part of a name that is repeated, characters.
const MAX_NAME: usize = 64;

/// Unknown fields that are named in an answer.
const MAX_NAMED: usize = 8;

/// The fields of a body that are not among `known`.
pub(super) struct Unknown<'a> {
    names: Vec<String>,
    known: &'a [&'a str],
}

impl<'a> Unknown<'a> {
    /// Those of a body that is a JSON object; none of any other.
    pub(super) fn of(body: &[u8], known: &'a [&'a str]) -> Self {
        let names = serde_json::from_slice::<std::collections::BTreeMap<String, IgnoredAny>>(body)
            .map(|fields| fields.into_keys().filter(|name| !known.contains(&name.as_str())).collect())
            .unwrap_or_default();
        Self { names, known }
    }

    /// For a route of px.
    ///
    /// # Errors
    /// 400 if there is one.
    pub(super) fn refuse(&self) -> Result<(), ApiError> {
        match self.names.first() {
            Some(name) => Err(refusal(name, self.known)),
            None => Ok(()),
        }
    }

    /// For a route of the ancestor: the header that names what is passed over.
    ///
    /// # Errors
    /// 400 if one is within two letters of a field that there is.
    pub(super) fn warn(&self) -> Result<HeaderMap, ApiError> {
        let is_slip = |name: &&String| self.known.iter().any(|known| suggest::is_slip(name, known));
        if let Some(name) = self.names.iter().find(is_slip) {
            return Err(refusal(name, self.known));
        }
        let named = self.names.iter().take(MAX_NAMED).map(|name| {
            let text = format!("unknown field {}", printable(name));
            (
                WARNING.clone(),
                HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("unknown field")),
            )
        });
        Ok(named.collect())
    }
}

fn refusal(name: &str, known: &[&str]) -> ApiError {
    ApiError::bad_request(unknown(name, known))
}

/// The text about a field that there is not.
fn unknown(name: &str, known: &[&str]) -> String {
    let name = printable(name);
    let meant = suggest::nearest(&name, known.iter().copied())
        .or_else(|| known.iter().copied().find(|known| suggest::is_slip(&name, known)));
    match meant {
        Some(meant) => format!("The request's body has an unknown field '{name}'; did you mean '{meant}'?"),
        None => {
            format!("The request's body has an unknown field '{name}'; the fields are {}", known.join(", "))
        }
    }
}

/// serde's "unknown field `a`, expected one of `b`, `c`" as such a text.
pub(super) fn reworded(message: &str) -> Option<String> {
    let rest = message.strip_prefix("unknown field ")?;
    let mut names = rest.split('`').skip(1).step_by(2);
    let wrong = names.next()?;
    Some(unknown(wrong, &names.collect::<Vec<_>>()))
}

/// The name as it may stand in a header and on a terminal.
fn printable(name: &str) -> String {
    name.chars().take(MAX_NAME).map(|letter| if letter.is_ascii_graphic() { letter } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["runId", "startsAt", "webhookUrl"];

    fn passed_over(body: &str) -> Result<Vec<String>, String> {
        let warned = Unknown::of(body.as_bytes(), KNOWN).warn();
        let warned = warned.map_err(|error| error.text().to_owned())?;
        Ok(warned.values().map(|value| value.to_str().unwrap().to_owned()).collect())
    }

    #[test]
    fn a_slip_is_refused_and_what_is_no_slip_is_named() {
        assert_eq!(passed_over("{}"), Ok(vec![]));
        assert_eq!(
            passed_over(r#"{"runId": 1, "userName": "root"}"#),
            Ok(vec!["unknown field userName".into()])
        );
        for slip in ["webhookURL", "webhook_url", "startAt", "runid", "runId "] {
            let refused = passed_over(&format!("{{\"{slip}\": 1}}")).unwrap_err();
            assert!(refused.contains("did you mean"), "{slip}: {refused}");
        }
        assert_eq!(passed_over("{\"a\\r\\nb: \\u00e4\": 1}"), Ok(vec!["unknown field a??b:??".into()]));
        let own = Unknown::of(br#"{"x-y-z-anything": 1}"#, KNOWN).refuse().unwrap_err();
        assert!(own.text().contains("runId, startsAt, webhookUrl"), "{}", own.text());
    }

    #[test]
    fn what_serde_says_of_a_field_names_the_one_that_was_meant() {
        let text = reworded("unknown field `nam`, expected `name` or `scope` at line 1 column 7").unwrap();
        assert!(text.ends_with("did you mean 'name'?"), "{text}");
        assert_eq!(reworded("missing field `a`"), None);
    }
}
