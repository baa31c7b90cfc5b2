//! Schemes that are no signature over the body: Atlassian's tokens, Twilio's
//! shared keys, a verifier in the user's own code, and who may ask to send.
//! The tokens were made with Python's `hmac`, not with the code under test.

mod verify_support;

use std::time::Duration;

use px_core::Timestamp;
use px_verify::Received;
use px_verify::local::Foreign;
use px_verify::providers;
use px_verify::record::{Handshake, Key, Keyring, Refused, Verification, custom, equal, within};
use px_verify::{Prepared, Refusal, UrlView};
use secrecy::SecretString;
use verify_support::{at_url, class, known_as, post, prepared, verify as verdict};

const NOW: u64 = 1_700_000_000;
/// For `POST /webhooks/test?user_id=a b&user_id=c`, issued at `NOW`, for three minutes.
const CONNECT: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJqaXJhOjEiLCJpYXQiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMDE4MCwicXNoIjoiNTRiY2VlZDJiZTM5ZWE3ZTAyYjkxNDM2MGQ3MTI3YzFhOWU0OTVhMjU1YzYxYTYxMzUyNzk0MTAyNmE2Y2E1ZiJ9.lPXhPtuyLm0LIeBv6QXDUCDWxiTRIFM0lA0GcQ8a_zo";
/// For `POST /test`, of an app whose base URL ends in `/webhooks`.
const BELOW: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJqaXJhOjEiLCJpYXQiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMDE4MCwicXNoIjoiMDlkZTU4MzI0OTE0MjU0ZjgxODU2NjRkMzIwMWI4N2FmOGJlMmMxNTBlYmVlNTM0MzYxYTVkYTRkZTVhNWYzMyJ9.DGKpytxXMN5CbgDt2eWytWucYS_f7HuiX1DFDRnlmds";
/// Without `exp` and `qsh`.
const OAUTH: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJvYXV0aCIsImlhdCI6MTcwMDAwMDAwMH0.vYnBr551Ef6-kwLiS-eeCZ1Ae5rWQe_TmI_OJ84etCU";
/// `"alg": "none"`, with a right signature all the same.
const NONE: &str = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJpc3MiOiJ4IiwiaWF0IjoxNzAwMDAwMDAwLCJleHAiOjE3MDAwMDAxODAsInFzaCI6IjU0YmNlZWQyYmUzOWVhN2UwMmI5MTQzNjBkNzEyN2MxYTllNDk1YTI1NWM2MWE2MTM1Mjc5NDEwMjZhNmNhNWYifQ.AEOd-3_yYyACR2p5FpUHhGD2hq8cL6n2XYbvED_CyCA";
/// With `exp` and without `qsh`.
const ANYWHERE: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJ4IiwiaWF0IjoxNzAwMDAwMDAwLCJleHAiOjE3MDAwMDAxODB9.guBCDr_IHoN5kIzu4o1_YZRefPQLMsRjOHM3VbSUnDg";

fn called(at: u64, authorization: &str) -> Received {
    let received = post(at, &[("authorization", authorization)], "{}");
    at_url(received, "/webhooks/test", Some("user_id=c&user_id=a+b&jwt=x"))
}

#[test]
fn atlassians_token_is_for_one_url_and_a_time() {
    let jira = prepared(&providers::jira_app("S"), "shared");
    let jwt = |token: &str| format!("JWT {token}");
    assert_eq!(class(&jira, &called(NOW, &jwt(CONNECT))), Ok(()));
    assert_eq!(class(&jira, &called(NOW + 240, &jwt(CONNECT))), Ok(()), "a minute of grace");
    assert_eq!(class(&jira, &called(NOW + 241, &jwt(CONNECT))), Err("too_old"));
    assert_eq!(class(&jira, &called(NOW - 61, &jwt(CONNECT))), Err("too_new"));
    let elsewhere = at_url(called(NOW, &jwt(CONNECT)), "/webhooks/other", Some("user_id=c&user_id=a+b"));
    assert_eq!(class(&jira, &elsewhere), Err("invalid"));
    let asked = at_url(called(NOW, &jwt(CONNECT)), "/webhooks/test", Some("user_id=d"));
    assert_eq!(class(&jira, &asked), Err("invalid"));
    // An app whose base URL has a path hashes what comes after it.
    let below = at_url(called(NOW, &jwt(BELOW)), "/webhooks/test", None);
    assert_eq!(class(&jira, &below), Ok(()));

    assert_eq!(class(&jira, &called(NOW, &format!("Bearer {OAUTH}"))), Ok(()));
    assert_eq!(class(&jira, &called(NOW, &jwt(OAUTH))), Err("malformed"), "Connect's names the URL");
    assert_eq!(class(&jira, &called(NOW, &jwt(ANYWHERE))), Err("malformed"));
}

#[test]
fn a_token_is_read_strictly() {
    let jira = prepared(&providers::jira_app("S"), "shared");
    let (head, rest) = CONNECT.split_once('.').unwrap();
    let flipped = CONNECT.replacen("lPXh", "lPXi", 1);
    let claims = CONNECT.replacen("eyJpc3MiOiJqaXJhOjEi", "eyJpc3MiOiJqaXJhOjIi", 1);
    for (value, class_of) in [
        (format!("JWT {flipped}"), "invalid"),
        (format!("JWT {claims}"), "invalid"),
        (format!("JWT {NONE}"), "unknown_version"),
        (format!("JWT {head}"), "malformed"),
        (format!("JWT {head}.{head}"), "malformed"),
        (format!("JWT !{rest}"), "malformed"),
        (format!("JWT {CONNECT}="), "malformed"),
        ("JWT ..".to_owned(), "malformed"),
        (format!("Basic {CONNECT}"), "malformed"),
        ("JWT".to_owned(), "malformed"),
    ] {
        assert_eq!(class(&jira, &called(NOW, &value)), Err(class_of), "{value}");
    }
    assert_eq!(class(&jira, &post(NOW, &[], "{}")), Err("missing"));
    let other = prepared(&providers::jira_app("S"), "another");
    assert_eq!(class(&other, &called(NOW, &format!("JWT {CONNECT}"))), Err("invalid"));
    // Several installations are several secrets.
    let both = Keyring::empty().with("another".to_owned().into()).with("shared".to_owned().into());
    let both = Prepared::new(providers::jira_app("S"), &both).unwrap();
    let found = verdict(&both, &called(NOW, &format!("JWT {CONNECT}")), &UrlView::default()).unwrap();
    assert_eq!((found.key_index, found.timestamp), (Some(1), Some(Timestamp::from_millis(NOW * 1000))));
}

#[test]
fn twilio_signs_with_a_shared_key_and_the_algorithm_that_it_names() {
    const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
    let keys = Keyring::empty().with("token".to_owned().into()).with("shared".to_owned().into());
    let twilio = Prepared::new(providers::twilio("S"), &keys).unwrap();
    let urls = known_as("https://px.example");
    let signature = ("x-twilio-signature", "ZByMw9umhyU8z1GTsCKMN8lnRimOLB07+3VABeIsspM=");
    let name = "x-twilio-webhooks-signature-settings";
    let with = |settings: &[&'static str]| {
        let mut headers = vec![signature, FORM];
        headers.extend(settings.iter().map(|text| (name, *text)));
        post(NOW, &headers, "From=%2B1&Body=hi")
    };
    let found = verdict(&twilio, &with(&["key=SK1,algorithm=HMAC_SHA256"]), &urls).unwrap();
    assert_eq!(found.key_index, Some(1));
    assert!(verdict(&twilio, &with(&["key=SK1, algorithm=HMAC_SHA256"]), &urls).is_ok());
    for (settings, class_of) in [
        (&["key=SK1,algorithm=HMAC_SHA1"][..], "malformed"), // 32 bytes are no SHA-1
        (&["key=SK1,algorithm=RSA"], "unknown_version"),
        (&["key=SK1"], "malformed"),
        (&["algorithm=HMAC_SHA256,algorithm=HMAC_SHA1"], "malformed"),
        (&["algorithm=HMAC_SHA256", "algorithm=HMAC_SHA256"], "duplicate_header"),
        (&[], "malformed"),
    ] {
        assert_eq!(verdict(&twilio, &with(settings), &urls).unwrap_err(), class_of, "{settings:?}");
    }
    // Where every secret has a name, the request names one of them.
    let named = |id: &str| Key { id: Some(id.to_owned()), ..Key::new("shared".to_owned().into()) };
    for (id, expected) in [("SK1", Ok(())), ("SK2", Err("unknown_key"))] {
        let twilio = Prepared::new(providers::twilio("S"), &Keyring::empty().with_key(named(id))).unwrap();
        let asked = with(&["key=SK1,algorithm=HMAC_SHA256"]);
        assert_eq!(verdict(&twilio, &asked, &urls).map(|_| ()), expected);
        let jira = Prepared::new(providers::jira_app("S"), &Keyring::empty().with_key(named(id))).unwrap();
        assert_eq!(class(&jira, &called(NOW, &format!("JWT {CONNECT}"))), Err("unknown_key"));
    }
    let mut changed = with(&["key=SK1,algorithm=HMAC_SHA256"]);
    changed.body = "From=%2B2&Body=hi".into();
    assert_eq!(verdict(&twilio, &changed, &urls).unwrap_err(), "invalid");
}

/// `X-Door: <unix seconds>/<the word>`.
fn door(received: &Received, word: &str) -> Result<(), Refused> {
    let door = received.header("x-door").ok_or(Refused::Missing("x-door"))?;
    let (at, given) = door.split_once('/').ok_or(Refused::Malformed("x-door has no slash"))?;
    let at = at.parse().map_err(|_| Refused::Malformed("x-door has no time"))?;
    assert!(given != "panic", "as asked");
    if !equal(given.as_bytes(), word.as_bytes()) {
        return Err(Refused::Invalid);
    }
    within(at, received.at, Duration::from_secs(60))
}

#[test]
fn a_verifier_of_ones_own_has_all_that_others_have() {
    let record = custom("DOOR", door);
    let old = Timestamp::from_millis((NOW + 10) * 1000);
    let keys = Keyring::empty().with("new".to_owned().into()).with_expiring("old".to_owned().into(), old);
    let prepared = Prepared::new(record.clone(), &keys).unwrap();
    let asked = |at: u64, value: &str| {
        verdict(&prepared, &post(at, &[("x-door", value)], ""), &UrlView::default())
            .map(|found| found.key_index)
    };
    assert_eq!(asked(NOW, &format!("{NOW}/new")), Ok(Some(0)));
    assert_eq!(asked(NOW, &format!("{NOW}/old")), Ok(Some(1)));
    assert_eq!(asked(NOW + 10, &format!("{NOW}/old")), Err("invalid"), "it has expired");
    assert_eq!(asked(NOW + 61, &format!("{NOW}/new")), Err("too_old"));
    assert_eq!(asked(NOW - 61, &format!("{NOW}/new")), Err("too_new"), "whatever the second key says");
    assert_eq!(asked(NOW, "nothing"), Err("malformed"));
    assert_eq!(asked(NOW, &format!("{NOW}/panic")), Err("verifier_panicked"));
    assert_eq!(verdict(&prepared, &post(NOW, &[], ""), &UrlView::default()), Err("missing"));
    let expired = Keyring::empty().with_expiring("x".to_owned().into(), Timestamp::EPOCH);
    let expired = Prepared::new(record.clone(), &expired).unwrap();
    assert_eq!(class(&expired, &post(NOW, &[], "")), Err("no_active_key"));
    // Without a secret it is not asked, as no other record is.
    let unverified = Prepared::new(record, &Keyring::empty()).unwrap();
    let refusal = unverified.verify(&post(NOW, &[], ""), &UrlView::default()).unwrap_err();
    let variable = Some("DOOR".to_owned());
    assert_eq!(refusal, Refusal::Unverified { variable, why: Some(Foreign::Peer) });
}

#[test]
fn who_may_send_is_asked_by_options() {
    let ready = |origins: &[&str]| {
        let origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
        let record: Verification = providers::cloudevents("S").handshake(Handshake::Origin { origins });
        Prepared::new(record, &Keyring::empty().with(SecretString::from("s"))).unwrap()
    };
    let asked = post(NOW, &[("webhook-request-origin", "eventemitter.example.com")], "").headers;
    assert_eq!(ready(&[]).permits(&asked), Some("eventemitter.example.com"));
    assert_eq!(ready(&["EventEmitter.example.com"]).permits(&asked), Some("eventemitter.example.com"));
    assert_eq!(ready(&["other.example.com"]).permits(&asked), None);
    assert_eq!(ready(&[]).permits(&post(NOW, &[], "").headers), None);
    assert_eq!(prepared(&providers::github("S"), "s").permits(&asked), None, "nobody else asks");
}
