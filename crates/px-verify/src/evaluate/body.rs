//! From the exact bytes to a JSON value, by the form that the record declares.

use crate::Received;
use crate::record::BodyForm;
use http::Method;
use http::header::CONTENT_TYPE;
use serde_json::Value;

use super::{form, json};

/// The content type of an urlencoded form.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// Defect of a body. The text is for the sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct BodyError {
    kind: BodyErrorKind,
    text: String,
}

/// The kind of a [`BodyError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyErrorKind {
    /// The body does not have the syntax of its content type (400).
    Syntax,
    /// The content type is none that this webhook takes (415).
    UnsupportedType,
}

impl BodyError {
    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> BodyErrorKind {
        self.kind
    }

    fn syntax(text: impl Into<String>) -> Self {
        Self { kind: BodyErrorKind::Syntax, text: text.into() }
    }
}

/// Form of the body by its content type.
enum Declared {
    Nothing,
    Json,
    Form,
    Other,
}

pub(super) fn parse(wanted: &BodyForm, received: &Received) -> Result<Value, BodyError> {
    let declared = declared(received)?;
    match (wanted, declared) {
        // a GET carries its fields in the query
        (BodyForm::Form | BodyForm::ByContentType { .. }, _)
            if received.method == Method::GET && received.body.is_empty() =>
        {
            object(received.query.as_deref().unwrap_or_default().as_bytes())
        }
        // a sender that says nothing is taken at the word of the record
        (BodyForm::Json | BodyForm::ByContentType { .. }, Declared::Json | Declared::Nothing) => {
            json_of(&received.body)
        }
        (BodyForm::Form, Declared::Form | Declared::Nothing) => object(&received.body),
        (BodyForm::ByContentType { payload_field }, Declared::Form) => {
            let fields = object(&received.body)?;
            match payload_field.as_deref().and_then(|name| fields.get(name)) {
                Some(Value::String(payload)) => json_of(payload.as_bytes()),
                Some(_) => Err(BodyError::syntax("The payload field came more than once")),
                None => Ok(fields),
            }
        }
        (wanted, _) => Err(BodyError {
            kind: BodyErrorKind::UnsupportedType,
            text: match wanted {
                BodyForm::Json => "Unsupported content type: this webhook takes application/json".to_owned(),
                BodyForm::Form => format!("Unsupported content type: this webhook takes {FORM}"),
                _ => format!("Unsupported content type: this webhook takes application/json or {FORM}"),
            },
        }),
    }
}

/// The content type without its parameters.
pub(super) fn essence(value: &str) -> &str {
    value.split(';').next().unwrap_or(value).trim()
}

fn declared(received: &Received) -> Result<Declared, BodyError> {
    let mut lines = received.headers.get_all(CONTENT_TYPE).iter();
    let Some(line) = lines.next() else { return Ok(Declared::Nothing) };
    if lines.next().is_some() {
        return Err(BodyError::syntax("The header Content-Type came more than once"));
    }
    let essence = line.to_str().map_or("", essence);
    let is = |name: &str| essence.eq_ignore_ascii_case(name);
    let suffixed = essence.len().checked_sub("+json".len()).and_then(|start| essence.get(start..));
    Ok(
        if is("application/json")
            || is("text/json")
            || suffixed.is_some_and(|end| end.eq_ignore_ascii_case("+json"))
        {
            Declared::Json
        } else if is(FORM) {
            Declared::Form
        } else {
            Declared::Other
        },
    )
}

fn json_of(text: &[u8]) -> Result<Value, BodyError> {
    json::strict(text).map_err(|error| {
        BodyError::syntax(if text.is_empty() {
            "The body is empty, JSON was expected".to_owned()
        } else if std::str::from_utf8(text).is_err() {
            "The body is not UTF-8".to_owned()
        } else {
            format!("The body is not valid JSON: {error}")
        })
    })
}

fn object(text: &[u8]) -> Result<Value, BodyError> {
    form::object(text).map(Value::Object).ok_or_else(|| BodyError::syntax("The form is not UTF-8"))
}
