//! What verification does beside the arithmetic: rotation, strict headers,
//! Twilio's URLs, unverified webhooks, shared tokens.

mod verify_support;

use http::Method;
use px_core::Timestamp;
use px_verify::Received;
use px_verify::providers;
use px_verify::record::{Keyring, Verification};
use px_verify::{Prepared, UrlView};
use secrecy::SecretString;
use serde_json::json;
use verify_support::{at_url, class, known_as, post, prepared, verify};

const NOW: u64 = 1_700_000_000;
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("content-type", "application/json");
const HELLO: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
const SECRET: &str = "It's a Secret to Everybody";

fn hello(value: &str) -> Received {
    post(NOW, &[("x-hub-signature-256", value)], "Hello, World!")
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

#[test]
fn during_a_rotation_both_secrets_count_until_the_old_one_expires() {
    let at = |secs: u64| Timestamp::from_millis(secs * 1000);
    let keyring = Keyring::empty().with(secret("new")).with_expiring(secret(SECRET), at(NOW + 1));
    let rotating = Prepared::new(providers::github("S"), &keyring).unwrap();
    let found = verify(&rotating, &hello(HELLO), &UrlView::default()).unwrap();
    assert_eq!(found.key_index, Some(1));
    assert!(found.is_authenticated());
    let late = Received { at: at(NOW + 1), ..hello(HELLO) };
    assert_eq!(class(&rotating, &late), Err("invalid"));

    // only expired secrets are not the same as none
    let keyring = Keyring::empty().with_expiring(secret(SECRET), at(NOW));
    for record in [providers::github("S"), providers::bearer("S"), providers::mailgun("S")] {
        let expired = Prepared::new(record, &keyring).unwrap();
        assert!(expired.is_verified());
        let mut received = post(
            NOW,
            &[("x-hub-signature-256", HELLO), ("authorization", "Bearer x")],
            format!(
                r#"{{"signature":{{"timestamp":"{NOW}","token":"t","signature":"{}"}}}}"#,
                "00".repeat(32)
            ),
        );
        received.remote = "127.0.0.1:1".parse().unwrap();
        assert_eq!(class(&expired, &received), Err("no_active_key"));
    }
}

#[test]
fn headers_are_read_strictly() {
    let github = prepared(&providers::github("S"), SECRET);
    assert_eq!(class(&github, &hello(HELLO)), Ok(()));
    assert_eq!(class(&github, &hello(&HELLO.replace("sha256=7571", "sha256=757"))), Err("malformed"));
    assert_eq!(class(&github, &hello(&HELLO[7..])), Err("malformed"));
    let refusal = github.verify(&hello(&HELLO[7..]), &UrlView::default()).unwrap_err();
    assert!(refusal.to_string().contains("it does not begin with 'sha256='"), "{refusal}");
    assert_eq!(class(&github, &hello("")), Err("malformed"));
    assert_eq!(class(&github, &hello(" sha256=00")), Err("malformed"));
    assert_eq!(class(&github, &hello("sha512=00")), Err("unknown_version"));
    assert_eq!(class(&github, &hello(&HELLO.replace('7', "8"))), Err("invalid"));
    // the alphabet has two cases, the bytes have not
    assert_eq!(class(&github, &hello(&format!("sha256={}", HELLO[7..].to_uppercase()))), Ok(()));
}

#[test]
fn timestamps_are_read_strictly() {
    let slack = prepared(&providers::slack("S"), "s");
    let signature = format!("v0={}", "00".repeat(32));
    for junk in
        ["Infinity", "1.5e9", "1700000000.0", " 1700000000", "+1700000000", "-1", "0x1", "", "01700000000"]
    {
        let headers = [("x-slack-signature", signature.as_str()), ("x-slack-request-timestamp", junk)];
        let mut received = post(NOW, &headers, "{}");
        // as it came over the wire, spaces included
        received.headers.insert("x-slack-request-timestamp", junk.parse().unwrap());
        assert_eq!(class(&slack, &received), Err("malformed"), "{junk}");
    }
    let stripe = prepared(&providers::stripe("S"), "s");
    for junk in ["v1=00", "t=,v1=", "t=1,t=2,v1=", "t=x,v1=", "t=1"] {
        let junk = junk.replace("v1=", &format!("v1={}", "00".repeat(32)));
        let refused = class(&stripe, &post(NOW, &[("stripe-signature", &junk)], "{}"));
        assert!(matches!(refused, Err("malformed" | "unknown_version")), "{junk}: {refused:?}");
    }
    let standard = prepared(&providers::standard_webhooks("S"), "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    for (junk, expected) in
        [("garbage", "unknown_version"), ("v2,AAAA", "unknown_version"), ("v1,!", "malformed")]
    {
        let headers = [("webhook-id", "a"), ("webhook-timestamp", "1700000000"), ("webhook-signature", junk)];
        assert_eq!(class(&standard, &post(NOW, &headers, "{}")), Err(expected), "{junk}");
    }
}

#[test]
fn unverified_webhooks_answer_this_machine_only() {
    let without_secret =
        Prepared::new(providers::github("GITHUB_WEBHOOK_SECRET"), &Keyring::empty()).unwrap();
    assert!(!without_secret.is_verified());
    for prepared in [Prepared::new(providers::unverified(), &Keyring::empty()).unwrap(), without_secret] {
        let from = |peer: &str, headers: &[(&str, &str)]| {
            let received = Received { remote: peer.parse().unwrap(), ..post(NOW, headers, "{}") };
            class(&prepared, &received)
        };
        assert_eq!(from("127.0.0.1:1", &[]), Ok(()));
        assert_eq!(from("[::1]:1", &[]), Ok(()));
        assert_eq!(from("[::ffff:127.0.0.1]:1", &[]), Ok(()));
        assert_eq!(from("127.0.0.1:1", &[("forwarded", "for=1.2.3.4")]), Err("unverified"));
        assert_eq!(from("127.0.0.1:1", &[("x-forwarded-for", "1.2.3.4")]), Err("unverified"));
        assert_eq!(from("127.0.0.1:1", &[("X-Forwarded-Proto", "https")]), Err("unverified"));
        assert_eq!(from("10.0.0.1:1", &[]), Err("unverified"));
    }
    let refusal = Prepared::new(providers::github("GITHUB_WEBHOOK_SECRET"), &Keyring::empty())
        .unwrap()
        .verify(&post(NOW, &[], "{}"), &UrlView::default())
        .unwrap_err();
    assert!(refusal.to_string().contains("set GITHUB_WEBHOOK_SECRET"), "{refusal}");
    assert!(!refusal.caller_text().contains("GITHUB"));
}

#[test]
fn the_diagnosis_says_where_and_how_much_and_no_secret() {
    let refusal =
        prepared(&providers::github("S"), "hunter2").verify(&hello(HELLO), &UrlView::default()).unwrap_err();
    let text = refusal.to_string();
    assert!(
        text.contains("`x-hub-signature-256`") && text.contains("13 byte(s)") && text.contains("1 key(s)"),
        "{text}"
    );
    assert!(!format!("{refusal:?} {text}").contains("hunter2"));
    assert_eq!(refusal.caller_text(), "Signature invalid");
    let slack = prepared(&providers::slack("S"), "8f742231b10e8888abcd99yyyzzz85a5");
    assert!(!format!("{slack:?}").contains("8f742231"), "{slack:?}");
    let bad = Prepared::new(providers::standard_webhooks("NAME"), &Keyring::empty().with(secret("hunter2!")))
        .unwrap_err();
    assert!(bad.to_string().contains("NAME") && !format!("{bad} {bad:?}").contains("hunter2"), "{bad}");
}

#[test]
fn a_twilio_url_is_rebuilt_from_what_is_trusted() {
    let twilio = prepared(&providers::twilio("S"), "12345");
    // signed for https://px.example/webhooks/twilio
    let signature = ("x-twilio-signature", "4RYyjp/o1f512Tv7dRAGDFE3o0A=");
    let body = "To=%C3%A9+%C3%BC&MessageSid=SM1&Media=b&Media=a&Body=&Media=b&From=%2B14155550100";
    let ask = |headers: &[(&str, &str)], urls: &UrlView| {
        let headers: Vec<_> = [signature, FORM].into_iter().chain(headers.iter().copied()).collect();
        verify(&twilio, &at_url(post(NOW, &headers, body), "/webhooks/twilio", None), urls).map(|_| ())
    };
    let guess = UrlView::default();
    let behind = UrlView { proxies: vec!["203.0.113.0/24".parse().unwrap()], ..UrlView::default() };
    let host = ("host", "px.example");
    let proto = ("x-forwarded-proto", "https");
    assert_eq!(ask(&[], &known_as("https://px.example")), Ok(()));
    assert_eq!(ask(&[], &known_as("https://px.example:443")), Ok(()));
    assert_eq!(ask(&[host], &known_as("https://other.example")), Err("invalid"));
    assert_eq!(ask(&[], &guess), Err("missing"));
    assert_eq!(ask(&[host], &guess), Err("invalid"));
    // headers of a peer that is no configured proxy count for nothing
    assert_eq!(ask(&[host, proto], &guess), Err("invalid"));
    assert_eq!(ask(&[host, proto], &behind), Ok(()));
    assert_eq!(ask(&[host, ("x-forwarded-proto", "http, https")], &behind), Ok(()));
    assert_eq!(ask(&[("host", "inner:8787"), proto, ("x-forwarded-host", "px.example")], &behind), Ok(()));
    assert_eq!(ask(&[host, proto, ("x-forwarded-port", "443")], &behind), Ok(()));
    let forwarded = ("forwarded", "for=1.2.3.4;proto=http, for=5.6.7.8;proto=https;host=\"px.example\"");
    assert_eq!(ask(&[("host", "inner:8787"), forwarded], &behind), Ok(()));
    assert_eq!(ask(&[("host", "inner:8787"), forwarded], &guess), Err("invalid"));
    assert_eq!(ask(&[("host", "inner:8787"), forwarded, proto], &behind), Err("invalid"), "not both");
    let refusal =
        twilio.verify(&at_url(post(NOW, &[signature, FORM, host], body), "/webhooks/twilio", None), &guess);
    assert!(refusal.unwrap_err().to_string().contains("public_url"));
}

#[test]
fn who_sent_it_is_asked_of_trusted_proxies_only() {
    let urls = UrlView {
        proxies: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
        ..UrlView::default()
    };
    let client = |peer: &str, headers: &[(&str, &str)]| {
        urls.client(peer.parse().unwrap(), &post(NOW, headers, "").headers).to_string()
    };
    let both = [("forwarded", "for=1.2.3.4"), ("x-forwarded-for", "5.6.7.8")];
    assert_eq!(client("203.0.113.1", &both), "203.0.113.1");
    let disagree = urls.sender("10.0.0.1".parse().unwrap(), &post(NOW, &both, "").headers);
    assert!(disagree.unwrap_err().to_string().contains("1.2.3.4"));
    assert_eq!(client("10.0.0.1", &both[1..]), "5.6.7.8");
    assert_eq!(client("10.0.0.1", &both[..1]), "1.2.3.4");
    let chain = "for=9.9.9.9, for=1.2.3.4, for=\"[2001:db8::7]:443\", for=10.0.0.2";
    assert_eq!(client("10.0.0.1", &[("forwarded", chain)]), "1.2.3.4", "no further than the first stranger");
    assert_eq!(client("10.0.0.1", &[("forwarded", "for=1.2.3.4, for=unknown")]), "10.0.0.1");
    assert_eq!(client("10.0.0.1", &[("forwarded", "for=\"")]), "10.0.0.1");
}

#[test]
fn a_twilio_body_that_is_no_form_needs_its_hash() {
    let twilio = prepared(&providers::twilio("S"), "12345");
    let urls = known_as("https://px.example");
    let hash = "bodySHA256=5297905845279fe80d52f1e78f17f2a464bf8bd935755e267e85a35757c60bd1";
    let ask = |query: &str, body: &'static str| {
        let headers = [("x-twilio-signature", "H1OMywHqPbDWIZRbEIeFiuyJWXQ="), JSON];
        verify(&twilio, &at_url(post(NOW, &headers, body), "/webhooks/twilio", Some(query)), &urls)
            .map(|_| ())
    };
    let body = r#"{"EventType":"onMessageAdded","Sid":"IM1"}"#;
    assert_eq!(ask(hash, body), Ok(()));
    assert_eq!(ask("", body), Err("missing"));
    assert_eq!(ask(&format!("{hash}&{hash}"), body), Err("duplicate_header"));
    assert_eq!(ask("bodySHA256=00", body), Err("malformed"));
    assert_eq!(ask(hash, r#"{"EventType":"onMessageAdded","Sid":"IM2"}"#), Err("invalid"));
    // a GET has neither body nor parameters beside its URL
    let mut get = post(NOW, &[("x-twilio-signature", "owCttSezrquSeFhRSetagbzJRIw=")], "");
    get.method = Method::GET;
    let get = at_url(get, "/webhooks/twilio", Some("From=%2B1&Digits=5"));
    assert!(verify(&twilio, &get, &urls).is_ok());
    assert_eq!(twilio.parse(&get).unwrap().into_value(), json!({"From": "+1", "Digits": "5"}));
}

#[test]
fn what_is_read_before_it_is_believed_is_bounded() {
    // Twilio's parameters are put in order, and Mailgun's body is parsed, for everybody.
    let urls = known_as("https://px.example");
    let form = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-twilio-signature", "H1OMywHqPbDWIZRbEIeFiuyJWXQ="),
    ];
    let twilio = prepared(&providers::twilio("S"), "12345");
    for (fields, class) in [(1_000, "invalid"), (1_001, "malformed"), (2_000_000, "malformed")] {
        let body = vec!["a="; fields].join("&");
        let request = at_url(post(NOW, &form, ""), "/webhooks/twilio", None);
        let request = px_verify::Received { body: body.into(), ..request };
        assert_eq!(verify(&twilio, &request, &urls).map(|_| ()), Err(class), "{fields} fields");
    }
    let mailgun = prepared(&providers::mailgun("S"), "12345");
    let bomb = format!(r#"{{"signature":{{}},"event-data":[{}0]}}"#, r#"{"":0},"#.repeat(700_000));
    let request = px_verify::Received { body: bomb.into(), ..post(NOW, &[JSON], "") };
    assert_eq!(verify(&mailgun, &request, &urls).map(|_| ()), Err("malformed"));
}

#[test]
fn tokens_are_compared_wherever_they_are_sent() {
    let ask = |record: Verification, text: &str, headers: &[(&str, &str)], query: Option<&str>| {
        class(&prepared(&record, text), &at_url(post(NOW, headers, "{}"), "/", query))
    };
    let gitlab = |value| ask(providers::gitlab("S"), "tok", &[("X-Gitlab-Token", value)], None);
    assert_eq!(gitlab("tok"), Ok(()));
    assert_eq!(gitlab("tokk"), Err("invalid"));
    assert_eq!(gitlab(""), Err("invalid"));
    assert_eq!(ask(providers::gitlab("S"), "tok", &[], None), Err("missing"));
    let twice = [("x-gitlab-token", "tok"), ("x-gitlab-token", "tok")];
    assert_eq!(ask(providers::gitlab("S"), "tok", &twice, None), Err("duplicate_header"));
    let bearer = |value| ask(providers::bearer("S"), "tok", &[("authorization", value)], None);
    assert_eq!(bearer("Bearer tok"), Ok(()));
    assert_eq!(bearer("bearer tok"), Ok(()));
    assert_eq!(bearer("Basic tok"), Err("malformed"));
    assert_eq!(bearer("tok"), Err("malformed"));
    let basic = |value| ask(providers::basic("S"), "user:pass", &[("authorization", value)], None);
    assert_eq!(basic("Basic dXNlcjpwYXNz"), Ok(()));
    assert_eq!(basic("Basic dXNlcjpwYXNy"), Err("invalid"));
    assert_eq!(basic("Basic ?"), Err("malformed"));
    let query = |query| ask(providers::token_query("key", "S"), "a b", &[], query);
    assert_eq!(query(Some("x=1&key=a%20b")), Ok(()));
    assert_eq!(query(Some("key=a+b")), Ok(()));
    assert_eq!(query(Some("key=a")), Err("invalid"));
    assert_eq!(query(Some("key=a+b&key=a+b")), Err("duplicate_header"));
    assert_eq!(query(None), Err("missing"));
}
