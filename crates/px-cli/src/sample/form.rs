//! Forms with files, of what the command line names.

use std::path::{Path, PathBuf};

use px_inbound::verify::FormWriter;
use px_sdk::WebhookDef;

use super::{Draft, Wish};
use crate::error::{Error, Result};

/// A field of a form, as `NAME=TEXT` or, if it is a file, as `NAME=@PATH`.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    name: String,
    value: FieldValue,
}

#[derive(Debug, Clone)]
enum FieldValue {
    Text(String),
    File(PathBuf),
}

impl Field {
    /// Reads an argument that is a text of a form.
    ///
    /// # Errors
    /// It has no equals sign, or no name before it.
    pub(crate) fn text(argument: &str) -> std::result::Result<Self, String> {
        let (name, text) = halves(argument, "NAME=TEXT")?;
        Ok(Self { name, value: FieldValue::Text(text.to_owned()) })
    }

    /// Reads an argument that is a file of a form.
    ///
    /// # Errors
    /// It has no equals sign, or no name before it.
    pub(crate) fn file(argument: &str) -> std::result::Result<Self, String> {
        let (name, path) = halves(argument, "FIELD=@PATH")?;
        let path = path.strip_prefix('@').unwrap_or(path);
        Ok(Self { name, value: FieldValue::File(PathBuf::from(path)) })
    }
}

fn halves<'a>(argument: &'a str, form: &str) -> std::result::Result<(String, &'a str), String> {
    match argument.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value)),
        _ => Err(format!("write it as {form}")),
    }
}

/// A form of these fields, as it is written.
///
/// # Errors
/// A file cannot be read, or the webhook takes no forms with files.
pub(crate) fn form_draft(def: &WebhookDef, fields: &[Field], wish: Wish<'_>) -> Result<Draft> {
    if def.files.is_none() {
        return Err(Error::usage(format!("webhook '{}' takes no forms with files", def.slug))
            .hint("add `files = px::Files::default()` to its `px::webhook!`"));
    }
    let mut form = FormWriter::default();
    for Field { name, value } in fields {
        form = match value {
            FieldValue::Text(text) => form.text(name, text),
            FieldValue::File(path) => {
                let content = std::fs::read(path).map_err(|error| unread(path, &error))?;
                let called = path.file_name().unwrap_or_default().to_string_lossy();
                form.file(name, &called, "application/octet-stream", content)
            }
        };
    }
    let (content_type, body) = form.finish();
    Ok(Draft::of_bytes(def, &content_type, body, wish)?)
}

fn unread(path: &Path, error: &std::io::Error) -> Error {
    Error::usage(format!("cannot read {}: {error}", path.display()))
}
