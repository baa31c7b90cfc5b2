//! From a form with files to a JSON value: texts become fields as those of an
//! urlencoded form do, and each file becomes a small object at its field, which says
//! where its bytes are.

use std::collections::VecDeque;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use px_core::{DeliveryId, FileId, StoredFile};
use serde_json::{Map, Value, json};

use crate::Received;
use crate::record::{BodyForm, Verification};

use super::body::{Content, body_type, essence};
use super::body_error::BodyError;
use super::form;
use super::multipart::{self, Defect, Part, Parts};

/// The content type of a form with files.
pub(super) const FORM_DATA: &str = "multipart/form-data";

/// Bounds of a form with files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormLimits {
    /// Maximum number of files.
    pub files: usize,
    /// Maximum bytes of all files together.
    pub file_bytes: u64,
    /// Maximum bytes of everything else.
    pub text_bytes: usize,
}

/// A form with files that was cut into its parts.
#[derive(Debug)]
pub struct FormData {
    parts: Vec<Part>,
    /// The body without the contents of its files, which is a form with the same parts.
    pub rest: Bytes,
}

/// Returns whether a request of these headers says that its body is a form with files.
#[must_use]
pub fn is_form_data(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(CONTENT_TYPE).iter();
    lines.any(|line| line.to_str().is_ok_and(|line| essence(line).eq_ignore_ascii_case(FORM_DATA)))
}

impl FormData {
    /// Cuts the body of a request.
    ///
    /// # Errors
    /// It does not have the syntax, or is more than is taken.
    pub fn read(received: &Received, limits: &FormLimits) -> Result<Self, BodyError> {
        let content_type = body_type(received)?.unwrap_or_default();
        let boundary = multipart::boundary(content_type)?;
        let Parts { parts, rest } = multipart::parts(&received.body, &boundary)?;
        if rest.len() > limits.text_bytes {
            return Err(BodyError::too_large(format!(
                "The form has more than {} bytes beside its files",
                limits.text_bytes
            )));
        }
        let form = Self { parts, rest };
        let (mut count, mut bytes) = (0_usize, 0_u64);
        for part in form.files() {
            count += 1;
            bytes += part.content.len() as u64;
        }
        if count > limits.files {
            return Err(BodyError::too_large(format!(
                "The form has {count} files, and this webhook takes at most {}",
                limits.files
            )));
        }
        if bytes > limits.file_bytes {
            return Err(BodyError::too_large(format!(
                "The files of the form have {bytes} bytes together, and this webhook takes at most {}",
                limits.file_bytes
            )));
        }
        Ok(form)
    }

    /// The parts that are files, in their order. A browser sends a part without name and
    /// content of a field for which nobody has chosen a file; that one is none.
    pub fn files(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| is_file(part))
    }

    /// The parts that are texts: field and content, in their order.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let texts = self.parts.iter().filter(|part| part.file.is_none());
        texts.map(|part| (part.name.as_str(), &*part.content))
    }
}

fn is_file(part: &Part) -> bool {
    part.file.as_ref().is_some_and(|name| !name.is_empty() || !part.content.is_empty())
}

/// Makes the payload of a form. Of `files`, which are the delivery's, each belongs to the
/// next part of its field and name. Where the record says that one field holds the
/// payload as JSON, the files come into that.
pub(super) fn content(
    record: &Verification,
    form: FormData,
    delivery: DeliveryId,
    files: &[StoredFile],
) -> Result<Content, BodyError> {
    let payload_field = match &record.body {
        BodyForm::ByContentType { payload_field: Some(name) } => Some(name.as_str()),
        _ => None,
    };
    let mut left: VecDeque<_> = (0..).zip(files).collect();
    let (mut fields, mut written, mut attached) = (Map::new(), Vec::new(), Map::new());
    for part in form.parts {
        let Some(name) = part.file else {
            let text = String::from_utf8_lossy(&part.content).into_owned();
            form::insert(&mut fields, &part.name, text);
            written.push((part.name, part.content));
            continue;
        };
        let is_it = |(_, file): &(u16, &StoredFile)| file.field == part.name && file.name == name;
        if let Some((place, file)) = left.pop_front_if(|next| is_it(next)) {
            let id = FileId { delivery, place };
            form::insert_value(&mut attached, &part.name, reference(id, file));
        }
    }
    let mut content = match payload_field {
        None => Content::fields(fields, written),
        Some(name) => match fields.remove(name) {
            // Of its bytes: a text with replaced characters could be another payload's.
            Some(Value::String(_)) => Content::json(
                written.into_iter().find(|(of, _)| of == name).map(|(_, bytes)| bytes).unwrap_or_default(),
            )?,
            Some(_) => return Err(BodyError::syntax("The payload field came more than once")),
            None => {
                return Err(BodyError::unfit(format!(
                    "The form has no field '{name}', which holds the JSON in what this provider sends as \
                     {FORM_DATA}"
                )));
            }
        },
    };
    for (name, value) in attached {
        let Some(object) = content.object_mut() else {
            return Err(BodyError::unfit(
                "The form has files, and its payload is no object that could have them",
            ));
        };
        if object.insert(name.clone(), value).is_some() {
            return Err(BodyError::unfit(format!("The field '{name}' of the form is a text and a file")));
        }
    }
    Ok(content)
}

/// A file as a payload has it.
fn reference(id: FileId, file: &StoredFile) -> Value {
    let StoredFile { name, size, sha256, content_type, .. } = file;
    json!({ "id": id, "name": name, "size": size, "sha256": sha256, "contentType": content_type })
}

impl From<Defect> for BodyError {
    fn from(defect: Defect) -> Self {
        match defect {
            Defect::Syntax(text) => Self::syntax(text),
            Defect::Encoding(text) => Self::unsupported(text),
            Defect::TooMany(text) => Self::too_large(text),
        }
    }
}
