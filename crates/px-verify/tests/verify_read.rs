//! Tables of what senders write: bodies, content types, encodings and ids, each
//! with its siblings (docs/rules.md#52, #53, #54).

#![expect(clippy::unwrap_used, reason = "a test helper that fails should fail the test")]

mod verify_support;

use http::{HeaderValue, Method};
use px_verify::record::{BodyForm, Keyring, Source, Verification};
use px_verify::{BodyErrorKind, Content, MAX_ID_BYTES, Prepared, Received, providers};
use serde_json::{Value, json};
use verify_support::post;

const NOW: u64 = 1_700_000_000;
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

fn open(record: Verification) -> Prepared {
    Prepared::new(record, &Keyring::empty()).unwrap()
}

/// What a record reads in a body under these headers; the status if it does not.
fn read(record: &Verification, headers: &[(&str, &str)], body: &[u8]) -> Result<Value, (u16, String)> {
    let read = open(record.clone()).parse(&post(NOW, headers, body.to_vec()));
    read.map(Content::into_value).map_err(|error| {
        let status = match error.kind() {
            BodyErrorKind::Syntax => 400,
            BodyErrorKind::UnsupportedType => 415,
            _ => 422,
        };
        (status, error.to_string())
    })
}

fn status(record: &Verification, headers: &[(&str, &str)], body: &[u8]) -> u16 {
    read(record, headers, body).map_or_else(|(status, _)| status, |_| 200)
}

#[test]
fn rule_52_a_form_is_only_what_its_record_says() {
    let payload = providers::github("S");
    let by_type = providers::hmac("X-Sig", "S");
    let form = providers::slack_command("S");
    let json_alone = providers::stripe("S");
    for (body, of_payload, of_type, of_form) in [
        (r#"{"action":"opened"}"#, 422, 422, 200),
        ("  [1]", 422, 422, 200),
        ("\u{feff}{\"a\":1}", 422, 422, 200),
        ("payload=%7B%22a%22%3A1%7D", 200, 200, 200),
        ("payload=%EF%BB%BF%7B%7D", 200, 200, 200),
        ("payload=nope", 400, 200, 200),
        ("payload=%7B%7D&payload=%7B%7D", 400, 200, 200),
        ("other=1", 422, 200, 200),
        ("Payload=%7B%7D", 422, 200, 200),
        ("", 422, 200, 200),
        // No JSON, and so a form with an odd name.
        ("{a=1", 422, 200, 200),
        ("a=%ff", 400, 400, 400),
    ] {
        let statuses = [&payload, &by_type, &form, &json_alone]
            .map(|record| status(record, &[("content-type", FORM)], body.as_bytes()));
        assert_eq!(statuses, [of_payload, of_type, of_form, 415], "{body}");
    }
    let (_, text) = read(&payload, &[("content-type", FORM)], b"{}").unwrap_err();
    assert!(text.contains("application/json"), "{text}");
    let (_, text) = read(&payload, &[("content-type", FORM)], b"a=1").unwrap_err();
    assert!(text.contains("'payload'"), "{text}");
}

#[test]
fn rule_53_a_byte_order_mark_and_half_a_surrogate_pair_are_read() {
    let github = providers::github("S");
    let json = [("content-type", JSON)];
    assert_eq!(read(&github, &json, "\u{feff}{\"a\":1}".as_bytes()), Ok(json!({"a": 1})));
    assert_eq!(read(&github, &json, br#"{"a":"cut \ud83e"}"#), Ok(json!({"a": "cut \u{fffd}"})));
    assert_eq!(read(&github, &json, br#"{"a\udd16":["\uD83E"]}"#), Ok(json!({"a\u{fffd}": ["\u{fffd}"]})));
    let in_form = br#"payload={"a":"\ud83e"}"#;
    assert_eq!(read(&github, &[("content-type", FORM)], in_form), Ok(json!({"a": "\u{fffd}"})));
    let form = providers::slack_command("S");
    assert_eq!(read(&form, &[], "\u{feff}a=1".as_bytes()), Ok(json!({"a": "1"})));
    // Only one mark, and no other encoding.
    assert_eq!(status(&github, &json, "\u{feff}\u{feff}{}".as_bytes()), 400);
    assert_eq!(status(&github, &json, b"\xff\xfe{\0}\0"), 400);
    assert_eq!(status(&github, &json, b"{\"a\":\"\xed\xa0\xbe\"}"), 400);
}

#[test]
fn rule_53_an_encoded_body_is_refused_by_the_name_of_its_encoding() {
    for (record, body) in [
        (providers::github("S"), "{}"),
        (providers::slack_command("S"), "a=1"),
        (providers::stripe("S"), "{}"),
    ] {
        for encoding in ["gzip", "br", "deflate", "zstd", "identity, gzip", "x-\"odd\""] {
            let (status, text) =
                read(&record, &[("content-encoding", encoding)], body.as_bytes()).unwrap_err();
            let name = encoding.rsplit(", ").next().unwrap().replace('"', "\\\"");
            assert_eq!(status, 415);
            assert!(text.contains(&format!("'{name}'")), "{text}");
        }
        for encoding in ["identity", "Identity", "", "identity, identity"] {
            assert_eq!(
                status(&record, &[("content-encoding", encoding)], body.as_bytes()),
                200,
                "{encoding}"
            );
        }
        let several = [("content-encoding", "identity"), ("content-encoding", "gzip")];
        assert_eq!(status(&record, &several, body.as_bytes()), 415);
    }
}

#[test]
fn a_content_type_that_comes_twice_counts_if_both_say_the_same() {
    let github = providers::github("S");
    for (lines, expected) in [
        (vec![JSON, JSON], 200),
        (vec![JSON, "Application/JSON"], 200),
        (vec![JSON, JSON, JSON], 200),
        (vec!["application/json, application/json"], 200),
        (vec![JSON, "text/plain"], 400),
        (vec![JSON, FORM], 400),
        (vec!["application/json, text/plain"], 400),
        (vec!["application/json; charset=utf-8", JSON], 400),
        (vec![r#"application/json; a="b,c""#], 200),
        (vec!["text/plain", "text/plain"], 415),
    ] {
        let headers: Vec<_> = lines.iter().map(|line| ("content-type", *line)).collect();
        assert_eq!(status(&github, &headers, b"{}"), expected, "{lines:?}");
    }
}

#[test]
fn cloudevents_come_whole_in_batches_and_in_binary_mode() {
    let record = providers::cloudevents("S");
    let binary = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/a"), ("ce-type", "t")];
    let with = |kind: Option<&'static str>| {
        let kind = kind.map(|kind| ("content-type", kind));
        binary.into_iter().chain(kind).collect::<Vec<_>>()
    };
    for (kind, body, expected) in [
        (None, "", Ok(Value::Null)),
        (Some(JSON), "", Ok(Value::Null)),
        (Some("text/plain"), "", Ok(Value::Null)),
        (Some("text/plain; charset=utf-8"), "hello", Ok(json!("hello"))),
        (Some("text/xml"), "<a/>", Ok(json!("<a/>"))),
        (Some(JSON), r#"{"a":1}"#, Ok(json!({"a": 1}))),
        (Some("application/vnd.x+json"), "[1]", Ok(json!([1]))),
        (None, "7", Ok(json!(7))),
        (Some("application/xml"), "<a/>", Err(415)),
        (Some(FORM), "a=1", Err(415)),
        (Some(JSON), "{", Err(400)),
    ] {
        let read = read(&record, &with(kind), body.as_bytes()).map_err(|(status, _)| status);
        assert_eq!(read, expected, "{kind:?} {body}");
    }
    // Not in binary mode, whatever a proxy has added.
    let whole = br#"{"id":"1","source":"/a","type":"t"}"#;
    assert_eq!(status(&record, &with(Some("application/cloudevents+json")), whole), 200);
    assert_eq!(status(&record, &[("content-type", "application/cloudevents+json")], b""), 400);
    assert_eq!(status(&record, &[("content-type", "text/plain")], b"x"), 415);

    let batch = [("content-type", "application/cloudevents-batch+json; charset=utf-8"), ("ce-id", "all")];
    let body = br#" [ {"id":"1","source":"/a"}, {"id":12345678901234567890123,"source":"/a"} ] "#;
    assert_eq!(ids(&record, &batch, body), ["/a:1", "/a:12345678901234567890123"]);
    assert_eq!(ids(&record, &batch, b"[]"), Vec::<String>::new());
    assert_eq!(status(&record, &batch, b"{}"), 400);
    // A batch for a record of single events is split as well.
    let stripe = providers::stripe("S");
    assert_eq!(ids(&stripe, &batch, br#"[{"id":"a"},{"id":"b"}]"#), ["a", "b"]);
}

/// The ids of a body's events; `!` and the place of one that is none.
fn ids(record: &Verification, headers: &[(&str, &str)], body: &[u8]) -> Vec<String> {
    let (prepared, received) = (open(record.clone()), post(NOW, headers, body.to_vec()));
    ids_in(&prepared, &received)
}

fn ids_in(prepared: &Prepared, received: &Received) -> Vec<String> {
    let content = prepared.parse(received).unwrap();
    let id = |event| match prepared.delivery_id(received, event) {
        Ok(id) => id.unwrap_or_default(),
        Err(error) => format!("!{}", error.path),
    };
    prepared.events(&content).into_iter().map(id).collect()
}

#[test]
fn rule_54_an_id_in_a_body_is_the_text_that_was_written() {
    let record = providers::unverified().dedup_pointer("/id").dedup_pointer("/other");
    let long = "x".repeat(257);
    for (written, expected) in [
        ("1", "1"),
        ("18446744073709551615", "18446744073709551615"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("123456789012345678901", "123456789012345678901"),
        ("123456789012345678902", "123456789012345678902"),
        ("1.0", "1.0"),
        ("1.50", "1.50"),
        ("1e2", "1e2"),
        ("-0", "-0"),
        (r#""evt_1""#, "evt_1"),
        (r#""a\u00e9\n""#, "aé\n"),
        (r#""\uD83E""#, r"\ud83e"),
        (r#""\ud83f""#, r"\ud83f"),
        ("\"\u{fffd}\"", "\u{fffd}"),
        (r#""\ud83e\udd16""#, "🤖"),
        ("null", ""),
        (r#""""#, "!/id"),
        ("true", "!/id"),
        ("[1]", "!/id"),
        ("{}", "!/id"),
    ] {
        let body = format!(r#"{{"a":[{{"id":0}}], "id" : {written} }}"#);
        assert_eq!(ids(&record, &[], body.as_bytes()), [expected], "{written}");
    }
    let hashed = ids(&record, &[], format!(r#"{{"id":"{long}"}}"#).as_bytes());
    assert!(hashed[0].starts_with("sha256:") && hashed[0].len() == 71, "{hashed:?}");
    let digits = ids(&record, &[], format!(r#"{{"id":{}}}"#, "7".repeat(257)).as_bytes());
    assert!(digits[0].starts_with("sha256:"), "{digits:?}");
    assert_eq!(ids(&record, &[], br#"{"other":"o"}"#), ["o"]);
    assert_eq!(ids(&record, &[], br#"{"id":null,"other":"o"}"#), ["o"]);
    // One that is there and wrong is not passed over for the next.
    assert_eq!(ids(&record, &[], br#"{"id":{},"other":"o"}"#), ["!/id"]);
    // A form's fields are texts, and one that came twice is a list.
    let form = record.clone().body(BodyForm::Form);
    assert_eq!(ids(&form, &[], b"id=007"), ["007"]);
    assert_eq!(ids(&form, &[], b"id=1&id=1"), ["!/id"]);
    assert_eq!(ids(&form, &[], b"id="), ["!/id"]);
    // Within a form's payload, and in a batch.
    let payload = record.clone().body(BodyForm::ByContentType { payload_field: Some("p".to_owned()) });
    let in_form = br#"p={"id":123456789012345678901}"#;
    assert_eq!(ids(&payload, &[("content-type", FORM)], in_form), ["123456789012345678901"]);
    let batch = record.batch("/all");
    let several = br#"{"id":"x","all":[{"id":1e30},{"id":"\ud83e"},{"id":null},{"id":false}]}"#;
    assert_eq!(ids(&batch, &[], several), ["1e30", r"\ud83e", "", "!/id"]);
    let joined = providers::unverified().dedup(Source::pointers(["/a", "/b"]));
    assert_eq!(ids(&joined, &[], br#"{"a":1.0,"b":"x"}"#), ["1.0:x"]);
    assert_eq!(ids(&joined, &[], br#"{"a":1.0}"#), [""]);
    assert_eq!(ids(&joined, &[], br#"{"a":1.0,"b":[]}"#), ["!/b"]);
}

#[test]
fn rule_54_an_id_in_a_header_is_one_text() {
    let id = |record: &Verification, lines: &[(&'static str, &[u8])]| {
        let mut received = post(NOW, &[], "{}");
        for (name, value) in lines {
            received.headers.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        ids_in(&open(record.clone()), &received).remove(0)
    };
    let record = providers::unverified().dedup_header("X-Id");
    for (value, expected) in
        [(&b"72d3162e"[..], "72d3162e"), ("é".as_bytes(), "é"), (b"a\xffb\xc3", r"a\xffb\xc3"), (b"", "!")]
    {
        assert_eq!(id(&record, &[("x-id", value)]), expected, "{value:?}");
    }
    assert_ne!(id(&record, &[("x-id", b"\xfe")]), id(&record, &[("x-id", b"\xff")]));
    assert_eq!(id(&record, &[]), "");
    assert_eq!(id(&record, &[("x-id", b"a"), ("x-id", b"a")]), "a");
    assert_eq!(id(&record, &[("x-id", b"a"), ("x-id", b"b")]), "!");
    assert!(id(&record, &[("x-id", &[b'x'; 257])]).starts_with("sha256:"));
    let either = providers::svix("S");
    assert_eq!(id(&either, &[("svix-id", b"a")]), "a");
    assert_eq!(id(&either, &[("webhook-id", b"a")]), "a");
    assert_eq!(id(&either, &[("svix-id", b"a"), ("webhook-id", b"a")]), "a");
    assert_eq!(id(&either, &[("svix-id", b"a"), ("webhook-id", b"b")]), "!");
}

#[test]
fn an_id_in_a_header_makes_one_of_its_own_for_each_event_of_an_array() {
    let header = [("x-id", "d1")];
    let body = br#"{"events":[{"n":1},{"n":2},{"n":3}]}"#;
    let record = providers::unverified().batch("/events").dedup_header("X-Id");
    assert_eq!(ids(&record, &header, body), ["d1", "d1[1]", "d1[2]"]);
    assert_eq!(ids(&record, &header, br#"{"events":[{}]}"#), ["d1"]);
    // No array was split, so there is nothing to tell apart.
    assert_eq!(ids(&record, &header, br#"{"other":1}"#), ["d1"]);
    let joined = Source::Joined(vec![Source::header("x-a"), Source::header("x-id")]);
    let record = providers::unverified().batch("/events").dedup(joined);
    let headers = [("x-id", "d1"), ("x-a", "a")];
    assert_eq!(ids(&record, &headers, body), ["a:d1", "a:d1[1]", "a:d1[2]"]);
    // An id in which the event itself has a say stays as older stores have it.
    let joined = Source::Joined(vec![Source::header("x-id"), Source::pointer("/n")]);
    let record = providers::unverified().batch("/events").dedup(joined);
    assert_eq!(ids(&record, &header, body), ["d1:1", "d1:2", "d1:3"]);
    let long = "x".repeat(MAX_ID_BYTES);
    let record = providers::unverified().batch("/events").dedup_header("X-Id");
    let bounded = ids(&record, &[("x-id", &long)], br#"{"events":[1,2,3]}"#);
    assert_eq!(bounded[0], long);
    assert!(bounded[1].starts_with("sha256:") && bounded[1] != bounded[2], "{bounded:?}");
    // Of a batch type the event's own word counts first, and the header at last.
    let record =
        providers::unverified().body(BodyForm::CloudEvents).dedup_header("X-Id").dedup_pointer("/id");
    let headers = [("x-id", "d1"), ("content-type", "application/cloudevents-batch+json")];
    assert_eq!(ids(&record, &headers, br#"[{"id":"a"},{}]"#), ["a", "d1[1]"]);
}

#[test]
fn an_unsigned_content_type_switches_no_signed_id_off() {
    for form in [BodyForm::Json, BodyForm::default()] {
        let record = providers::unverified().body(form).dedup_header("X-Id");
        for kind in [JSON, "application/cloudevents-batch+json", "application/x-batch+json"] {
            let headers = [("x-id", "d1"), ("content-type", kind)];
            assert_eq!(ids(&record, &headers, br#"[{"n":1},{"n":2}]"#), ["d1"], "{kind}");
            assert_eq!(status(&record, &headers, b"{}"), 200, "{kind}");
        }
    }
}

#[test]
fn a_get_carries_its_fields_in_the_query() {
    let twilio = open(providers::twilio("S"));
    let get = Received {
        method: Method::GET,
        query: Some("MessageSid=SM1&SmsStatus=x".into()),
        ..post(NOW, &[], "")
    };
    assert_eq!(ids_in(&twilio, &get), ["SM1:x"]);
}
