//! Forms on pages: a step waits for one by [`on`], and whoever fills it in
//! posts it to [`path`]. What comes is kept and given to the run as any
//! webhook's event is; a form that nobody waits for is not kept.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use px_core::key::FORM_SLUG;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::Result;
use crate::wait::On;

/// Characters that stay as they are in a query's value (RFC 3986, unreserved).
const UNRESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Form that somebody filled in: a text a field, or several where a name came more
/// than once or ends in `[]`, which is not part of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Form(Map<String, Value>);

impl Form {
    /// A form of these fields.
    #[must_use]
    pub const fn new(fields: Map<String, Value>) -> Self {
        Self(fields)
    }

    /// The text of a field, the first one if there are several.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.texts(name).next()
    }

    /// Every text of a field.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        let (one, several) = match self.0.get(name) {
            Some(Value::Array(several)) => (None, several.as_slice()),
            one => (one, [].as_slice()),
        };
        one.into_iter().chain(several).filter_map(Value::as_str)
    }

    /// The fields as a type of yours. Everything in a form is a text: numbers
    /// are yours to parse.
    ///
    /// # Errors
    /// A field is missing, or is a list where the type has a text.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(serde_json::from_value(Value::Object(self.0.clone()))?)
    }
}

/// Waits for a form with this identifier and this token: give it to
/// `wait_for`. The token is what keeps strangers from posting it, so it has to
/// be one that cannot be guessed.
pub fn on(identifier: impl Into<String>, token: impl Into<String>) -> On<Form> {
    On::registered(FORM_SLUG, identifier.into(), crate::__private::fingerprint::<Form>()).token(token)
}

/// Returns where the page's form posts to, below px's own URL:
/// `<form method="post" action="https://px.example{path}">`.
#[must_use]
pub fn path(identifier: &str, token: &str) -> String {
    let encode = |text| utf8_percent_encode(text, &UNRESERVED);
    format!("/webhooks/system/{FORM_SLUG}?identifier={}&token={}", encode(identifier), encode(token))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields() {
        let form: Form = serde_json::from_value(json!({"name": "Ada", "days": ["1", "2"]})).unwrap();
        assert_eq!((form.text("name"), form.text("days"), form.text("no")), (Some("Ada"), Some("1"), None));
        assert_eq!(form.texts("days").collect::<Vec<_>>(), ["1", "2"]);
        #[derive(Deserialize)]
        struct Days {
            days: Vec<String>,
        }
        assert_eq!(form.read::<Days>().unwrap().days, ["1", "2"]);
    }

    #[test]
    fn a_path_carries_any_text() {
        let path = path("a b/c", "x&y=1");
        assert_eq!(path, "/webhooks/system/page-form?identifier=a%20b%2Fc&token=x%26y%3D1");
    }
}
