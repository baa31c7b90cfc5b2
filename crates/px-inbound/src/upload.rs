//! Files of a form on their way into the store: the form's payload with a reference to
//! each of them, and their bytes beside the delivery's record, in whose commit they are.

use std::collections::BTreeSet;

use bytes::Bytes;
use px_core::{DeliveryId, FileId, StoredFile};
use px_sdk::Received as Request;
use px_store::{Delivery, Error};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::context::InboundContext;
use crate::endpoint::Endpoint;
use crate::phases::Incoming;
use crate::verify::{BodyError, Content, Decoder, FormData, FormLimits, Part, is_form_data};

/// Bytes that are decoded, or of which the digest is taken, before others have their turn on the thread.
const AT_ONCE: usize = 1024 * 1024;

/// A form with its files.
#[derive(Debug)]
pub(crate) struct Upload {
    /// The body without the contents of its files.
    pub(crate) rest: Bytes,
    /// The files.
    pub(crate) files: Vec<StoredFile>,
    /// Their contents, in the same order.
    pub(crate) contents: Vec<Bytes>,
}

/// A form that was read, and its payload, which may not be what the record says.
pub(crate) type Uploaded = (Upload, Result<Content, BodyError>);

/// Returns the bounds of forms with files, if the webhook takes them and the request
/// says that it is one.
pub(crate) fn limits(endpoint: &Endpoint, request: &Request, context: &InboundContext) -> Option<FormLimits> {
    let files = endpoint.def.files.filter(|_| is_form_data(&request.headers))?;
    Some(FormLimits {
        files: files.most(),
        file_bytes: files.most_bytes(),
        text_bytes: context.max_response_bytes,
    })
}

/// Reads a form with its files, which are going to be the delivery's.
pub(crate) async fn read(
    endpoint: &Endpoint,
    request: &Request,
    limits: &FormLimits,
    delivery: DeliveryId,
) -> Result<Uploaded, BodyError> {
    let form = FormData::read(request, limits)?;
    let (mut files, mut contents) = (Vec::new(), Vec::new());
    for part in form.files() {
        let content = decoded(part).await?;
        files.push(StoredFile {
            field: part.name.clone(),
            name: part.file.clone().unwrap_or_default(),
            size: content.len() as u64,
            sha256: digest_of(&content).await,
            content_type: part.content_type.clone(),
            unread: false,
        });
        contents.push(content);
    }
    let rest = form.rest.clone();
    let content = payload(endpoint, form, delivery, &files);
    Ok((Upload { rest, files, contents }, content))
}

/// Reads a kept form again. Its files are those of `delivery`.
pub(crate) fn read_again(
    endpoint: &Endpoint,
    request: &Request,
    limits: &FormLimits,
    (delivery, files): (DeliveryId, &[StoredFile]),
) -> Result<Content, BodyError> {
    payload(endpoint, FormData::read(request, limits)?, delivery, files)
}

fn payload(
    endpoint: &Endpoint,
    form: FormData,
    delivery: DeliveryId,
    files: &[StoredFile],
) -> Result<Content, BodyError> {
    let digest = digest_of_form(&form, files);
    Ok(endpoint.verifier.form_content(form, delivery, files)?.with_digest(digest))
}

/// The digest by which a form is known that comes again: its senders choose another
/// boundary each time.
fn digest_of_form(form: &FormData, files: &[StoredFile]) -> [u8; 32] {
    let mut sum = Sha256::new();
    let mut add = |text: &[u8]| {
        sum.update((text.len() as u64).to_be_bytes());
        sum.update(text);
    };
    for (name, text) in form.texts() {
        for part in [b"text", name.as_bytes(), text] {
            add(part);
        }
    }
    for file in files {
        for part in [b"file", file.field.as_bytes(), file.name.as_bytes(), file.sha256.as_bytes()] {
            add(part);
        }
    }
    sum.finalize().into()
}

/// Notes the files that the handler has given to no run: nothing reads them, and a sender who has
/// named a field wrongly is not to be unheard without a word. They are kept with their delivery.
/// Events that the handler ignores leave nothing to read, and say why.
pub(crate) fn note_unread(delivery: &mut Delivery, events: &[Incoming]) {
    if delivery.files.is_empty() || events.iter().all(|event| event.raw.ignored.is_some()) {
        return;
    }
    let mut given = BTreeSet::new();
    for event in events {
        let input = event.raw.start.as_ref().map(|(_, input)| input);
        event.raw.response.iter().chain(input).for_each(|value| places(value, delivery.id, &mut given));
    }
    for (place, file) in (0..).zip(&mut delivery.files) {
        file.unread = !given.contains(&place);
        if file.unread {
            let (slug, field) = (&delivery.slug, &file.field);
            tracing::warn!(slug, delivery = %delivery.id, field, "a file is given to no run, and only kept");
        }
    }
}

/// Adds the places of a delivery's files to which a value refers.
fn places(value: &Value, delivery: DeliveryId, found: &mut BTreeSet<u16>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| places(value, delivery, found)),
        Value::Object(fields) => fields.values().for_each(|value| places(value, delivery, found)),
        Value::String(text) => {
            let file = text.parse::<FileId>().ok().filter(|file| file.delivery == delivery);
            found.extend(file.map(|file| file.place));
        }
        _ => {}
    }
}

/// The content of a file, without the encoding that its sender has put around it.
async fn decoded(part: &Part) -> Result<Bytes, BodyError> {
    match part.decoder() {
        Some(decoder) => decoded_by(decoder, &part.content).await,
        None => Ok(part.content.clone()),
    }
}

async fn decoded_by(mut decoder: Decoder, content: &[u8]) -> Result<Bytes, BodyError> {
    for piece in content.chunks(AT_ONCE) {
        decoder.push(piece)?;
        if piece.len() == AT_ONCE {
            tokio::task::yield_now().await;
        }
    }
    decoder.finish()
}

async fn digest_of(content: &Bytes) -> String {
    let mut sum = Sha256::new();
    for piece in content.chunks(AT_ONCE) {
        sum.update(piece);
        if piece.len() == AT_ONCE {
            tokio::task::yield_now().await;
        }
    }
    hex::encode(sum.finalize())
}

/// The contents of a kept delivery's files, for another delivery that is to have them.
///
/// # Errors
/// The store could not be read, or has not all of them.
pub(crate) async fn contents(context: &InboundContext, delivery: &Delivery) -> Result<Vec<Bytes>, Error> {
    let mut contents = Vec::with_capacity(delivery.files.len());
    for (place, file) in (0..).zip(&delivery.files) {
        let id = FileId { delivery: delivery.id, place };
        let mut content = bytes::BytesMut::new();
        for piece in 0..file.pieces() {
            let read = context.store.file_piece(context.scope, id, piece).await?;
            content.extend_from_slice(&read.ok_or_else(|| missing(id))?);
        }
        contents.push(content.freeze());
    }
    Ok(contents)
}

fn missing(file: FileId) -> Error {
    Error::Corrupt(format!("file {file} has not all of its bytes"))
}
