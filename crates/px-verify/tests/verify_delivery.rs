//! What is read from a request beside its signature: handshakes, ids, batches
//! and bodies; and the records that do not start.

#![expect(clippy::unwrap_used, reason = "a test helper that fails should fail the test")]

mod verify_support;

use http::Method;
use px_verify::Received;
use px_verify::providers;
use px_verify::record::{
    BodyForm, Handshake, Keyring, Part, Scheme, Signature, Source, TimeSource, Verification, When, Window,
};
use px_verify::{BodyErrorKind, Content, Element, MAX_ID_BYTES, PrepareError, Prepared, Refusal, UrlView};
use secrecy::SecretString;
use serde_json::{Value, json};
use verify_support::{at_url, class, post, prepared};

const NOW: u64 = 1_700_000_000;
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("content-type", "application/json");

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

/// What a handshake in `body` is answered, once `record` has verified it.
fn answered(record: &Verification, body: &Value) -> Option<(u16, String, String)> {
    let prepared = Prepared::new(record.clone(), &Keyring::empty()).unwrap();
    let received =
        Received { remote: "127.0.0.1:1".parse().unwrap(), ..post(NOW, &[JSON], body.to_string()) };
    let verified = prepared.verify(&received, &UrlView::default()).unwrap();
    let reply = prepared.handshake(&verified, prepared.parse(&received).unwrap().value())?;
    Some((reply.status, reply.content_type, reply.body))
}

#[test]
fn signed_handshakes_are_answered_after_verification() {
    let json_type = "application/json".to_owned();
    let slack = providers::slack("S");
    assert_eq!(
        answered(&slack, &json!({"type": "url_verification", "challenge": "3eZbrw", "token": "x"})),
        Some((200, json_type.clone(), r#"{"challenge":"3eZbrw"}"#.to_owned()))
    );
    assert_eq!(answered(&slack, &json!({"type": "event_callback", "challenge": "x"})), None);
    assert_eq!(answered(&slack, &json!({"type": "url_verification"})), None);
    assert_eq!(answered(&slack, &json!({"type": "url_verification", "challenge": "x".repeat(5000)})), None);
    let discord = |record| (answered(&record, &json!({"type": 1})), answered(&record, &json!({"type": 0})));
    assert_eq!(
        discord(providers::discord("S")).0,
        Some((200, json_type.clone(), r#"{"type":1}"#.to_owned()))
    );
    assert_eq!(discord(providers::discord("S")).1, None);
    assert_eq!(discord(providers::discord_events("S")).1, Some((204, json_type, String::new())));

    // Zoom's answer is a MAC, so it takes the key that verified
    let zoom = prepared(&providers::zoom("S"), "zoomsecret");
    let body = r#"{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}"#;
    let mut request = px_verify::sign::OutboundRequest {
        method: Method::POST,
        url: "https://px.example/webhooks/zoom".to_owned(),
        headers: http::HeaderMap::new(),
        body: body.into(),
    };
    let received = post(NOW, &[JSON], body);
    px_verify::sign::sign(&providers::zoom("S"), &secret("zoomsecret"), &mut request, received.at).unwrap();
    let received = Received { headers: request.headers, ..received };
    let verified = zoom.verify(&received, &UrlView::default()).unwrap();
    let reply = zoom.handshake(&verified, zoom.parse(&received).unwrap().value()).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&reply.body).unwrap(),
        json!({
            "plainToken": "qgg8vlvZRS6UYooatFL8Aw",
            "encryptedToken": "83b2a60d4bbe49dc93763ed9e727a9a7690cbe4c1f8bb0adc0ffccd09ecb1384",
        })
    );
}

#[test]
fn unsigned_handshakes_come_by_get() {
    let keyring = Keyring::empty().with(secret("app")).with_verify_token(secret("meatyhamhock"));
    let meta = Prepared::new(providers::meta("S", "META_VERIFY_TOKEN"), &keyring).unwrap();
    let get = |query: &str| Received { method: Method::GET, ..at_url(post(NOW, &[], ""), "/", Some(query)) };
    let ask = |meta: &Prepared, query: &str| {
        meta.greet(&get(query))
            .map(|answer| answer.map(|reply| reply.body).map_err(|refusal| refusal.class()))
    };
    let good = "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=meatyhamhock";
    assert_eq!(ask(&meta, good), Some(Ok("1158201444".to_owned())));
    assert_eq!(ask(&meta, &good.replace("hamhock", "hamhoc")), Some(Err("invalid")));
    assert_eq!(ask(&meta, "hub.mode=subscribe&hub.challenge=1"), Some(Err("missing")));
    assert_eq!(ask(&meta, "hub.mode=subscribe&hub.verify_token=meatyhamhock"), Some(Err("missing")));
    assert_eq!(ask(&meta, "hub.mode=unsubscribe"), None);
    assert!(meta.greet(&post(NOW, &[], good)).is_none());
    let reply = meta.greet(&get(&good.replace("1158201444", "%3Cscript%3E"))).unwrap().unwrap();
    assert_eq!((reply.content_type.as_str(), reply.body.as_str()), ("text/plain; charset=utf-8", "<script>"));
    // without a token nobody is let in
    let open = Prepared::new(providers::meta("S", "META_VERIFY_TOKEN"), &Keyring::empty()).unwrap();
    assert!(matches!(
        open.greet(&get(good)),
        Some(Err(Refusal::Unverified { variable: Some(_), why: None }))
    ));

    let command = prepared(&providers::slack_command("S"), "s");
    assert_eq!(command.greet(&get("ssl_check=1")).unwrap().unwrap().status, 200);
    assert!(command.greet(&get("")).is_none());
    assert!(prepared(&providers::github("S"), "s").greet(&get("ssl_check=1")).is_none());
}

#[test]
fn ids_and_kinds_are_found_where_the_provider_puts_them() {
    let found = |record: Verification, headers: &[(&str, &str)], body: Value| {
        let (prepared, received) =
            (Prepared::new(record, &Keyring::empty()).unwrap(), post(NOW, headers, ""));
        let event = Element::of(&body);
        (prepared.delivery_id(&received, event).unwrap(), prepared.event_type(&received, event))
    };
    let some = |id: &str, kind: &str| (Some(id.to_owned()), Some(kind.to_owned()));
    let guid = [("X-GitHub-Delivery", "72d3162e"), ("X-GitHub-Event", "issues")];
    assert_eq!(found(providers::github("S"), &guid, json!({})), some("72d3162e", "issues"));
    assert_eq!(found(providers::github("S"), &[], json!({})), (None, None));
    let message = json!({"type": "event_callback", "event_id": "Ev1", "event": {"type": "message"}});
    assert_eq!(found(providers::slack("S"), &[], message), some("Ev1", "message"));
    let token = [("I-Twilio-Idempotency-Token", "tok")];
    let sms = json!({"MessageSid": "SM1", "SmsStatus": "received"});
    assert_eq!(found(providers::twilio("S"), &token, sms.clone()), some("tok", "received"));
    assert_eq!(found(providers::twilio("S"), &[], sms), some("SM1:received", "received"));
    let call = json!({"CallSid": "CA1", "CallStatus": "in-progress", "Digits": "1"});
    assert_eq!(found(providers::twilio("S"), &[], call), (None, Some("in-progress".to_owned())));
    let meeting = json!({"event": "meeting.started", "event_ts": 1_700_000_000_000_u64,
                         "payload": {"object": {"id": "1:2"}}});
    assert_eq!(
        found(providers::zoom("S"), &[], meeting),
        some(r"meeting.started:1700000000000:1\:2", "meeting.started")
    );

    let binary = [("ce-source", "/a"), ("ce-id", "1"), ("ce-type", "x.y")];
    assert_eq!(found(providers::cloudevents("S"), &binary, json!({})), some("/a:1", "x.y"));
    let structured = json!({"source": "/a", "id": "1", "type": "x.y"});
    assert_eq!(found(providers::cloudevents("S"), &[], structured), some("/a:1", "x.y"));

    // bounded, and neither cut nor dropped
    let long = "x".repeat(MAX_ID_BYTES + 1);
    let (id, _) = found(providers::stripe("S"), &[], json!({"id": long}));
    assert!(id.as_deref().is_some_and(|id| id.starts_with("sha256:") && id.len() == 71), "{id:?}");
    let fits = "x".repeat(MAX_ID_BYTES);
    assert_eq!(found(providers::stripe("S"), &[], json!({"id": fits})).0, Some(fits));
    for nothing in [json!({}), json!({"id": null}), json!([]), json!("x")] {
        assert_eq!(found(providers::stripe("S"), &[], nothing).0, None);
    }
}

#[test]
fn joined_ids_are_unambiguous() {
    let record = providers::unverified().dedup(Source::pointers(["/a", "/b"]));
    let prepared = Prepared::new(record, &Keyring::empty()).unwrap();
    let id = |a: &str, b: &str| {
        let event = json!({"a": a, "b": b});
        prepared.delivery_id(&post(NOW, &[], ""), Element::of(&event)).unwrap().unwrap()
    };
    assert_ne!(id("x:y", "z"), id("x", "y:z"));
    assert_ne!(id("x\\", ":z"), id("x\\:", "z"));
    assert_eq!(id("x", "y"), "x:y");
}

#[test]
fn a_batch_is_several_events() {
    let sendgrid = Prepared::new(providers::sendgrid("S"), &Keyring::empty()).unwrap();
    let batch = json!([{"sg_event_id": "e1", "event": "open"}, {"sg_event_id": "e2", "event": "click"}]);
    let received = post(NOW, &[], "");
    let batch = Content::from(batch);
    let ids: Vec<_> = sendgrid
        .events(&batch)
        .into_iter()
        .filter_map(|event| sendgrid.delivery_id(&received, event).unwrap())
        .collect();
    assert_eq!(ids, ["e1", "e2"]);
    assert_eq!(sendgrid.into_events(batch.clone()).len(), 2);
    assert_eq!(sendgrid.events(&json!({"not": "a batch"}).into()).len(), 1);
    let github = Prepared::new(providers::github("S"), &Keyring::empty()).unwrap();
    assert_eq!(github.events(&batch).len(), 1);
}

#[test]
fn bodies_have_the_declared_form() {
    let parse = |form: BodyForm, content_type: Option<&str>, body: &'static [u8]| {
        let prepared = Prepared::new(providers::unverified().body(form), &Keyring::empty()).unwrap();
        let headers: Vec<_> = content_type.map(|value| ("content-type", value)).into_iter().collect();
        let read = prepared.parse(&post(NOW, &headers, body));
        read.map(Content::into_value).map_err(|error| (error.kind(), error.to_string()))
    };
    let payload = || BodyForm::ByContentType { payload_field: Some("payload".to_owned()) };
    let json_object = json!({"a": 1});
    for content_type in [
        None,
        Some("application/json"),
        Some("Application/JSON; charset=utf-8"),
        Some("application/cloudevents+json"),
    ] {
        assert_eq!(
            parse(BodyForm::Json, content_type, br#"{"a":1}"#),
            Ok(json_object.clone()),
            "{content_type:?}"
        );
    }
    assert_eq!(parse(payload(), Some(FORM.1), b"payload=%7B%22a%22%3A1%7D&x=y"), Ok(json_object.clone()));
    assert_eq!(parse(BodyForm::default(), Some(FORM.1), b"a=1&b[]=2"), Ok(json!({"a": "1", "b": ["2"]})));
    assert_eq!(parse(payload(), Some("application/json"), br#"{"a":1}"#), Ok(json_object));
    assert_eq!(parse(BodyForm::Form, None, b"a=1"), Ok(json!({"a": "1"})));

    let kind = |form, content_type, body| parse(form, content_type, body).unwrap_err();
    for (form, content_type) in [
        (BodyForm::Json, FORM.1),
        (BodyForm::Json, "text/plain"),
        (BodyForm::Json, ""),
        (BodyForm::Form, JSON.1),
        (payload(), "multipart/form-data; boundary=x"),
        (payload(), "application/xml"),
    ] {
        assert_eq!(kind(form, Some(content_type), b"{}").0, BodyErrorKind::UnsupportedType, "{content_type}");
    }
    for (body, text) in [
        (&b"{\"a\":1,\"a\":2}"[..], "duplicate key `a`"),
        (b"{\"a\"", "not valid JSON"),
        (b"\xff{}", "not UTF-8"),
        (b"{\"a\":\"\xff\"}", "not UTF-8"),
        (b"", "is empty"),
    ] {
        let (kind, found) = kind(BodyForm::Json, None, body);
        assert_eq!(kind, BodyErrorKind::Syntax);
        assert!(found.contains(text), "{found}");
    }
    assert_eq!(kind(payload(), Some(FORM.1), b"payload=nope").0, BodyErrorKind::Syntax);
    assert_eq!(kind(payload(), Some(FORM.1), b"payload={}&payload={}").0, BodyErrorKind::Syntax);
    assert_eq!(kind(BodyForm::Form, Some(FORM.1), b"a=%ff").0, BodyErrorKind::Syntax);
}

#[test]
fn a_record_that_would_not_protect_does_not_start() {
    let start = |record: Verification, text: &str| {
        Prepared::new(record, &Keyring::empty().with(secret(text))).map(|_| ()).unwrap_err()
    };
    let hmac = || providers::hmac("X-Sig", "NAME");
    let record = |refused: PrepareError, text: &str| {
        assert!(matches!(&refused, PrepareError::Record(why) if why.contains(text)), "{refused}");
    };
    record(start(hmac().timestamp_header("X-Time"), "s"), "timestamp is not among the signed parts");
    record(start(hmac().signed([Part::literal("x")]), "s"), "body is not among the signed parts");
    record(start(hmac().signed([Part::Timestamp, Part::Body]), "s"), "does not say in which header");
    record(start(hmac().signed([Part::Id, Part::Body]), "s"), "does not say in which header");
    let tagged =
        hmac().timestamp(Window::new(TimeSource::Tag("t".to_owned()))).signed([Part::Timestamp, Part::Body]);
    record(start(tagged, "s"), "tagged layout");
    assert_eq!(
        start(providers::hmac("no header", "NAME"), "s"),
        PrepareError::Header("no header".to_owned())
    );
    assert_eq!(start(providers::twilio("NAME").hex(), "s"), PrepareError::Misapplied("hex"));
    assert_eq!(
        start(providers::github("NAME").tolerance(std::time::Duration::from_secs(1)), "s"),
        PrepareError::Misapplied("tolerance")
    );
    for (record, text) in [
        (providers::standard_webhooks("NAME"), "whsec_!"),
        (providers::standard_webhooks("NAME"), "whsec_"),
        (providers::discord("NAME"), "00"),
        (providers::discord("NAME"), "xyz"),
        (providers::sendgrid("NAME"), "AAAA"),
    ] {
        let refused = start(record, text);
        assert!(matches!(&refused, PrepareError::Key { variable, .. } if variable == "NAME"), "{refused}");
    }
    // also while there is no secret, so that setting one is no surprise
    assert!(Prepared::new(hmac().timestamp_header("X-Time"), &Keyring::empty()).is_err());
}

#[test]
fn a_record_of_px_toml_verifies() {
    let record: Verification = toml::from_str(
        r#"
        provider = "acme"
        secret = "ACME_SECRET"
        dedup = [{ header = "acme-delivery" }, { joined = [{ pointer = "/id" }, { pointer = "/n" }] }]

        [handshake.echo]
        when = { pointer = "/kind", equals = "hello" }
        pointer = "/nonce"

        [scheme.signature]
        header = "Stripe-Signature"
        layout = { tagged = { separator = ",", delimiter = "=", tag = "v1" } }
        signed = ["timestamp", { literal = "." }, "body"]
        window = { source = { tag = "t" } }
        "#,
    )
    .unwrap();
    let body = "{\"id\":\"evt_1\",\"object\":\"event\",\"type\":\"invoice.paid\",\
                \"data\":{\"object\":{\"note\":\"café\"}}}";
    let value = "t=1700000000,v1=f6a3033cdff46d21e87b6aaf46dfeaff91159a59bd09226431db3ae526049a56";
    let acme = prepared(&record, "whsec_5f8b2c1de09a47");
    assert_eq!(class(&acme, &post(NOW, &[("stripe-signature", value)], body)), Ok(()));
    assert_eq!(class(&acme, &post(NOW + 301, &[("stripe-signature", value)], body)), Err("too_old"));
    let expected = Verification::new("x", None, Scheme::Signature(Signature::new("x")))
        .handshake(Handshake::Echo { when: When::new("/kind", "hello"), pointer: "/nonce".to_owned() });
    assert_eq!(record.handshake, expected.handshake);
    for junk in ["secret = 1", "scheme = \"nonsense\"", "scheme = \"twilio\"\nunknown = 1"] {
        assert!(toml::from_str::<Verification>(junk).is_err(), "{junk}");
    }
}
