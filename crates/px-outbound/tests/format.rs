//! The bodies of the four formats, byte for byte, and the headers beside them.

#![expect(clippy::unwrap_used, reason = "test code: what is unexpected fails the test")]

use px_core::hook::{Format, Signing};
use px_core::lifecycle::{Envelope, Kind, RunRef};
use px_core::{CallbackId, EventId, RunId, RunStatus, Timestamp};
use px_outbound::format::{Links, MAX_BODY_BYTES, body, custom_header, headers};
use serde_json::{Map, Value, json};

fn envelope() -> Envelope {
    Envelope {
        id: EventId::from_bytes([1; 16]),
        kind: Kind::RunCompleted,
        seq: 17,
        at: Timestamp::from_millis(1_768_473_000_123),
        is_final: true,
        run: Some(RunRef {
            id: RunId::from_bytes([2; 16]),
            brain: "customer-feedback".to_owned(),
            status: RunStatus::Complete,
            request_id: Some("req-1".to_owned()),
            labels: px_core::Labels::new(),
        }),
        change: Some((RunStatus::Running, RunStatus::Complete)),
        log_seq: 23,
        test: None,
        data: object(json!({ "result": { "ok": true }, "logSeq": 23 })),
    }
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn links() -> Links {
    Links::below("https://px.example/").unwrap()
}

fn text(format: Format, envelope: &Envelope, links: &Links) -> String {
    String::from_utf8(body(format, envelope, links).unwrap().to_vec()).unwrap()
}

const RUN: &str = r#""run":{"id":"run_02020202020202020202020202020202","brain":"customer-feedback","status":"complete","requestId":"req-1"},"from":"running","to":"complete","data":{"logSeq":23,"result":{"ok":true}},"api":{"runUrl":"https://px.example/brains/runs/run_02020202020202020202020202020202","eventsUrl":"https://px.example/brains/runs/run_02020202020202020202020202020202/events?after=23"}"#;

#[test]
fn hooks_2_the_four_formats_byte_for_byte() {
    let id = "evt_01010101010101010101010101010101";
    let run = "run_02020202020202020202020202020202";
    let at = "2026-01-15T10:30:00.123Z";
    for (format, expected) in [
        (
            Format::Px,
            format!(
                r#"{{"id":"{id}","type":"run.completed","seq":17,"timestamp":"{at}","isFinal":true,{RUN}}}"#
            ),
        ),
        (
            Format::CloudEvents,
            format!(
                r#"{{"specversion":"1.0","id":"{id}","source":"/brains/customer%2Dfeedback","type":"run.completed","subject":"{run}","time":"{at}","datacontenttype":"application/json","sequence":"00000000000000000017","data":{{"seq":17,"isFinal":true,{RUN}}}}}"#
            ),
        ),
        (
            Format::Forge,
            format!(
                r#"{{"event_type":"run.completed","agent_id":"{run}","request_id":"req-1","seq":17,"timestamp":"{at}","is_final":true,"payload":{{"id":"{id}",{RUN}}}}}"#
            ),
        ),
        (
            Format::Rdev,
            format!(
                r#"{{"event":"run.completed","timestamp":"{at}","data":{{"id":"{id}","seq":17,"isFinal":true,{RUN}}}}}"#
            ),
        ),
    ] {
        assert_eq!(text(format, &envelope(), &links()), expected, "{format:?}");
    }
}

#[test]
fn hooks_2_the_bytes_are_the_same_on_every_retry() {
    // As after a restart: the data was written and read in between.
    let mut stored = envelope();
    stored.data = serde_json::from_slice(&serde_json::to_vec(&stored.data).unwrap()).unwrap();
    for format in Format::ALL {
        assert_eq!(text(format, &envelope(), &links()), text(format, &stored, &links()));
    }
}

#[test]
fn hooks_6_no_event_id_so_that_receivers_cannot_deduplicate() {
    for format in Format::ALL {
        let id = envelope().id.to_string();
        assert!(text(format, &envelope(), &links()).contains(&id), "{format:?}");
        let headers = headers(format, &Signing::Standard, &envelope(), CallbackId::from_bytes([3; 16]));
        assert_eq!(headers["x-px-event-id"], id);
    }
}

#[test]
fn rule_48_links_are_left_out_where_no_api_listens() {
    for format in Format::ALL {
        let body = text(format, &envelope(), &Links::none());
        assert!(!body.contains("runUrl") && !body.contains(r#""api""#), "{body}");
    }
}

#[test]
fn hooks_1_a_wildcard_address_becomes_loopback_in_links() {
    for base in ["http://0.0.0.0:8787", "http://[::]:8787/", "http://0:8787"] {
        assert_eq!(Links::below(base), Links::below("http://127.0.0.1:8787"), "{base}");
    }
    let body = text(Format::Px, &envelope(), &Links::below("http://user:hunter2@px.example/p/?a#b").unwrap());
    assert!(body.contains("http://px.example/p/brains/runs/"), "{body}");
    assert_eq!(Links::below("ftp://px.example"), None);
    assert_eq!(Links::below("px.example"), None);
}

#[test]
fn hooks_2_a_body_over_256_kib_gives_its_data_for_a_link() {
    let mut big = envelope();
    big.data.insert("result".to_owned(), Value::String("x".repeat(MAX_BODY_BYTES)));
    let size = serde_json::to_vec(&big.data).unwrap().len();
    for format in Format::ALL {
        let thin = text(format, &big, &links());
        assert!(thin.len() < 2_000, "{format:?}");
        let link = "/events?after=22&limit=1";
        assert!(thin.contains(&format!("{link}\",\"dataBytes\":{size}")), "{thin}");
        assert_eq!(thin, text(format, &big, &links()), "thin bodies are stable, too");
    }
    assert!(!text(Format::Px, &big, &Links::none()).contains("dataUrl"), "there is nowhere to link to");
    // Exactly the limit is not over it.
    let mut fits = envelope();
    let without = text(Format::Px, &fits, &links()).len();
    fits.data.insert("pad".to_owned(), Value::String(String::new()));
    let pad = MAX_BODY_BYTES - without - r#""pad":"","#.len();
    fits.data.insert("pad".to_owned(), Value::String("x".repeat(pad)));
    assert_eq!(text(Format::Px, &fits, &links()).len(), MAX_BODY_BYTES);
    fits.data.insert("pad".to_owned(), Value::String("x".repeat(pad + 1)));
    assert!(text(Format::Px, &fits, &links()).contains("dataUrl"));
}

#[test]
fn an_event_of_no_run_has_no_seq_and_no_run() {
    let mut lone = envelope();
    (lone.run, lone.change, lone.seq, lone.kind) = (None, None, 0, Kind::HookDisabled);
    let body: Value = serde_json::from_str(&text(Format::Px, &lone, &links())).unwrap();
    for absent in ["seq", "run", "from", "to", "api"] {
        assert!(body.get(absent).is_none(), "{absent} in {body}");
    }
    let body: Value = serde_json::from_str(&text(Format::CloudEvents, &lone, &links())).unwrap();
    assert_eq!(body["source"], "/hooks");
}

#[test]
fn hooks_3_every_request_says_who_sends_it_and_what_it_is() {
    let delivery = CallbackId::from_bytes([3; 16]);
    let sent = headers(Format::Px, &Signing::Standard, &envelope(), delivery);
    assert_eq!(sent["user-agent"], concat!("px/", env!("CARGO_PKG_VERSION")));
    assert_eq!(sent["content-type"], "application/json");
    assert_eq!(sent["x-px-event"], "run.completed");
    assert_eq!(sent["x-px-delivery"], delivery.to_string());
    let sent = headers(Format::CloudEvents, &Signing::Github, &envelope(), delivery);
    assert_eq!(sent["content-type"], "application/cloudevents+json");
    assert_eq!(sent["x-github-event"], "run.completed");
    assert_eq!(sent["x-github-delivery"], envelope().id.to_string());
}

#[test]
fn a_hooks_own_headers_cannot_break_the_request_or_speak_for_px() {
    let (name, value) = custom_header("Authorization", "Bearer hunter2").unwrap();
    assert_eq!(name, "authorization");
    assert!(!format!("{value:?}").contains("hunter2"), "{value:?}");
    for name in [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "webhook-id",
        "X-Px-Event",
        "Proxy-Authorization",
        "a b",
    ] {
        assert!(custom_header(name, "x").is_err(), "{name}");
    }
    assert!(custom_header("X-Mine", "a\r\nHost: b").is_err());
}
