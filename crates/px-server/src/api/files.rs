//! `GET /webhooks/deliveries/:id/files/:place`: the bytes of a file that a sender has
//! posted, as they came. Nobody believes the sender's content type: a browser is told to
//! save them and to run nothing.

use std::io;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use px_core::{Code, DeliveryId, FileId, StoredFile};

use super::redacted::AsStored;
use crate::app::Shared;
use crate::error::ApiError;

/// Content type of every file, whatever its sender says.
pub(super) const BYTES: &str = "application/octet-stream";

/// Lets a browser that shows the bytes all the same do nothing with them.
const POLICY: HeaderValue = HeaderValue::from_static("sandbox; default-src 'none'; frame-ancestors 'none'");

/// Maximum length of a name in the header, bytes.
const MAX_NAME: usize = 200;

/// Characters of a name that are not percent-encoded (RFC 8187, `attr-char`).
const ATTRIBUTE: AsciiSet = NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

pub(crate) async fn show(
    State(app): State<Shared>,
    Path((id, place)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let delivery = match id.parse::<DeliveryId>() {
        Ok(parsed) => app.store().delivery(app.parts.scope, parsed).await?,
        Err(_) => None,
    };
    let delivery = delivery.ok_or_else(|| {
        ApiError::not_found(format!("Delivery '{id}' not found")).code(Code::DeliveryNotFound)
    })?;
    let found = place.parse::<u16>().ok().and_then(|at| Some((at, delivery.files.get(usize::from(at))?)));
    let (at, file) = found.ok_or_else(|| {
        let text = match delivery.files.len() {
            0 => format!("Delivery '{id}' has no files"),
            1 => format!("Delivery '{id}' has no file '{place}'; it has one, 0"),
            count => format!("Delivery '{id}' has no file '{place}'; it has {count}, from 0 on"),
        };
        ApiError::not_found(text).code(Code::DeliveryNotFound)
    })?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(BYTES)),
        (header::CONTENT_LENGTH, HeaderValue::from(file.size)),
        (header::CONTENT_DISPOSITION, disposition(&app.secrets.redaction().current().text(&file.name), at)),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    let id = FileId { delivery: delivery.id, place: at };
    let mut response = Response::new(content(app, id, file));
    response.headers_mut().extend(headers);
    response.extensions_mut().insert(AsStored);
    Ok(response)
}

/// The bytes, one piece after the other. A piece that is not there breaks the answer
/// off, so that nobody takes a part for the whole.
fn content(app: Shared, id: FileId, file: &StoredFile) -> Body {
    let pieces = file.pieces();
    Body::from_stream(stream::try_unfold(0, move |piece| {
        let app = app.clone();
        async move {
            if piece == pieces {
                return Ok(None);
            }
            let read = app.store().file_piece(app.parts.scope, id, piece).await;
            let read = read
                .map_err(io::Error::other)
                .and_then(|read| read.ok_or_else(|| io::Error::other("a piece of the file is not there")));
            match read {
                Ok(bytes) => Ok::<Option<(Bytes, u32)>, io::Error>(Some((bytes, piece + 1))),
                Err(error) => {
                    tracing::error!(file = %id, piece, %error, "a file could not be read");
                    Err(error)
                }
            }
        }
    }))
}

/// The header by which a browser saves the file, under a name that is none of a path
/// (RFC 6266, with RFC 8187 for what is not ASCII).
fn disposition(name: &str, place: u16) -> HeaderValue {
    let name = plain(name, place);
    let ascii: String = name
        .chars()
        .map(|char| if char.is_ascii_alphanumeric() || " .-_".contains(char) { char } else { '_' })
        .collect();
    let encoded = utf8_percent_encode(&name, &ATTRIBUTE);
    HeaderValue::from_str(&format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}"))
        .unwrap_or(HeaderValue::from_static("attachment"))
}

/// A sender's name without what could lead a file system or a reader astray: paths,
/// control characters, changes of the writing direction, dots at the beginning.
fn plain(name: &str, place: u16) -> String {
    let is_astray = |char: char| {
        char.is_control()
            || matches!(char, '/' | '\\' | ':' | '"' | '<' | '>' | '|' | '?' | '*')
            || matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut name: String = name.chars().map(|char| if is_astray(char) { '_' } else { char }).collect();
    name.truncate(name.floor_char_boundary(MAX_NAME));
    let name = name.trim_start_matches(['.', ' ']).trim_end_matches(['.', ' ']);
    if name.is_empty() { format!("file-{place}") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_names_nothing_but_a_file_to_save() {
        for (name, expected) in [
            ("invoice 7.pdf", "attachment; filename=\"invoice 7.pdf\"; filename*=UTF-8''invoice%207.pdf"),
            ("../../etc/passwd", "attachment; filename=\"_.._etc_passwd\"; filename*=UTF-8''_.._etc_passwd"),
            ("C:\\Users\\a.txt", "attachment; filename=\"C__Users_a.txt\"; filename*=UTF-8''C__Users_a.txt"),
            ("a\"; x=\"b", "attachment; filename=\"a__ x__b\"; filename*=UTF-8''a_%3B%20x%3D_b"),
            (
                "a\r\nSet-Cookie: x",
                "attachment; filename=\"a__Set-Cookie_ x\"; filename*=UTF-8''a__Set-Cookie_%20x",
            ),
            ("\0", "attachment; filename=\"_\"; filename*=UTF-8''_"),
            ("é.txt", "attachment; filename=\"_.txt\"; filename*=UTF-8''%C3%A9.txt"),
            ("gpj.\u{202e}exe", "attachment; filename=\"gpj._exe\"; filename*=UTF-8''gpj._exe"),
            ("a\u{61c}\u{200f}b", "attachment; filename=\"a__b\"; filename*=UTF-8''a__b"),
            ("..", "attachment; filename=\"file-3\"; filename*=UTF-8''file-3"),
            ("", "attachment; filename=\"file-3\"; filename*=UTF-8''file-3"),
        ] {
            assert_eq!(disposition(name, 3).to_str().unwrap(), expected, "{name:?}");
        }
        let long = disposition(&"é".repeat(300), 0);
        assert!(long.len() < 1_000, "{}", long.len());
    }
}
