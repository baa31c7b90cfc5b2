//! What senders write, up to the inbox: what is taken, kept in quarantine or kept
//! as rejected, and which ids that uses up (docs/rules.md#52, #53, #54).

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod audited;

use audited::Audited;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use px_core::Scope;
use px_sdk::verify::{BodyForm, Source, Verification};
use px_sdk::{Inbound, Kind, Registry, Result, verify};
use px_store::{Admission, Delivery, Draft, InboxState, Outcome};
use px_testkit::World;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Text {
    text: String,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
struct Posted {
    key: Option<String>,
    number: Option<u64>,
    own: Option<String>,
    event: Option<Kind<Tagged>>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Tagged {
    Sized { width: u32 },
}

fn text(key: Option<String>, number: Option<u64>) -> Inbound<Text> {
    let text = Text { text: number.map_or_else(String::new, |number| number.to_string()) };
    Inbound::resume(key.unwrap_or_else(|| "k".to_owned()), text)
}

async fn take(posted: Posted) -> Result<Inbound<Text>> {
    if let Some(Kind::Known(Tagged::Sized { width })) = posted.event {
        return Ok(text(posted.key, Some(width.into())));
    }
    let inbound = text(posted.key, posted.number);
    Ok(match posted.own {
        Some(own) => inbound.provider_id(own),
        None => inbound,
    })
}

/// The JSON in a form's field, or alone: the id is in a header.
mod field {
    use super::*;
    px_sdk::webhook! {
        slug = "field",
        payload = Posted,
        response = Text,
        verify = verify::unverified()
            .body(BodyForm::ByContentType { payload_field: Some("payload".to_owned()) })
            .dedup_header("x-id"),
        handler = take,
    }
}

/// JSON: the id is in the body.
mod pointer {
    use super::*;
    px_sdk::webhook! {
        slug = "pointer",
        payload = Posted,
        response = Text,
        verify = verify::unverified().body(BodyForm::Json).dedup_pointer("/id"),
        handler = take,
    }
}

/// Several events in a body, whose id is in a header.
mod several {
    use super::*;
    px_sdk::webhook! {
        slug = "several",
        payload = Posted,
        response = Text,
        verify = verify::unverified().batch("/events").dedup_header("x-id"),
        handler = take,
    }
}

fn cloudevents() -> Verification {
    verify::unverified().body(BodyForm::CloudEvents).dedup(Source::header("ce-id")).dedup_pointer("/id")
}

/// CloudEvents with any data.
mod cloud {
    use super::*;
    px_sdk::webhook! {
        slug = "cloud",
        payload = Value,
        response = Text,
        verify = cloudevents(),
        handler = receive,
    }
    async fn receive(data: Value) -> Result<Inbound<Text>> {
        Ok(Inbound::resume("k", Text { text: data.to_string() }))
    }
}

fn world() -> Audited {
    Audited::new(Registry::collect().unwrap())
}

async fn send(world: &World, slug: &str, headers: &[(&'static str, &str)], body: &[u8]) -> (u16, Value) {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    let answer = world.send(slug, map, body.to_vec().into()).await.unwrap();
    (answer.status, serde_json::from_str(&answer.body).unwrap())
}

#[tokio::test]
async fn rule_52_what_is_not_understood_is_set_aside_and_uses_up_no_id() {
    for body in [&br#"{"number":1}"#[..], b"[]", b"other=1", b""] {
        let world = world();
        let (status, reply) = send(&world, "field", &[FORM, ("x-id", "1")], body).await;
        assert_eq!((status, &reply["code"]), (422, &json!("PX0024")), "{reply}");
        assert_eq!(reply["violations"][0]["path"], "");
        let kept = &world.inbox().await.unwrap()[0];
        assert_eq!(kept.events[0].state, InboxState::Quarantined);
        assert_eq!(kept.body, body);
        // Sent as what it is, the same id is taken, and takes the place of the one before.
        let (status, reply) = send(&world, "field", &[JSON, ("x-id", "1")], br#"{"number":1}"#).await;
        assert_eq!((status, &reply["action"]), (200, &json!("queued")), "{reply}");
        let before = &world.inbox().await.unwrap()[0].events[0];
        assert_eq!(before.state, InboxState::Ignored, "{before:?}");
    }
}

#[tokio::test]
async fn rule_53_what_cannot_be_read_is_kept_as_rejected_with_its_bytes() {
    for (headers, body, status) in [
        (&[JSON][..], &b"{\"action\": opened}"[..], 400),
        (&[JSON], b"", 400),
        (&[JSON], b"\xff\xfe", 400),
        (&[JSON], br#"{"a":1,"a":2}"#, 400),
        (&[("content-type", "text/plain")], b"hello", 415),
        (&[FORM], b"payload=%ff", 400),
        (&[JSON, FORM], b"{}", 400),
        (&[JSON, ("content-encoding", "gzip")], b"\x1f\x8b", 415),
    ] {
        let world = world();
        let headers: Vec<_> = headers.iter().copied().chain([("x-id", "1")]).collect();
        let (answered, reply) = send(&world, "field", &headers, body).await;
        assert_eq!(answered, status, "{reply}");
        let inbox = world.inbox().await.unwrap();
        let [kept] = inbox.as_slice() else { panic!("{inbox:?}") };
        assert_eq!((kept.slug.as_str(), kept.status, &kept.body[..]), ("field", status, body));
        let event = &kept.events[0];
        assert_eq!(event.state, InboxState::Rejected);
        let why = event.reason.as_deref().unwrap();
        assert_eq!(why, format!("unreadable: {}", reply["error"].as_str().unwrap()));
        // The id is free, and a px that still cannot read it says so to an operator.
        let (status, _) = send(&world, "field", &[JSON, ("x-id", "1")], b"{}").await;
        assert_eq!(status, 200);
        let replayed = world.replay(kept.id).await.unwrap_err().to_string();
        assert!(replayed.contains("cannot be read"), "{replayed}");
    }
}

#[tokio::test]
async fn rule_53_what_is_read_later_does_nothing_that_another_delivery_has_done() {
    for is_done in [true, false] {
        let world = world();
        let (status, _) = send(&world, "field", &[JSON, ("x-id", "1")], b"{").await;
        assert_eq!(status, 400);
        let kept = world.inbox().await.unwrap().pop().unwrap();
        if is_done {
            let (_, reply) = send(&world, "field", &[JSON, ("x-id", "1")], br#"{"number":1}"#).await;
            assert_eq!(reply["action"], "queued", "{reply}");
        }
        // As a px does that has learnt to read it.
        let (registry, ids) = (Registry::collect().unwrap(), px_core::Ids::counted(1_000_000));
        let mut draft = Draft::new(&**world.rows(), &registry, &ids, Scope::default(), world.now());
        draft.put_delivery(Delivery { body: Bytes::from_static(br#"{"number":1}"#), ..kept.clone() });
        let mut batch = draft.into_batch();
        batch.deliveries.iter_mut().for_each(|write| write.new = false);
        let outcome = world.rows().commit(batch, Admission::Wait).await.unwrap();
        assert!(matches!(outcome, Outcome::Committed { .. }), "{outcome:?}");
        for again in [false, true] {
            let replayed = world.replay(kept.id).await;
            let inbox = world.inbox().await.unwrap();
            let queued = inbox.iter().flat_map(|kept| &kept.events);
            assert_eq!(queued.filter(|event| event.state == InboxState::Queued).count(), 1, "{inbox:?}");
            if is_done && again {
                assert!(replayed.unwrap_err().to_string().contains("duplicate"));
            }
        }
        assert!(world.audit().await.unwrap().is_clean());
    }
}

#[tokio::test]
async fn rule_53_half_a_surrogate_pair_is_taken_and_its_bytes_are_kept() {
    let world = world();
    let body = br#"{"id":"1","title":"cut \ud83e","number":1}"#;
    let (status, reply) = send(&world, "pointer", &[JSON], body).await;
    assert_eq!((status, &reply["action"]), (200, &json!("queued")));
    assert_eq!(&world.inbox().await.unwrap()[0].body[..], body);
    let (status, _) = send(&world, "pointer", &[JSON], "\u{feff}{\"id\":\"2\"}".as_bytes()).await;
    assert_eq!(status, 200);
    // In the identifier two of them would meet.
    for key in [r"a\ud83e", r"a\ud83f", "a\u{fffd}"] {
        let body = format!(r#"{{"id":"{key}","key":"{key}"}}"#);
        let (status, reply) = send(&world, "pointer", &[JSON], body.as_bytes()).await;
        assert_eq!(status, 422, "{reply}");
        assert!(reply["violations"][0]["message"].as_str().unwrap().contains("U+FFFD"), "{reply}");
    }
}

#[tokio::test]
async fn rule_54_two_events_whose_ids_differ_in_writing_have_two_effects() {
    let world = world();
    let ids = [
        "123456789012345678901",
        "123456789012345678902",
        "1.0",
        "1",
        "1e0",
        r#""\ud83e""#,
        r#""\ud83f""#,
        "\"\u{fffd}\"",
        &format!("\"{}\"", "x".repeat(300)),
        &format!("\"{}y\"", "x".repeat(299)),
    ];
    for id in ids {
        let (_, reply) = send(&world, "pointer", &[JSON], format!(r#"{{"id":{id}}}"#).as_bytes()).await;
        assert_eq!(reply["action"], "queued", "{id}: {reply}");
    }
    for id in ids {
        let (_, reply) = send(&world, "pointer", &[JSON], format!(r#"{{"id" : {id} }}"#).as_bytes()).await;
        assert_eq!(reply["action"], "duplicate", "{id}: {reply}");
    }
}

#[tokio::test]
async fn rule_54_an_id_that_is_none_is_set_aside() {
    for id in ["true", "[]", "{}", r#""""#] {
        let world = world();
        for _ in 0..2 {
            let (status, reply) =
                send(&world, "pointer", &[JSON], format!(r#"{{"id":{id}}}"#).as_bytes()).await;
            assert_eq!((status, &reply["violations"][0]["path"]), (422, &json!("/id")), "{reply}");
        }
        let inbox = world.inbox().await.unwrap();
        assert!(inbox.iter().all(|kept| kept.events[0].state == InboxState::Quarantined), "{inbox:?}");
    }
    let world = world();
    for (headers, expected) in [
        (&[JSON, ("x-id", "a"), ("x-id", "b")][..], 422),
        (&[JSON, ("x-id", "")], 422),
        (&[JSON, ("x-id", "a"), ("x-id", "a")], 200),
        (&[JSON], 200),
    ] {
        assert_eq!(send(&world, "field", headers, b"{}").await.0, expected, "{headers:?}");
    }
    // Ids of the handler's own are bounded as a provider's are.
    let long = "x".repeat(300);
    let (status, _) = send(&world, "field", &[JSON], format!(r#"{{"own":"{long}"}}"#).as_bytes()).await;
    assert_eq!(status, 200);
    let inbox = world.inbox().await.unwrap();
    let own = inbox.last().unwrap().events[0].provider_id.as_deref().unwrap();
    assert!(own.starts_with("sha256:"), "{own}");
    assert_eq!(send(&world, "field", &[JSON], br#"{"own":""}"#).await.0, 422);
}

#[tokio::test]
async fn rule_53_integral_numbers_fit_and_what_does_not_fit_has_a_path() {
    let world = world();
    for (number, expected) in [
        ("2.0", 200),
        ("1e1", 200),
        ("-0", 200),
        ("18446744073709551615", 200),
        ("2.5", 422),
        ("-1", 422),
        ("18446744073709551616", 422),
        ("1e30", 422),
    ] {
        let (status, reply) =
            send(&world, "pointer", &[JSON], format!(r#"{{"number":{number}}}"#).as_bytes()).await;
        assert_eq!(status, expected, "{number}: {reply}");
        if status == 422 {
            assert_eq!(reply["violations"][0]["path"], "/number", "{number}: {reply}");
        }
    }
    for (width, expected) in [("7.0", 200), ("4294967296", 422), ("-1.0", 422)] {
        let body = format!(r#"{{"event":{{"type":"sized","width":{width}}}}}"#);
        let (status, reply) = send(&world, "pointer", &[JSON], body.as_bytes()).await;
        assert_eq!(status, expected, "{width}: {reply}");
        if status == 422 {
            assert_eq!(reply["violations"][0]["path"], "/event/width", "{width}: {reply}");
        }
    }
    let inbox = world.inbox().await.unwrap();
    let texts: Vec<_> = inbox.iter().filter_map(|kept| kept.events[0].response.clone()).collect();
    assert_eq!(texts[1], json!({"text": "10"}));
}

#[tokio::test]
async fn cloudevents_without_data_with_text_and_in_batches() {
    let world = world();
    let binary = |id: &'static str| [("ce-specversion", "1.0"), ("ce-id", id)];
    for (id, kind, body, data) in [
        ("1", None, "", "null"),
        ("2", Some("text/plain"), "hello", "\"hello\""),
        ("3", Some("application/json"), "[1]", "[1]"),
    ] {
        let headers: Vec<_> = binary(id).into_iter().chain(kind.map(|kind| ("content-type", kind))).collect();
        let (status, reply) = send(&world, "cloud", &headers, body.as_bytes()).await;
        assert_eq!((status, &reply["action"]), (200, &json!("queued")), "{reply}");
        let inbox = world.inbox().await.unwrap();
        assert_eq!(inbox.last().unwrap().events[0].response, Some(json!({"text": data})));
    }
    let batch = [("content-type", "application/cloudevents-batch+json")];
    let (_, reply) = send(&world, "cloud", &batch, br#"[{"id":"1"},{"id":"4"},{"id":"4"}]"#).await;
    let actions: Vec<_> = reply["events"].as_array().unwrap().iter().map(|one| &one["action"]).collect();
    assert_eq!(actions, ["duplicate", "queued", "duplicate"], "{reply}");
}

#[tokio::test]
async fn rule_54_events_of_an_array_are_told_apart_under_one_id_in_a_header() {
    let world = world();
    let sent = async |id: &str, body: &[u8]| {
        let (status, reply) = send(&world, "several", &[JSON, ("x-id", id)], body).await;
        assert_eq!(status, 200, "{reply}");
        let actions = reply["events"].as_array().unwrap().iter().map(|one| one["action"].clone());
        actions.collect::<Vec<_>>()
    };
    let body = br#"{"events":[{"number":1},{"number":2},{"number":3}]}"#;
    assert_eq!(sent("a", body).await, ["queued"; 3]);
    assert_eq!(sent("a", body).await, ["duplicate"; 3]);
    assert_eq!(sent("b", body).await, ["queued"; 3]);
    let inbox = world.inbox().await.unwrap();
    let ids: Vec<_> = inbox[0].events.iter().map(|event| event.provider_id.as_deref().unwrap()).collect();
    assert_eq!(ids, ["a", "a[1]", "a[2]"]);
    // As failed deliveries do: a retry takes the place of the one that did not fit.
    assert_eq!(
        send(&world, "several", &[JSON, ("x-id", "c")], br#"{"events":[{"number":-1},{}]}"#).await.0,
        422
    );
    assert_eq!(sent("c", body).await, ["queued"; 3]);
    let inbox = world.inbox().await.unwrap();
    assert_eq!(inbox[3].events[0].state, InboxState::Ignored, "{:?}", inbox[3].events);
}
