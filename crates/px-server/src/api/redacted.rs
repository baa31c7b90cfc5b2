//! Answers without the values of secrets: to tokens below the scope `admin`, and to
//! whoever asks for it by the header `Px-Redact`, as the command line does. What is
//! stored stays as it is; this is one of the ways out.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use px_core::Code;
use px_secrets::{Redaction, Redactor};

use crate::error::ApiError;

/// The header that asks for an answer without secrets.
pub(crate) static ASKED: HeaderName = HeaderName::from_static("px-redact");

/// Marks an answer whose body goes out as it is stored: the bytes of a sender's file.
#[derive(Debug, Clone, Copy)]
pub(super) struct AsStored;

/// The beginning of a line of server-sent events that holds JSON.
const DATA: &[u8] = b"data: ";

/// Mark of an answer that shows a secret this once, to whoever has made it: it is not redacted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ShownOnce;

/// Returns whether a request asks for an answer without secrets.
pub(crate) fn is_asked(headers: &HeaderMap) -> bool {
    headers.contains_key(&ASKED)
}

/// The answer without the secrets that are known when it goes out; for a stream, when
/// each of its frames does.
pub(crate) async fn answer(redaction: &Redaction, response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    let is_exempt =
        head.extensions.get::<ShownOnce>().is_some() || head.extensions.get::<AsStored>().is_some();
    if is_exempt {
        return Response::from_parts(head, body);
    }
    if body.size_hint().exact().is_none() {
        let redaction = redaction.clone();
        let frames = body.map_frame(move |frame| frame.map_data(|data| events(&redaction.current(), data)));
        return Response::from_parts(head, Body::new(frames));
    }
    let redactor = redaction.current();
    let Ok(whole) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
        // What is whole is in memory already.
        let text = "The answer could not be put together";
        return axum::response::IntoResponse::into_response(ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            Code::Internal,
            text,
        ));
    };
    let redacted = match redactor.json(&whole) {
        Cow::Borrowed(_) => whole.clone(),
        Cow::Owned(redacted) => {
            head.headers.remove(header::CONTENT_LENGTH);
            redacted.into()
        }
    };
    Response::from_parts(head, Body::from(redacted))
}

/// Server-sent events without secrets: each line of data stays the JSON that it is.
fn events(redactor: &Redactor, data: Bytes) -> Bytes {
    if !redactor.finds_in(&data) {
        return data;
    }
    let mut redacted = Vec::with_capacity(data.len());
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_prefix(DATA) {
            Some(_) => redacted.extend_from_slice(&each_data(line, |json| redactor.json(json))),
            None => redacted.extend_from_slice(&redactor.bytes(line)),
        }
    }
    redacted.into()
}

/// Server-sent events with the JSON of each line of data changed.
pub(super) fn each_data(data: &[u8], change: impl Fn(&[u8]) -> Cow<'_, [u8]>) -> Bytes {
    let mut changed = Vec::with_capacity(data.len());
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        let Some(json) = line.strip_prefix(DATA) else {
            changed.extend_from_slice(line);
            continue;
        };
        let (json, end) = json.strip_suffix(b"\n").map_or((json, &b""[..]), |json| (json, &b"\n"[..]));
        changed.extend_from_slice(DATA);
        changed.extend_from_slice(&change(json));
        changed.extend_from_slice(end);
    }
    changed.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redaction() -> Redaction {
        let redaction = Redaction::default();
        let secrets = [("PIN".to_owned(), "1234567890".into()), ("KEY".to_owned(), "sk_live_1".into())];
        redaction.replace(Redactor::new(secrets).unwrap());
        redaction
    }

    #[tokio::test]
    async fn a_whole_answer_stays_json_and_has_the_length_that_it_has() {
        let body = r#"{"pin":1234567890,"text":"sk_live_1"}"#;
        let response = Response::builder().header(header::CONTENT_LENGTH, body.len()).body(Body::from(body));
        let redacted = answer(&redaction(), response.unwrap()).await;
        assert!(redacted.headers().get(header::CONTENT_LENGTH).is_none());
        let bytes = redacted.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(&*bytes, br#"{"pin":"[secret PIN]","text":"[secret KEY]"}"#);
    }

    #[test]
    fn each_frame_of_a_stream_stays_a_frame() {
        let redactor = redaction().current();
        let frame = Bytes::from_static(b"id: 7\ndata: {\"pin\":1234567890}\n\n: sk_live_1\n\ndata: {}\n\n");
        let redacted = events(&redactor, frame);
        assert_eq!(&*redacted, b"id: 7\ndata: {\"pin\":\"[secret PIN]\"}\n\n: [secret KEY]\n\ndata: {}\n\n");
    }
}
