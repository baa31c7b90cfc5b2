//! Forms with files, as bytes: what is written is read as it was meant, what is left of a
//! form without its files is the same form, and no input makes the reader panic.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod verify_support;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use proptest::prelude::*;
use px_core::{DeliveryId, StoredFile, Timestamp};
use px_verify::record::Keyring;
use px_verify::sign::{OutboundRequest, sign};
use px_verify::{
    BodyError, Content, FormData, FormLimits, FormWriter, Prepared, Received, UrlView, providers,
};
use secrecy::SecretString;
use serde_json::json;

/// A private key of P-256.
const SCALAR: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";

const LIMITS: FormLimits = FormLimits { files: 10, file_bytes: 1_000_000, text_bytes: 1_000_000 };

fn received(content_type: &str, body: Bytes) -> Received {
    let mut headers = HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
    Received {
        method: Method::POST,
        path: "/webhooks/a".into(),
        query: None,
        base: None,
        headers,
        body,
        remote: ([127, 0, 0, 1], 1).into(),
        at: Timestamp::from_millis(1_700_000_000_000),
    }
}

fn stored(form: &FormData) -> Vec<StoredFile> {
    let files = form.files().map(|part| StoredFile {
        field: part.name.clone(),
        name: part.file.clone().unwrap(),
        size: part.content.len() as u64,
        sha256: "0".into(),
        content_type: part.content_type.clone(),
        unread: false,
    });
    files.collect()
}

fn content(prepared: &Prepared, received: &Received) -> Result<Content, BodyError> {
    let form = FormData::read(received, &LIMITS)?;
    let files = stored(&form);
    let delivery = DeliveryId::from_bytes([1; 16]);
    let rest = Received { body: form.rest.clone(), ..received.clone() };
    let content = prepared.form_content(form, delivery, &files)?;
    // What the inbox keeps is read as the same payload.
    let again = prepared.form_content(FormData::read(&rest, &LIMITS)?, delivery, &files)?;
    assert_eq!(content, again);
    Ok(content)
}

fn unverified() -> Prepared {
    Prepared::new(providers::unverified(), &Keyring::empty()).unwrap()
}

#[test]
fn texts_and_files_become_fields() {
    let (kind, body) = FormWriter::default()
        .text("a", "1")
        .file("f", "x \"y\".pdf", "application/pdf", "abc")
        .text("k[]", "2")
        .text("a", "3")
        .file("g[]", "../z", "", "")
        .file("none", "", "", "")
        .finish();
    let content = content(&unverified(), &received(&kind, body)).unwrap();
    let id = DeliveryId::from_bytes([1; 16]);
    let file = |place: u16, name: &str, size: u64, kind: Option<&str>| json!({ "id": format!("{id}.{place}"), "name": name, "size": size, "sha256": "0", "contentType": kind });
    let expected = json!({
        "a": ["1", "3"], "k": ["2"],
        "f": file(0, "x \"y\".pdf", 3, Some("application/pdf")),
        "g": [file(1, "../z", 0, None)],
    });
    assert_eq!(content.value(), &expected);
}

#[test]
fn files_come_into_the_json_that_one_field_holds() {
    let record = providers::unverified()
        .body(px_verify::record::BodyForm::ByContentType { payload_field: Some("json".into()) });
    let prepared = Prepared::new(record, &Keyring::empty()).unwrap();
    let form = |json: &str| FormWriter::default().text("json", json).file("f", "a", "", "abc").finish();
    let (kind, body) = form(r#"{"event":"signed"}"#);
    let read = content(&prepared, &received(&kind, body)).unwrap();
    assert_eq!((&read.value()["event"], &read.value()["f"]["size"]), (&json!("signed"), &json!(3)));
    for (wrong, words) in [("[1]", "no object"), (r#"{"f":1}"#, "a text and a file"), ("{", "not valid JSON")]
    {
        let (kind, body) = form(wrong);
        let error = content(&prepared, &received(&kind, body)).unwrap_err().to_string();
        assert!(error.contains(words), "{wrong}: {error}");
    }
}

/// The ids of two forms in which only this text differs, by the record's pointer.
fn ids(prepared: &Prepared, field: &str, texts: [&[u8]; 2]) -> [Option<String>; 2] {
    texts.map(|text| {
        let head = format!("--b\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n");
        let body = [head.as_bytes(), text, b"\r\n--b--\r\n"].concat();
        let received = received("multipart/form-data; boundary=b", body.into());
        let content = content(prepared, &received).unwrap();
        prepared.delivery_id(&received, prepared.events(&content).remove(0)).unwrap()
    })
}

#[test]
fn two_ids_of_forms_that_differ_in_bytes_that_are_no_text_are_two() {
    let at =
        |pointer| Prepared::new(providers::unverified().dedup_pointer(pointer), &Keyring::empty()).unwrap();
    let texts: [&[u8]; 2] = [b"caf\xe9", b"caf\xe8"];
    for (pointer, field) in [("/id", "id"), ("/id/0", "id[]"), ("/a~1b", "a/b")] {
        let [one, other] = ids(&at(pointer), field, texts);
        assert_eq!((one.as_deref(), other.as_deref()), (Some("caf\\xe9"), Some("caf\\xe8")), "{pointer}");
    }
    assert_eq!(ids(&at("/id"), "id", [b"a", "\u{fffd}".as_bytes()]).map(Option::unwrap), ["a", "\u{fffd}"]);
}

#[test]
fn two_numbers_in_the_json_of_a_form_are_two_ids() {
    let record = providers::unverified()
        .body(px_verify::record::BodyForm::ByContentType { payload_field: Some("json".into()) })
        .dedup_pointer("/id");
    let prepared = Prepared::new(record, &Keyring::empty()).unwrap();
    let texts: [&[u8]; 2] = [br#"{"id":36893488147419103233}"#, br#"{"id":36893488147419103234}"#];
    let [one, other] = ids(&prepared, "json", texts).map(Option::unwrap);
    assert_eq!((&*one, &*other), ("36893488147419103233", "36893488147419103234"));
    // Bytes that are no text are in no JSON.
    let body = b"--b\r\nContent-Disposition: form-data; name=\"json\"\r\n\r\n{\"id\":\"\xe9\"}\r\n--b--\r\n";
    let error = content(&prepared, &received("multipart/form-data; boundary=b", Bytes::from_static(body)));
    assert!(error.is_err());
}

/// Each provider that posts forms with files, signed as it signs them.
#[test]
fn providers_that_post_files_are_believed_by_what_they_sign() {
    let urls = UrlView::default();
    for (record, secret, covers_files) in [
        (providers::mailgun_routes("S"), "key", false),
        (providers::sendgrid_inbound("S"), SCALAR, true),
        (providers::hmac("X-Sig", "S"), "key", true),
        (providers::basic("S"), "user:password", false),
    ] {
        let (kind, body) =
            FormWriter::default().text("subject", "hi").file("attachment-1", "a.pdf", "", "abc").finish();
        let template = received(&kind, body);
        let mut request = OutboundRequest {
            method: Method::POST,
            url: "http://px.example/webhooks/a".into(),
            headers: template.headers.clone(),
            body: template.body.clone(),
        };
        sign(&record, &SecretString::from(secret), &mut request, template.at).unwrap();
        let prepared = verify_support::prepared(&record, secret);
        let signed = Received { headers: request.headers, body: request.body, ..template };
        prepared.verify(&signed, &urls).unwrap_or_else(|why| panic!("{}: {why}", record.provider));
        let read = content(&prepared, &signed).unwrap();
        assert_eq!(read.value()["attachment-1"]["size"], 3, "{}", record.provider);
        let changed: Vec<u8> = String::from_utf8(signed.body.to_vec()).unwrap().replace("abc", "abd").into();
        let changed = Received { body: changed.into(), ..signed.clone() };
        assert_eq!(prepared.verify(&changed, &urls).is_err(), covers_files, "{}", record.provider);
        let unsigned = Received { headers: template_headers(&kind), body: signed.body.slice(..0), ..signed };
        prepared.verify(&unsigned, &urls).unwrap_err();
    }
}

#[test]
fn a_form_of_mailguns_without_files_is_believed_likewise() {
    let record = providers::mailgun_routes("S");
    let template = received("application/x-www-form-urlencoded", Bytes::from_static(b"subject=hi"));
    let mut request = OutboundRequest {
        method: Method::POST,
        url: "http://px.example/webhooks/a".into(),
        headers: template.headers.clone(),
        body: template.body.clone(),
    };
    sign(&record, &SecretString::from("key"), &mut request, template.at).unwrap();
    let prepared = verify_support::prepared(&record, "key");
    let signed = Received { body: request.body, ..template.clone() };
    prepared.verify(&signed, &UrlView::default()).unwrap();
    let content = prepared.parse(&signed).unwrap();
    assert_eq!(content.value()["subject"], "hi");
    let [event] = prepared.events(&content)[..] else { panic!("one event") };
    assert!(prepared.delivery_id(&signed, event).unwrap().is_some(), "the token is the id");
    prepared.verify(&template, &UrlView::default()).unwrap_err();
}

fn template_headers(kind: &str) -> HeaderMap {
    received(kind, Bytes::new()).headers
}

/// Heads that one reader takes for a file and another one for a text, or for something else
/// altogether: each is refused as a whole.
#[test]
fn a_head_that_can_be_read_in_two_ways_is_refused() {
    let read = |head: &str| {
        let body = format!("--b\r\n{head}\r\n\r\nabc\r\n--b--\r\n");
        FormData::read(&received("multipart/form-data; boundary=b", body.into()), &LIMITS)
    };
    let named = "Content-Disposition: form-data; name=\"photo\"";
    for (head, words) in [
        (format!("{named};\r\n filename=\"C:\\x.jpg\""), "begin with the name of a header"),
        (format!("{named}\r\n\tX: y"), "begin with the name of a header"),
        (format!("{named}\r\nX-A : y"), "begin with the name of a header"),
        (format!("{named}\r\n: y"), "begin with the name of a header"),
        (format!("{named}\nContent-Type: text/plain"), "does not end in CR LF"),
        (format!("{named}\rX: y"), "does not end in CR LF"),
        (format!("{named}; filename=\"a"), "a quote that is not closed"),
        (format!("{named}; filename=\"a\\\""), "a quote that is not closed"),
        (format!("{named}; filename=\"a\"b"), "something behind a closing quote"),
        (format!("{named} filename=\"a\""), "something behind a closing quote"),
        (format!("{named}; filename=a\"b\""), "a quote in the middle"),
        (format!("{named}; filename"), "not written `name=value`"),
        (format!("{named}; file name=a"), "not written `name=value`"),
        (format!("{named}; =a"), "not written `name=value`"),
        (format!("{named}\r\nContent-Type: text/plain\r\ncontent-type: text/html"), "Content-Type twice"),
        (format!("{named}\r\n{named}"), "Content-Disposition twice"),
    ] {
        let error = read(&head).map(drop).unwrap_err().to_string();
        assert!(error.contains(words), "{head:?}: {error}");
    }
    for head in [format!("{named}; filename=\"C:\\x.jpg\""), format!("{named} ; filename=x y.jpg;\r\nX-A:")] {
        assert_eq!(read(&head).unwrap().files().count(), 1, "{head:?}");
    }
    let kinds = ["; boundary=\"b", "; boundary=\"b\"c", "; boundary=b; boundary=b", ";boundary", ""];
    for kind in kinds.map(|rest| format!("multipart/form-data{rest}")) {
        FormData::read(&received(&kind, "--b--\r\n".into()), &LIMITS).map(drop).unwrap_err();
    }
}

/// Strangers need not send what is not going to be believed; what may be believed is never refused by its head.
#[test]
fn the_head_alone_tells_who_has_no_proof() {
    let urls = UrlView::default();
    for (record, secret, shows) in [
        (providers::hmac("X-Sig", "S"), "key", true),
        (providers::sendgrid_inbound("S"), SCALAR, true),
        (providers::standard_webhooks("S"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", true),
        (providers::twilio("S"), "key", true),
        (providers::basic("S"), "user:password", true),
        // Its signature is in the body.
        (providers::mailgun_routes("S"), "key", false),
    ] {
        let (kind, body) = FormWriter::default().text("subject", "hi").file("f", "a.pdf", "", "abc").finish();
        let template = received(&kind, body);
        let prepared = verify_support::prepared(&record, secret);
        let unsigned = Received { body: Bytes::new(), ..template.clone() };
        assert_eq!(!prepared.may_be_believed(&unsigned, &urls), shows, "{}", record.provider);
        let mut request = OutboundRequest {
            method: Method::POST,
            url: "http://px.example/webhooks/a".into(),
            headers: template.headers.clone(),
            body: template.body.clone(),
        };
        sign(&record, &SecretString::from(secret), &mut request, template.at).unwrap();
        let head = Received { headers: request.headers, body: Bytes::new(), ..template };
        assert!(prepared.may_be_believed(&head, &urls), "{}", record.provider);
    }
    assert!(unverified().may_be_believed(&received("multipart/form-data; boundary=b", Bytes::new()), &urls));
}

/// Names that a form can have: any but with line ends in them.
const NAME: &str = "[^\r\n]{1,20}";

proptest! {
    #[test]
    fn no_body_makes_the_reader_panic(body in proptest::collection::vec(any::<u8>(), 0..400), kind in "multipart/form-data; boundary=[a-z\"]{0,3}") {
        let Ok(_) = HeaderValue::from_str(&kind) else { return Ok(()) };
        let _ = FormData::read(&received(&kind, body.into()), &LIMITS);
    }

    /// Mutations of a form: pieces of its syntax in any order.
    #[test]
    fn no_order_of_the_syntax_makes_the_reader_panic(pieces in proptest::collection::vec(
        prop_oneof![
            Just("--b"), Just("\r\n"), Just("--"), Just("Content-Disposition: form-data; name=\"a\""),
            Just("; filename=\"b"), Just("\""), Just("\\"), Just("x"), Just(" "), Just(":"), Just("=")
        ], 0..40)) {
        let body = Bytes::from(pieces.concat());
        if let Ok(form) = FormData::read(&received("multipart/form-data; boundary=b", body), &LIMITS) {
            let rest = received("multipart/form-data; boundary=b", form.rest.clone());
            let again = FormData::read(&rest, &LIMITS).unwrap();
            prop_assert_eq!(again.texts().collect::<Vec<_>>(), form.texts().collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_is_written_is_read(
        files in proptest::collection::vec((NAME, NAME, proptest::collection::vec(any::<u8>(), 0..300)), 0..5),
        (field, text) in (NAME, ".{0,20}"),
    ) {
        let mut form = FormWriter::default().text(&field, &text);
        for (field, name, content) in &files {
            form = form.file(field, name, "", content.clone());
        }
        let (kind, body) = form.finish();
        let read = FormData::read(&received(&kind, body), &LIMITS).unwrap();
        prop_assert_eq!(read.texts().collect::<Vec<_>>(), vec![(field.as_str(), text.as_bytes())]);
        let came = read.files().map(|part| (part.name.clone(), part.file.clone().unwrap(), part.content.to_vec()));
        prop_assert_eq!(came.collect::<Vec<_>>(), files);
    }
}
