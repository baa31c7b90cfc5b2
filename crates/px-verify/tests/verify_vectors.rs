//! The providers' vectors, and mutations of them.
//!
//! Those marked *published* are in the providers' documentation or the
//! specification's repository. The others were made with the providers' own
//! libraries (stripe-python 16.1, twilio-python 9.13, slack_sdk 3.47, and
//! sendgrid-python 6.12 as the judge), with PyNaCl 1.6 where Discord names
//! it, and with Python's `hmac` by the documented formula where there is no
//! library; never with the code under test.

mod verify_support;

use bytes::Bytes;
use http::HeaderName;
use px_core::Timestamp;
use px_verify::Received;
use px_verify::UrlView;
use px_verify::providers;
use px_verify::record::{KeyForm, Scheme, Verification};
use verify_support::{at_url, known_as, post, prepared, verify};

/// One request that must verify.
struct Vector {
    record: Verification,
    secret: &'static str,
    wrong_secret: &'static str,
    received: Received,
    urls: UrlView,
    /// The headers without which the request is refused as `missing`.
    needed: &'static [&'static str],
}

impl Vector {
    fn new(record: Verification, secret: &'static str, received: Received) -> Self {
        let urls = UrlView::default();
        Self { record, secret, wrong_secret: "another", received, urls, needed: &[] }
    }

    fn needs(mut self, needed: &'static [&'static str]) -> Self {
        self.needed = needed;
        self
    }

    fn wrong(mut self, secret: &'static str) -> Self {
        self.wrong_secret = secret;
        self
    }

    fn known_as(mut self, public_url: &str) -> Self {
        self.urls = known_as(public_url);
        self
    }
}

const SLACK: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const SLACK_BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&\
    channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&\
    text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&\
    trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
const GITHUB: &str = "It's a Secret to Everybody";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("content-type", "application/json");
const NOW: u64 = 1_700_000_000;

/// *Published.*
fn published() -> Vec<Vector> {
    let slack = |record| {
        let headers = [
            ("X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
            ("X-Slack-Request-Timestamp", "1531420618"),
            FORM,
        ];
        Vector::new(record, SLACK, post(1_531_420_618, &headers, SLACK_BODY))
            .needs(&["x-slack-signature", "x-slack-request-timestamp"])
    };
    let hub = |record, header, value, body: &'static str, needed| {
        Vector::new(record, GITHUB, post(NOW, &[(header, value)], body)).needs(needed)
    };
    let twilio_body = "CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&\
                       To=%2B18005551212";
    let twilio = post(NOW, &[("X-Twilio-Signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8="), FORM], twilio_body);
    let standard = |record, id, at: u64, signature, secret, body: &'static str| {
        let at_text = at.to_string();
        let headers =
            [("webhook-id", id), ("webhook-timestamp", at_text.as_str()), ("webhook-signature", signature)];
        Vector::new(record, secret, post(at, &headers, body))
            .wrong("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
            .needs(&["webhook-id", "webhook-timestamp", "webhook-signature"])
    };
    const V1: (&str, u64, &str) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
    vec![
        slack(providers::slack("S")),
        slack(providers::slack_command("S")),
        hub(
            providers::github("S"),
            "X-Hub-Signature-256",
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
            "Hello, World!",
            &["x-hub-signature-256"],
        ),
        hub(
            providers::hmac("X-Hub-Signature", "S").sha1().prefix("sha1="),
            "X-Hub-Signature",
            "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59",
            "Hello, World!",
            &["x-hub-signature"],
        ),
        hub(
            providers::jira("S"),
            "X-Hub-Signature",
            "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9",
            "Hello World!",
            &["x-hub-signature"],
        ),
        Vector::new(providers::twilio("S"), "12345", at_url(twilio, "/myapp.php", Some("foo=1&bar=2")))
            .known_as("https://mycompany.com")
            .needs(&["x-twilio-signature"]),
        standard(
            providers::standard_webhooks("S"),
            V1.0,
            V1.1,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            V1.2,
        ),
        standard(
            providers::gitlab_signed("S"),
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1_649_367_553,
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            r#"{"email":"test@example.com","username":"test_user"}"#,
        ),
        standard(
            providers::standard_webhooks_asymmetric("S"),
            V1.0,
            V1.1,
            "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==",
            "6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==",
            V1.2,
        )
        .wrong("whpk_ebVWLo/mVPlAeLES6KmLp5AfhTrmlb7X4OORC60ElmQ="),
    ]
}

fn made_with_the_providers_libraries() -> Vec<Vector> {
    let simple = |record, secret, header: &'static str, value: &str, body: &'static str| {
        let needed: &'static [&'static str] = Box::leak(Box::new([header]));
        Vector::new(record, secret, post(NOW, &[(header, value), JSON], body)).needs(needed)
    };
    let with_time = |record, secret, headers: [(&'static str, &str); 2], body: &'static str| {
        let needed: &'static [&'static str] = Box::leak(Box::new(headers.map(|(name, _)| name)));
        let headers = [headers[0], headers[1], JSON];
        Vector::new(record, secret, post(NOW, &headers, body)).needs(needed)
    };
    let twilio = |headers: &[(&str, &str)], query, body: &'static str| {
        let received = at_url(post(NOW, headers, body), "/webhooks/twilio", query);
        Vector::new(providers::twilio("S"), "12345", received)
            .known_as("https://px.example/")
            .needs(&["x-twilio-signature"])
    };
    let interactivity =
        "payload=%7B%22type%22%3A%22block_actions%22%2C%22trigger_id%22%3A%22123.456.abc%22%7D";
    vec![
        Vector::new(
            providers::slack_interactivity("S"),
            SLACK,
            post(
                1_531_420_618,
                &[
                    ("x-slack-signature", "v0=6f496e099b8e268cbe12e2ba7c23dcf4a1c31f3d5f9aa4b640d547554351d955"),
                    ("x-slack-request-timestamp", "1531420618"),
                    FORM,
                ],
                interactivity,
            ),
        ),
        simple(
            providers::stripe("S"),
            "whsec_5f8b2c1de09a47",
            "stripe-signature",
            "t=1700000000,v0=00,v1=00,v1=f6a3033cdff46d21e87b6aaf46dfeaff91159a59bd09226431db3ae526049a56",
            "{\"id\":\"evt_1\",\"object\":\"event\",\"type\":\"invoice.paid\",\"data\":{\"object\":{\"note\":\"café\"}}}",
        ),
        // repeated, empty and non-ASCII parameters; port 443 signed along
        twilio(
            &[("x-twilio-signature", "4RYyjp/o1f512Tv7dRAGDFE3o0A="), FORM],
            None,
            "To=%C3%A9+%C3%BC&MessageSid=SM1&Media=b&Media=a&Body=&Media=b&From=%2B14155550100",
        ),
        twilio(
            &[("x-twilio-signature", "4h7JDfOTDXx/WKXd2dBnjDsmXJk="), FORM],
            None,
            "To=%C3%A9%20%C3%BC&MessageSid=SM1&Media=a&Media=b&Body=&From=%2B14155550100",
        ),
        twilio(
            &[("x-twilio-signature", "H1OMywHqPbDWIZRbEIeFiuyJWXQ="), JSON],
            Some("bodySHA256=5297905845279fe80d52f1e78f17f2a464bf8bd935755e267e85a35757c60bd1"),
            r#"{"EventType":"onMessageAdded","Sid":"IM1"}"#,
        ),
        with_time(
            providers::discord("S"),
            "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8",
            [
                (
                    "x-signature-ed25519",
                    "9de2cd86fb739103a5fd030aab948a93e81c4b4b0f7736f887603de5aab97747467589e598d083454f05855f7e301d1d\
                     d3c34339c334faf07bdc3e1fc7c7a302",
                ),
                ("x-signature-timestamp", "1700000000"),
            ],
            r#"{"id":"1011","type":2,"token":"x"}"#,
        )
        .wrong("79b5562e8fe654f94078b112e8a98ba7901f853ae695bed7e0e3910bad049664"),
        with_time(
            providers::sendgrid("S").tolerance(std::time::Duration::from_secs(300)),
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEUVw9brnjlrkE0/7Kf1T9zQzB6Ze/N13KUVrQpsO0A19FNr46UPMY+/\
             mlR1kCoiFQK+8NV+CMU7LMClbxfZ+TVA==",
            [
                (
                    "x-twilio-email-event-webhook-signature",
                    "MEYCIQCTtPC/aTQ54eBlwlk5RhGTSrMiGt24ANfuAe8LT+0dCQIhAIkBmYNHgbjLAkqPGPpb0+Xtf8DsuybA1kivpQo6/Tm7",
                ),
                ("x-twilio-email-event-webhook-timestamp", "1700000000"),
            ],
            "[{\"email\":\"a@example.com\",\"event\":\"open\",\"sg_event_id\":\"e1\"},\
             {\"email\":\"b@example.com\",\"event\":\"click\",\"sg_event_id\":\"e2\"}]\r\n",
        )
        .wrong(
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEjlM7b6C/e0YluzBmfAH7YH75+LioD+9bMAYocDGHsqNz6x294DMYNm0Gn4Om9ZAAU8c2\
             M8sEGyHFXhqGwfQAtA==",
        ),
        simple(
            providers::shopify("S"),
            "hush",
            "x-shopify-hmac-sha256",
            "qBvrsZF7RfB1iS6BX6IHqJTp5L911P7intnPeTPsH0I=",
            r#"{"id":820982911946154508}"#,
        ),
        with_time(
            providers::zoom("S"),
            "zoomsecret",
            [
                ("x-zm-signature", "v0=836ec5e8d4c7ced8d94c713b9cb77b832b82ebd1d4e63ab5e72fe0320edc9f43"),
                ("x-zm-request-timestamp", "1700000000"),
            ],
            r#"{"event":"meeting.started","event_ts":1700000000000,"payload":{"object":{"id":"1234","uuid":"u"}}}"#,
        ),
        // the sender escaped the é before it signed
        simple(
            providers::meta("S", "T"),
            "appsecret",
            "x-hub-signature-256",
            "sha256=7c62892182db8fafc9dca80cd7f5230c66f63f332475a5d278cdb12a1964058a",
            r#"{"object":"page","entry":[{"id":"1","text":"caf\u00e9"}]}"#,
        ),
        simple(
            providers::convoy("S").sha512(),
            "convoy",
            "x-convoy-signature",
            "713d9a73dfbb7010d630618958ace1317960f0c27836f588e77317efb1fd136db9c5603deb3938a22915e44471457471456e7ab4e0a4\
             db6715e0af4f9ff138e2",
            "{}",
        ),
        simple(
            providers::convoy_advanced("S"),
            "convoy",
            "x-convoy-signature",
            "t=1700000000,v1=963ef81643e68fada2837815b276d9b6c39c40db0569abd17515d2537b3c9df0",
            r#"{"a":1}"#,
        ),
        simple(
            providers::outpost("S"),
            "outpost",
            "x-outpost-signature",
            "v0=00,e54d4946202696002f017eb820cd17932f894e03bb2e8b013f700f3c4ff3e04f",
            r#"{"a":1}"#,
        ),
        with_time(
            providers::timestamped("X-Forge", "S"),
            "forge",
            [
                ("x-forge-signature", "sha256=b3b6f2d745f6e84158aa2cff431be1a780ab2249d5286ad6f508328803052cde"),
                ("x-forge-timestamp", "1700000000"),
            ],
            r#"{"a":1}"#,
        ),
    ]
}

fn vectors() -> Vec<Vector> {
    let mut vectors = published();
    vectors.extend(made_with_the_providers_libraries());
    vectors
}

#[test]
fn every_vector_verifies() {
    for vector in vectors() {
        let found = verify(&prepared(&vector.record, vector.secret), &vector.received, &vector.urls);
        let verified = found.unwrap_or_else(|class| panic!("{}: {class}", vector.record.provider));
        assert_eq!(verified.key_index, Some(0));
        assert_eq!(
            verified.timestamp.is_some(),
            vector.record.window().is_some(),
            "{}",
            vector.record.provider
        );
    }
}

#[test]
fn a_flipped_bit_of_the_body_is_invalid() {
    for vector in vectors() {
        let prepared = prepared(&vector.record, vector.secret);
        let length = vector.received.body.len();
        for at in [0, length / 2, length - 1] {
            let mut body = vector.received.body.to_vec();
            body[at] ^= 1;
            let received = Received { body: Bytes::from(body), ..vector.received.clone() };
            let found = verify(&prepared, &received, &vector.urls);
            assert_eq!(found, Err("invalid"), "{} at {at}", vector.record.provider);
        }
        let received = Received { body: Bytes::new(), ..vector.received.clone() };
        assert_eq!(verify(&prepared, &received, &vector.urls), Err("invalid"), "{}", vector.record.provider);
    }
}

#[test]
fn another_key_is_invalid() {
    for vector in vectors() {
        // for keys with an alphabet the wrong one has to be of it too
        let wrong = match &vector.record.scheme {
            Scheme::Signature(signature) if signature.key != KeyForm::Text => vector.wrong_secret,
            _ => "another",
        };
        let found = verify(&prepared(&vector.record, wrong), &vector.received, &vector.urls);
        assert_eq!(found, Err("invalid"), "{}", vector.record.provider);
    }
}

#[test]
fn the_window_is_checked_on_both_sides() {
    for vector in vectors() {
        let prepared = prepared(&vector.record, vector.secret);
        let at = |millis: u64| {
            let received = Received { at: Timestamp::from_millis(millis), ..vector.received.clone() };
            verify(&prepared, &received, &vector.urls).map(|_| ())
        };
        let sent = vector.received.at.as_millis();
        let (late, early) = match vector.record.window() {
            Some(_) => (Err("too_old"), Err("too_new")),
            None => (Ok(()), Ok(())),
        };
        assert_eq!(at(sent + 301_000), late, "{}", vector.record.provider);
        assert_eq!(at(sent - 301_000), early, "{}", vector.record.provider);
        assert_eq!(at(sent + 300_000), Ok(()), "{}", vector.record.provider);
        assert_eq!(at(sent - 300_000), Ok(()), "{}", vector.record.provider);
    }
}

#[test]
fn a_missing_header_is_missing_and_a_repeated_one_a_duplicate() {
    for vector in vectors() {
        let prepared = prepared(&vector.record, vector.secret);
        for name in vector.needed {
            let name: HeaderName = name.parse().unwrap();
            let mut received = vector.received.clone();
            let value = received.headers.remove(&name).unwrap();
            assert_eq!(
                verify(&prepared, &received, &vector.urls),
                Err("missing"),
                "{}",
                vector.record.provider
            );
            received.headers.append(&name, value.clone());
            received.headers.append(&name, value);
            let found = verify(&prepared, &received, &vector.urls);
            assert_eq!(found, Err("duplicate_header"), "{}", vector.record.provider);
        }
    }
}

/// The five mutations of the vectors that are published, each by its class;
/// the tests above do the same, and more, to all vectors.
#[test]
fn every_published_vector_verifies_and_five_mutations_of_it_are_refused_with_the_right_class() {
    let mut count = 0;
    for vector in published() {
        let name = &vector.record.provider;
        let own = prepared(&vector.record, vector.secret);
        let refused = |received: &Received| verify(&own, received, &vector.urls).map(|_| ()).unwrap_err();
        verify(&own, &vector.received, &vector.urls).unwrap_or_else(|class| panic!("{name}: {class}"));
        // 1: a bit of the body.
        let mut body = vector.received.body.to_vec();
        let middle = body.len() / 2;
        body[middle] ^= 1;
        assert_eq!(refused(&Received { body: body.into(), ..vector.received.clone() }), "invalid", "{name}");
        // 2 and 3: the time, where one is signed; where none is, any time is right.
        let sent = vector.received.at.as_millis();
        for (at, class) in [(sent + 301_000, "too_old"), (sent - 301_000, "too_new")] {
            let received = Received { at: Timestamp::from_millis(at), ..vector.received.clone() };
            match vector.record.window() {
                Some(_) => assert_eq!(refused(&received), class, "{name}"),
                None => assert!(verify(&own, &received, &vector.urls).is_ok(), "{name} has no window"),
            }
        }
        // 4: another key.
        let other = prepared(&vector.record, vector.wrong_secret);
        assert_eq!(verify(&other, &vector.received, &vector.urls).unwrap_err(), "invalid", "{name}");
        // 5: each header that is needed.
        assert!(!vector.needed.is_empty(), "{name}");
        for header in vector.needed {
            let mut received = vector.received.clone();
            received.headers.remove(*header);
            assert_eq!(refused(&received), "missing", "{name} without {header}");
        }
        count += 1;
    }
    // Slack's counts for two records, and GitHub's has the legacy header beside it.
    assert_eq!(count, 9);
}
