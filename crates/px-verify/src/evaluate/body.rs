//! From the exact bytes to a JSON value, by the form that the record declares.
//! What is not understood is never taken for something else (docs/rules.md#52).

use std::sync::OnceLock;

use crate::Received;
use crate::record::{BodyForm, Source, Verification};
use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::{Map, Value};

use super::body_error::BodyError;
use super::raw::Raw;
use super::{form, json};

/// The content type of an urlencoded form.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// Maximum length of a text of the sender's in an error, bytes.
const MAX_QUOTED: usize = 64;

/// A body that was read.
#[derive(Debug, Clone)]
pub struct Content {
    value: Value,
    /// The JSON text that the value was read from, if it was one.
    text: Option<Bytes>,
    /// Name and bytes of each text of a form, in their order, where one of them is no UTF-8: its value
    /// has other characters in place of those bytes.
    written: Vec<(String, Bytes)>,
    /// Digest of a form with files, of which the body does not hold all.
    digest: Option<[u8; 32]>,
    /// True if the content type says that each element of the array is an event.
    is_batch: bool,
    /// The texts of the elements, once one of them has been asked for: ids that are
    /// in headers, or are plain texts, need no second walk over the body.
    parts: OnceLock<Vec<Bytes>>,
}

/// One event in a body: its value, and the way to the bytes that it was read from.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a> {
    value: &'a Value,
    /// The body that it came in, if that was JSON.
    content: Option<&'a Content>,
    /// Array of events that it came in, if it did not come alone.
    pub(super) split: Option<Split<'a>>,
}

/// An event's part in an array of events, which came under one set of headers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Split<'a> {
    /// JSON pointer to the array.
    pointer: &'a str,
    /// Place in the array, from 0.
    pub(super) place: usize,
    /// True if the content type made it one of several: the attributes of such an
    /// event are in itself and never in headers (CloudEvents HTTP binding, 3.3).
    pub(super) is_by_type: bool,
}

impl From<Value> for Content {
    fn from(value: Value) -> Self {
        let written = Vec::new();
        Self { value, text: None, written, digest: None, is_batch: false, parts: OnceLock::new() }
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value && self.text == other.text && self.is_batch == other.is_batch
    }
}

impl Content {
    pub(super) fn json(text: Bytes) -> Result<Self, BodyError> {
        let read = Self::from(json_of(&text)?);
        Ok(Self { text: Some(text), ..read })
    }

    /// The fields of a form, and the bytes of each of its texts in their order.
    pub(super) fn fields(fields: Map<String, Value>, mut written: Vec<(String, Bytes)>) -> Self {
        if written.iter().all(|(_, bytes)| std::str::from_utf8(bytes).is_ok()) {
            written.clear();
        }
        Self { written, ..Self::from(Value::Object(fields)) }
    }

    /// The whole value, if it is an object, to be added to.
    pub(super) fn object_mut(&mut self) -> Option<&mut Map<String, Value>> {
        self.value.as_object_mut()
    }

    /// Returns the bytes of the text of a form at a JSON pointer: to a field, or to one of several of a
    /// field. `None` where the value has all of its characters.
    fn bytes_of_field(&self, pointer: &str) -> Option<&[u8]> {
        let mut tokens =
            pointer.strip_prefix('/')?.split('/').map(|token| token.replace("~1", "/").replace("~0", "~"));
        let (field, place) = (tokens.next()?, tokens.next());
        let place = place.map_or(Ok(0), |place| place.parse()).ok()?;
        let mut of_field =
            self.written.iter().filter(|(name, _)| name.strip_suffix("[]").unwrap_or(name) == field);
        of_field.nth(place).map(|(_, bytes)| &**bytes)
    }

    /// Says that equal bodies are those of this digest.
    #[must_use]
    pub fn with_digest(self, digest: [u8; 32]) -> Self {
        Self { digest: Some(digest), ..self }
    }

    /// Returns the digest by which equal bodies are known, where the body's own is not it.
    #[must_use]
    pub const fn digest(&self) -> Option<[u8; 32]> {
        self.digest
    }

    /// Returns the whole value.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.value
    }

    /// Returns the whole value, without the text it was read from.
    #[must_use]
    pub fn into_value(self) -> Value {
        self.value
    }

    /// Returns the values of [`elements`](Self::elements), without copying them.
    pub(super) fn into_values(mut self, batch: Option<&str>) -> Vec<Value> {
        let batch = batch.or(self.is_batch.then_some(""));
        match batch.and_then(|pointer| self.value.pointer_mut(pointer)) {
            Some(Value::Array(values)) => std::mem::take(values),
            _ => vec![self.value],
        }
    }

    /// Returns the events: the elements of the array at `batch`, or of the whole
    /// one where the content type says so, else the body itself.
    pub(super) fn elements<'a>(&'a self, batch: Option<&'a str>) -> Vec<Element<'a>> {
        let content = Some(self);
        let batch = batch.or(self.is_batch.then_some(""));
        let found = batch.and_then(|pointer| Some((pointer, self.value.pointer(pointer)?.as_array()?)));
        let Some((pointer, values)) = found else {
            return vec![Element { value: &self.value, content, split: None }];
        };
        let split = |place| Some(Split { pointer, place, is_by_type: self.is_batch });
        let element = |(place, value)| Element { value, content, split: split(place) };
        values.iter().enumerate().map(element).collect()
    }

    /// Returns the bytes of the whole value, or of one element of its array of events.
    fn raw(&self, split: Option<Split<'_>>) -> Option<Raw<'_>> {
        let text = self.text.as_ref()?;
        let whole = || Raw::of(json::without_mark(text));
        let Some(Split { pointer, place, .. }) = split else { return whole() };
        let parts = || whole()?.pointer(pointer).map(Raw::elements);
        let parts = self
            .parts
            .get_or_init(|| parts().into_iter().flatten().map(|raw| text.slice_ref(raw.bytes())).collect());
        Raw::of(parts.get(place)?)
    }
}

impl<'a> Element<'a> {
    /// An event of which only the value is known. The id of a number in it is the
    /// number as px writes it.
    #[must_use]
    pub const fn of(value: &'a Value) -> Self {
        Self { value, content: None, split: None }
    }

    /// Returns the value.
    #[must_use]
    pub const fn value(self) -> &'a Value {
        self.value
    }

    /// Returns what is at a JSON pointer.
    pub(super) fn at(self, pointer: &str) -> Option<&'a Value> {
        self.value.pointer(pointer)
    }

    /// Returns the bytes that what is at a JSON pointer was read from. They are looked
    /// for when this is asked, by a walk over the body.
    pub(super) fn raw(self, pointer: &str) -> Option<Raw<'a>> {
        self.content?.raw(self.split)?.pointer(pointer)
    }

    /// Returns the bytes of a form's text at a JSON pointer, where its value lacks some of them.
    pub(super) fn bytes_of_field(self, pointer: &str) -> Option<&'a [u8]> {
        self.content?.bytes_of_field(pointer)
    }
}

/// Form of the body by its content type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Declared {
    Nothing,
    /// JSON; if `is_batch`, an array of events.
    Json {
        is_batch: bool,
    },
    Form,
    Text,
    Other,
}

pub(super) fn parse(record: &Verification, received: &Received) -> Result<Content, BodyError> {
    let wanted = &record.body;
    let line = body_type(received)?;
    let declared = declared(line);
    match (wanted, declared) {
        // a GET carries its fields in the query
        (BodyForm::Form | BodyForm::ByContentType { .. }, _)
            if received.method == Method::GET && received.body.is_empty() =>
        {
            object(received.query.as_deref().unwrap_or_default().as_bytes()).map(Content::from)
        }
        (BodyForm::CloudEvents, _) if is_binary_mode(received, line) => data_of(received, declared),
        // a sender that says nothing is taken at the word of the record
        (
            BodyForm::Json | BodyForm::ByContentType { .. } | BodyForm::CloudEvents,
            Declared::Json { .. } | Declared::Nothing,
        ) => {
            let content = Content::json(received.body.clone())?;
            let is_batch = declared == Declared::Json { is_batch: true } && is_split_by_type(record);
            if is_batch && !content.value.is_array() {
                return Err(BodyError::syntax(
                    "The content type says that the body is a batch, and it is no JSON array",
                ));
            }
            Ok(Content { is_batch, ..content })
        }
        (BodyForm::Form, Declared::Form | Declared::Nothing) => object(&received.body).map(Content::from),
        (BodyForm::ByContentType { payload_field }, Declared::Form) => {
            form_of(&received.body, payload_field.as_deref())
        }
        (wanted, _) => Err(BodyError::unsupported(match wanted {
            BodyForm::Json => "Unsupported content type: this webhook takes application/json".to_owned(),
            BodyForm::Form => format!("Unsupported content type: this webhook takes {FORM}"),
            BodyForm::CloudEvents => {
                "Unsupported content type: this webhook takes application/cloudevents+json, \
                                      application/cloudevents-batch+json, and in binary mode JSON and text"
                    .to_owned()
            }
            _ => format!("Unsupported content type: this webhook takes application/json or {FORM}"),
        })),
    }
}

/// Returns whether a batch type makes several events of an array. No signature
/// covers the type, so where a header holds the id of a delivery, one that was
/// taken whole would act anew if it came again under another type. CloudEvents
/// are batches by their types only.
fn is_split_by_type(record: &Verification) -> bool {
    record.body == BodyForm::CloudEvents || !record.dedup.iter().any(Source::asks_headers)
}

/// Reads a form: its fields, or the JSON in the field that holds the payload.
fn form_of(body: &[u8], payload_field: Option<&str>) -> Result<Content, BodyError> {
    if is_json(body) {
        return Err(BodyError::unfit(format!(
            "The body is JSON, and its Content-Type says that it is a form ({FORM}); JSON is sent as \
             application/json"
        )));
    }
    let mut fields = object(body)?;
    let Some(name) = payload_field else { return Ok(fields.into()) };
    match fields.get_mut(name).map(Value::take) {
        Some(Value::String(payload)) => Content::json(payload.into()),
        Some(_) => Err(BodyError::syntax("The payload field came more than once")),
        None => Err(BodyError::unfit(format!(
            "The form has no field '{name}', which holds the JSON in what this provider sends as {FORM}"
        ))),
    }
}

/// Returns true for a text that is a JSON object or array as a whole.
fn is_json(body: &[u8]) -> bool {
    let text = json::without_mark(body).trim_ascii_start();
    matches!(text.first(), Some(b'{' | b'[')) && json::strict(text).is_ok()
}

/// Returns whether an event's attributes are in headers and its body is the
/// event's data alone (CloudEvents HTTP binding, section 3.1).
fn is_binary_mode(received: &Received, content_type: Option<&str>) -> bool {
    let is_of_cloudevents = content_type
        .and_then(|line| line.get(.."application/cloudevents".len()))
        .is_some_and(|start| start.eq_ignore_ascii_case("application/cloudevents"));
    let has = |name| received.headers.contains_key(name);
    !is_of_cloudevents && (has("ce-specversion") || has("ce-id"))
}

/// Reads the data of an event in binary mode: null where there is none, a text
/// as a string.
fn data_of(received: &Received, declared: Declared) -> Result<Content, BodyError> {
    match declared {
        _ if received.body.is_empty() => Ok(Value::Null.into()),
        Declared::Json { .. } | Declared::Nothing => Content::json(received.body.clone()),
        Declared::Text => {
            let text = std::str::from_utf8(json::without_mark(&received.body));
            let text = text.map_err(|_| BodyError::syntax("The body is not UTF-8"))?;
            Ok(Value::String(text.to_owned()).into())
        }
        _ => Err(BodyError::unsupported(
            "Unsupported content type: the data of an event in binary mode is JSON or text here",
        )),
    }
}

/// The content type without its parameters.
pub(super) fn essence(value: &str) -> &str {
    value.split(';').next().unwrap_or(value).trim()
}

/// Returns the content type of a request whose body can be read as it came.
///
/// # Errors
/// The body is encoded, or the header came with different values.
pub fn body_type(received: &Received) -> Result<Option<&str>, BodyError> {
    refuse_encoding(received)?;
    content_type(received)
}

/// Refuses a body that is compressed or otherwise encoded: px has its signature
/// over the bytes as they came, and reads these.
fn refuse_encoding(received: &Received) -> Result<(), BodyError> {
    let lines = received.headers.get_all(CONTENT_ENCODING).iter();
    for encoding in lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')) {
        let encoding = encoding.trim_ascii();
        if !encoding.is_empty() && !encoding.eq_ignore_ascii_case(b"identity") {
            let name = quoted(encoding);
            return Err(BodyError::unsupported(format!(
                "Unsupported content encoding '{name}': send the body as it is, without Content-Encoding"
            )));
        }
    }
    Ok(())
}

/// Returns bytes of the sender's for an error: escaped, and not many.
fn quoted(bytes: &[u8]) -> String {
    bytes.get(..MAX_QUOTED).unwrap_or(bytes).escape_ascii().to_string()
}

/// Returns the header's value. It may come several times, by a proxy's doing,
/// if each says the same.
fn content_type(received: &Received) -> Result<Option<&str>, BodyError> {
    let mut values = received.headers.get_all(CONTENT_TYPE).iter().flat_map(|line| {
        let text = line.to_str().unwrap_or_default();
        // A quoted parameter may hold a comma, which then separates nothing.
        let several = if text.contains('"') { None } else { Some(text.split(',').map(str::trim)) };
        several.into_iter().flatten().chain(text.contains('"').then_some(text))
    });
    let Some(first) = values.next() else { return Ok(None) };
    if values.any(|other| !other.eq_ignore_ascii_case(first)) {
        return Err(BodyError::syntax("The header Content-Type came more than once, with different values"));
    }
    Ok(Some(first))
}

fn declared(content_type: Option<&str>) -> Declared {
    let Some(line) = content_type else { return Declared::Nothing };
    let essence = essence(line);
    let is = |name: &str| essence.eq_ignore_ascii_case(name);
    let ends = |suffix: &str| {
        let end = essence.len().checked_sub(suffix.len()).and_then(|start| essence.get(start..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(suffix))
    };
    if is("application/json") || is("text/json") || ends("+json") {
        Declared::Json { is_batch: ends("-batch+json") }
    } else if is(FORM) {
        Declared::Form
    } else if essence.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("text/")) {
        Declared::Text
    } else {
        Declared::Other
    }
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
    let fields = form::object(json::without_mark(text));
    fields.map(Value::Object).ok_or_else(|| BodyError::syntax("The form is not UTF-8"))
}
