//! Fields of bodies that a route does not know (docs/rules.md#61). On px's own
//! routes they are refused. On the ancestor's, whose clients send some that mean
//! nothing here, only what looks like a slip is; the rest is named in a header.

use std::borrow::Cow;
use std::collections::BTreeSet;

use http::{HeaderMap, HeaderName, HeaderValue};
use px_api::suggest;
use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};

use crate::error::ApiError;

static WARNING: HeaderName = HeaderName::from_static("px-warning");

/// The longest part of a name that is repeated, characters.
const MAX_NAME: usize = 64;

/// Unknown fields that are named in an answer.
const MAX_NAMED: usize = 8;

/// Unknown fields of a body that are looked at, so that a body full of them costs
/// no more than it takes to read it.
const MAX_LOOKED_AT: usize = 256;

/// The fields of a body that are not among `known`.
pub(super) struct Unknown<'a> {
    names: Vec<String>,
    known: &'a [&'a str],
}

impl<'a> Unknown<'a> {
    /// Those of a body that is a JSON object; none of any other.
    pub(super) fn of(body: &[u8], known: &'a [&'a str]) -> Self {
        let mut names = BTreeSet::new();
        let reads = Names { names: &mut names, known };
        let is_object = serde_json::Deserializer::from_slice(body).deserialize_map(reads).is_ok();
        let names = names.into_iter().filter(|_| is_object).collect();
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

/// Reads the names of an object's fields, and keeps the first that are unknown.
struct Names<'a> {
    names: &'a mut BTreeSet<String>,
    known: &'a [&'a str],
}

impl<'de> Visitor<'de> for Names<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while let Some((name, IgnoredAny)) = fields.next_entry::<Cow<'de, str>, _>()? {
            if self.names.len() < MAX_LOOKED_AT && !self.known.contains(&&*name) {
                self.names.insert(name.into_owned());
            }
        }
        Ok(())
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
    fn a_body_full_of_unknown_fields_is_looked_at_up_to_a_bound() {
        let fields: Vec<String> = (0..100_000).map(|n| format!("\"f{n:06}abc\":0")).collect();
        let body = format!("{{{},\"startAt\":1}}", fields.join(","));
        let unknown = Unknown::of(body.as_bytes(), KNOWN);
        assert_eq!(unknown.names.len(), MAX_LOOKED_AT);
        assert_eq!(unknown.names.first().map(String::as_str), Some("f000000abc"));
        assert_eq!(unknown.warn().unwrap().len(), MAX_NAMED);
        // One name is as long as a body may be.
        let long = format!("{{\"{}\":1}}", "w".repeat(8 << 20));
        assert_eq!(passed_over(&long), Ok(vec![format!("unknown field {}", "w".repeat(MAX_NAME))]));
        assert!(
            Unknown::of(b"[1]", KNOWN).names.is_empty() && Unknown::of(b"{\"a\":", KNOWN).names.is_empty()
        );
    }

    #[test]
    fn what_serde_says_of_a_field_names_the_one_that_was_meant() {
        let text = reworded("unknown field `nam`, expected `name` or `scope` at line 1 column 7").unwrap();
        assert!(text.ends_with("did you mean 'name'?"), "{text}");
        assert_eq!(reworded("missing field `a`"), None);
    }
}
