//! The two providers that put a timestamp, or everything, into the body. Their
//! vectors were made with Python's `hmac` by the documented formula.

mod verify_support;

use px_core::Timestamp;
use px_verify::UrlView;
use px_verify::providers;
use verify_support::{class, post, prepared, verify};

const NOW: u64 = 1_700_000_000;
const JSON: (&str, &str) = ("content-type", "application/json");

/// Linear has its time in the body, so its mutations are of their own kind.
#[test]
fn linear_takes_the_time_from_the_signed_body() {
    let prepared = prepared(&providers::linear("S"), "lin_wh_secret");
    let headers = [
        ("Linear-Signature", "cc7c6aa5c9deb1321b268a3ef811faa10bf4a9e6302baac721dcd4801b3c7712"),
        ("Linear-Timestamp", "0"),
        JSON,
    ];
    let mut received =
        post(NOW, &headers, r#"{"type":"Issue","action":"update","webhookTimestamp":1700000000123}"#);
    let mut at = |millis| {
        received.at = Timestamp::from_millis(millis);
        verify(&prepared, &received, &UrlView::default()).map(|verified| verified.timestamp)
    };
    assert_eq!(at(1_700_000_060_123), Ok(Some(Timestamp::from_millis(1_700_000_000_123))));
    assert_eq!(at(1_700_000_060_124), Err("too_old"));
    assert_eq!(at(1_699_999_940_122), Err("too_new"));
}

/// Mailgun has everything in the body, and signs nothing of the event.
#[test]
fn mailgun_signs_timestamp_and_token() {
    const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef01";
    const SIGNATURE: &str = "9bd5d88b3b1ab9e63f014ccc295f864e559e628ec71550aa55641ec5b9002736";
    let prepared_mailgun = prepared(&providers::mailgun("S"), "key-mail");
    let body = |timestamp: &str, token: &str, signature: &str| {
        format!(
            r#"{{"signature":{{"timestamp":{timestamp},"token":"{token}","signature":"{signature}"}},"event-data":{{"event":"opened"}}}}"#
        )
    };
    let class_at = |at, body: String| class(&prepared_mailgun, &post(at, &[JSON], body));
    let good = body("\"1700000000\"", TOKEN, SIGNATURE);
    assert_eq!(class_at(NOW, good.clone()), Ok(()));
    assert_eq!(class_at(NOW, body("1700000000", TOKEN, SIGNATURE)), Ok(()));
    assert_eq!(class_at(NOW, body("\"1700000001\"", TOKEN, SIGNATURE)), Err("invalid"));
    assert_eq!(class_at(NOW, body("\"1700000000\"", "other", SIGNATURE)), Err("invalid"));
    assert_eq!(class_at(NOW, body("\"1e9\"", TOKEN, SIGNATURE)), Err("malformed"));
    assert_eq!(class_at(NOW, body("\"1700000000\"", TOKEN, "00")), Err("malformed"));
    assert_eq!(class_at(NOW, "{}".to_owned()), Err("missing"));
    assert_eq!(class_at(NOW, "not json".to_owned()), Err("malformed"));
    assert_eq!(class_at(NOW + 86_401, good.clone()), Err("too_old"));
    assert_eq!(class_at(NOW - 86_401, good.clone()), Err("too_new"));
    let other = prepared(&providers::mailgun("S"), "another");
    assert_eq!(class(&other, &post(NOW, &[JSON], good)), Err("invalid"));
}
