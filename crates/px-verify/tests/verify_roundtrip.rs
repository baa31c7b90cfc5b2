//! Every record signs what it verifies and survives its serialised form, and
//! no input makes anything panic.

#![expect(clippy::unwrap_used, reason = "a test helper that fails should fail the test")]

mod verify_support;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;
use px_verify::Received;
use px_verify::providers;
use px_verify::record::{Keyring, Verification};
use px_verify::sign::{OutboundRequest, sign};
use px_verify::{Prepared, UrlView, parse_json};
use secrecy::SecretString;
use verify_support::{at_url, known_as, post, prepared};

const PAIR_HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\
                        03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8";
const PAIR: &str =
    "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8DoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuA==";
const SCALAR: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
const BASE64: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// Every record of the library, with a secret that can sign.
fn records() -> Vec<(Verification, &'static str)> {
    vec![
        (providers::slack("S"), "s"),
        (providers::slack_interactivity("S"), "s"),
        (providers::slack_command("S"), "s"),
        (providers::github("S"), "s"),
        (providers::twilio("S"), "s"),
        (providers::stripe("S"), "whsec_s"),
        (providers::shopify("S"), "s"),
        (providers::discord("S"), PAIR_HEX),
        (providers::discord_events("S"), PAIR_HEX),
        (providers::gitlab("S"), "s"),
        (providers::gitlab_signed("S"), BASE64),
        (providers::linear("S"), "s"),
        (providers::standard_webhooks("S"), BASE64),
        (providers::standard_webhooks_asymmetric("S"), PAIR),
        (providers::svix("S"), BASE64),
        (providers::mailgun("S"), "s"),
        (providers::mailgun_routes("S"), "s"),
        (providers::sendgrid("S"), SCALAR),
        (providers::sendgrid_inbound("S"), SCALAR),
        (providers::postmark_inbound("S"), "user:pass"),
        (providers::zoom("S"), "s"),
        (providers::meta("S", "T"), "s"),
        (providers::jira("S"), "s"),
        (providers::convoy("S"), "s"),
        (providers::convoy("S").sha512().base64(), "s"),
        (providers::convoy_advanced("S"), "s"),
        (providers::outpost("S"), "s"),
        (providers::timestamped("X-Forge", "S"), "s"),
        (providers::hmac("X-Signature", "S").prefix("sha256="), "s"),
        (providers::token_header("X-Token", "S"), "s"),
        (providers::bearer("S"), "s"),
        (providers::basic("S"), "user:pass"),
        (providers::token_query("a b", "S"), "c&d"),
        (providers::cloudevents("S"), "s"),
        (providers::jira_app("S"), "s"),
        (providers::unverified(), "s"),
    ]
}

/// `request` as the server sees it that is known as `https://px.example`.
fn as_received(request: OutboundRequest) -> Received {
    let tail = request.url.strip_prefix("https://px.example").unwrap();
    let (path, query) = tail.split_once('?').map_or((tail, None), |(path, query)| (path, Some(query)));
    let received = at_url(post(1_700_000_000, &[], request.body), path, query);
    // so that the record without verification answers too
    let remote = "127.0.0.1:1".parse().unwrap();
    Received { method: request.method, headers: request.headers, remote, ..received }
}

fn outgoing(content_type: &'static str, body: impl Into<Bytes>) -> OutboundRequest {
    OutboundRequest {
        method: Method::POST,
        url: "https://px.example/webhooks/x?a=1".to_owned(),
        headers: HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static(content_type))]),
        body: body.into(),
    }
}

fn signed(record: &Verification, secret: &str, mut request: OutboundRequest) -> Received {
    let at = post(1_700_000_000, &[], "").at;
    sign(record, &SecretString::from(secret), &mut request, at)
        .unwrap_or_else(|error| panic!("{}: {error}", record.provider));
    as_received(request)
}

#[test]
fn what_a_record_signs_it_verifies() {
    let urls = known_as("https://px.example");
    for (record, secret) in records() {
        for body in [r#"{"type":"x","webhookTimestamp":1}"#, "{}"] {
            let received = signed(&record, secret, outgoing("application/json", body));
            let verified = prepared(&record, secret).verify(&received, &urls);
            assert!(verified.is_ok(), "{}: {}", record.provider, verified.unwrap_err());
        }
    }
    let received =
        signed(&providers::twilio("S"), "s", outgoing("application/x-www-form-urlencoded", "b=2&a=1&a=&a=1"));
    assert!(prepared(&providers::twilio("S"), "s").verify(&received, &urls).is_ok());
}

#[test]
fn what_cannot_sign_says_so() {
    for (record, secret) in [
        (providers::discord("S"), &PAIR_HEX[64..]),
        (providers::sendgrid("S"), "MFkw"),
        (providers::standard_webhooks("S"), "whsec_!"),
        (providers::token_header("x", "S"), "line\nbreak"),
    ] {
        let mut request = outgoing("application/json", "{}");
        let error =
            sign(&record, &SecretString::from(secret), &mut request, post(1, &[], "").at).unwrap_err();
        assert!(error.to_string().starts_with("the secret cannot sign"), "{error}");
    }
    let mut request = outgoing("application/json", "[]");
    assert!(
        sign(&providers::linear("S"), &SecretString::from("s"), &mut request, post(1, &[], "").at).is_err()
    );
}

#[test]
fn records_survive_their_serialised_form() {
    for (record, _) in records() {
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Verification>(&json).unwrap(), record);
        let toml = toml::to_string(&record).unwrap();
        assert_eq!(toml::from_str::<Verification>(&toml).unwrap(), record, "{toml}");
    }
}

/// Header values near what the records expect, so that more than the first
/// check is reached.
fn header_value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "(v0=|v1=|sha256=|sha1=|t=[0-9]{0,20},v1=|v1,|v1a,|Bearer |Basic |)[0-9a-fA-F]{0,200}[ ,=+/]{0,3}(v1,|v1=)?[0-9a-f]{0,64}"
            .prop_map(String::into_bytes),
        "[0-9]{1,20}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..80),
    ]
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        "([a-z\\[\\]]{0,3}=[%0-9a-fA-F+]{0,6}&?){0,6}".prop_map(String::into_bytes),
        r#"\{"(type|signature|event|webhookTimestamp|a)":("url_verification"|[0-9]{1,25}|\{"timestamp":"?[0-9]{1,22}"?,"token":"x","signature":"[0-9a-f]{64}"\}|null)(,"challenge":"x")?\}"#
            .prop_map(String::into_bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_request_makes_anything_panic(
        values in proptest::collection::vec(header_value(), 1..4),
        content_type in prop_oneof![Just(""), Just("application/json"), Just("application/x-www-form-urlencoded")],
        body in body(),
        path in "[ -~]{0,20}",
        query in proptest::option::of("(hub.mode=subscribe|bodySHA256=[0-9a-f]{62,66}|ssl_check=1|[ -~]{0,20})&?[ -~]{0,20}"),
        host in "[ -~]{0,20}",
        get in any::<bool>(),
        at_secs in any::<u32>(),
        local in any::<bool>(),
    ) {
        let urls = UrlView { proxies: vec!["203.0.113.7".parse().unwrap()], ..UrlView::default() };
        for (record, secret) in records() {
            let mut received = at_url(post(at_secs.into(), &[], body.clone()), &path, query.as_deref());
            if get { received.method = Method::GET; }
            if local { received.remote = "127.0.0.1:1".parse().unwrap(); }
            // every header that the record names, with anything in it
            let names = serde_json::to_string(&record).unwrap();
            let names = names.split('"').filter_map(|word| word.parse::<HeaderName>().ok());
            let fixed = ["x-twilio-signature", "authorization", "x-forwarded-host"].map(HeaderName::from_static);
            for (name, value) in names.chain(fixed).zip(values.iter().cycle()) {
                if let Ok(value) = HeaderValue::from_bytes(value) {
                    received.headers.insert(name, value);
                }
            }
            received.headers.insert("host", host.parse().unwrap());
            received.headers.insert("content-type", HeaderValue::from_static(content_type));
            let prepared = Prepared::new(record, &Keyring::empty().with(SecretString::from(secret))).unwrap();
            let _ = prepared.greet(&received);
            let verified = prepared.verify(&received, &urls);
            let Ok(value) = prepared.parse(&received) else { continue };
            if let Ok(verified) = verified {
                let _ = prepared.handshake(&verified, value.value());
            }
            for event in prepared.events(&value) {
                let _ = (prepared.delivery_id(&received, event), prepared.event_type(&received, event));
            }
        }
    }

    #[test]
    fn strict_json_agrees_with_serde_json(text in r#"[\[\]{}",:0-9.eE\-a-c \\untrfls]{0,40}"#) {
        match (parse_json(text.as_bytes()), serde_json::from_str::<serde_json::Value>(&text)) {
            (Ok(strict), Ok(lax)) => prop_assert_eq!(strict, lax),
            (Err(error), Ok(_)) => prop_assert!(error.to_string().starts_with("duplicate key")),
            (Ok(_), Err(error)) => prop_assert!(false, "only serde_json refuses: {}", error),
            (Err(_), Err(_)) => {}
        }
    }

    #[test]
    fn what_is_signed_verifies_whatever_the_bytes(
        body in proptest::collection::vec(any::<u8>(), 0..300),
        which in 0..4_usize,
    ) {
        let record =
            [providers::github("S"), providers::slack("S"), providers::stripe("S"), providers::twilio("S")][which].clone();
        let received = signed(&record, "s", outgoing("application/x-www-form-urlencoded", body));
        prop_assert!(prepared(&record, "s").verify(&received, &known_as("https://px.example")).is_ok());
    }
}
