//! The five signature modes, against values that others made: what providers
//! print in their documentation, and what Python's own `hmac` computed.
//! `tests/scripts/hook-libraries` has each mode verified by the official
//! libraries.

#![expect(clippy::unwrap_used, reason = "test code: what is unexpected fails the test")]

use std::sync::atomic::{AtomicU8, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use http::HeaderMap;
use px_core::Timestamp;
use px_core::hook::Signing;
use px_outbound::sign::{self, MAX_KEYS, Message, Signer, carries_several};
use secrecy::{ExposeSecret as _, SecretString};

const SHARED: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const AT: Timestamp = Timestamp::from_millis(1_614_265_330_999);
const BODY: &[u8] = br#"{"id":"evt_1"}"#;

fn secrets(texts: &[&str]) -> Vec<SecretString> {
    texts.iter().map(|text| SecretString::from(*text)).collect()
}

fn signed(name: &str, texts: &[&str], message: Message<'_>) -> HeaderMap {
    signed_as(&mode(name), texts, message)
}

fn signed_as(mode: &Signing, texts: &[&str], message: Message<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    Signer::new(mode, &secrets(texts)).unwrap().sign(&message, &mut headers).unwrap();
    headers
}

fn mode(name: &str) -> Signing {
    Signing::parse(name).unwrap()
}

fn timestamped(timestamp: &str, signature: &str) -> Signing {
    Signing::Timestamped { timestamp_header: timestamp.to_owned(), signature_header: signature.to_owned() }
}

const MODES: [&str; 5] = ["standard", "standard-asymmetric", "github", "timestamped", "stripe"];

fn message(body: &[u8]) -> Message<'_> {
    Message { id: "evt_1", at: AT, body }
}

fn refused(name: &str, texts: &[&str]) -> String {
    Signer::new(&mode(name), &secrets(texts)).unwrap_err().to_string()
}

/// A source of bytes that count up, never the same twice.
fn counting() -> impl Fn(&mut [u8]) {
    let next = AtomicU8::new(0);
    move |bytes| bytes.iter_mut().for_each(|byte| *byte = next.fetch_add(1, Ordering::Relaxed))
}

#[test]
fn standard_signs_what_its_documentation_shows() {
    let sent = Message { id: "msg_p5jXN8AQM9LWM0D4loKWxJek", at: AT, body: br#"{"test": 2432232314}"# };
    let headers = signed("standard", &[SHARED], sent);
    assert_eq!(headers["webhook-id"], "msg_p5jXN8AQM9LWM0D4loKWxJek");
    assert_eq!(headers["webhook-timestamp"], "1614265330");
    assert_eq!(headers["webhook-signature"], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    assert_eq!(headers.len(), 3);
}

#[test]
fn github_signs_what_its_documentation_shows() {
    let headers = signed("github", &["It's a Secret to Everybody"], message(b"Hello, World!"));
    let expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    assert_eq!(headers["x-hub-signature-256"], expected);
    assert_eq!(headers.len(), 1);
}

#[test]
fn stripe_signs_once_for_each_key() {
    let headers = signed("stripe", &["whsec_new", "whsec_old"], message(BODY));
    assert_eq!(headers["stripe-signature"], format!("t=1614265330,v1={NEW},v1={OLD}"));
    let named = Signing::Stripe { header: "X-Acme-Signature".to_owned() };
    let headers = signed_as(&named, &["whsec_new"], message(BODY));
    assert_eq!(headers["x-acme-signature"], format!("t=1614265330,v1={NEW}"));
}

#[test]
fn timestamped_uses_the_names_it_is_given() {
    let headers = signed("timestamped", &["whsec_new"], message(BODY));
    assert_eq!(headers["x-px-timestamp"], "1614265330");
    assert_eq!(headers["x-px-signature"], format!("sha256={NEW}"));
    let headers =
        signed_as(&timestamped("X-Forge-Timestamp", "X-Forge-Signature"), &["whsec_new"], message(BODY));
    assert_eq!(headers["x-forge-timestamp"], "1614265330");
    assert_eq!(headers["x-forge-signature"], format!("sha256={NEW}"));
}

const NEW: &str = "88a53642938c8f5aeed92eced151b0a7da6faf6f72068469e0c301fb3eda7c15";
const OLD: &str = "40c0e3fdea6dde739c59b10c28033c4ecd58107dd7243e7d2b399e6f005dec3a";

#[test]
fn asymmetric_signs_v1a_and_v1_beside_it() {
    let (private, public) = sign::key_pair(&counting());
    assert!(private.expose_secret().starts_with("whsk_"));
    let headers = signed("standard-asymmetric", &[private.expose_secret(), SHARED], message(BODY));
    let text = headers["webhook-signature"].to_str().unwrap();
    let (asymmetric, shared) = text.split_once(' ').unwrap();
    let signature = STANDARD.decode(asymmetric.strip_prefix("v1a,").unwrap()).unwrap();
    let key = VerifyingKey::from_bytes(&public.to_bytes()).unwrap();
    let text = [b"evt_1.1614265330.", BODY].concat();
    key.verify_strict(&text, &Signature::from_slice(&signature).unwrap()).expect("the pair's own signature");
    let alone = signed("standard", &[SHARED], message(BODY));
    assert_eq!(shared, alone["webhook-signature"]);
}

#[test]
fn a_signature_is_fresh_at_every_attempt_and_the_body_is_not() {
    for mode in ["standard", "timestamped", "stripe"] {
        let later = Message { at: Timestamp::from_millis(1_614_265_331_000), ..message(BODY) };
        let first = signed(mode, &[SHARED], message(BODY));
        assert_ne!(first, signed(mode, &[SHARED], later), "{mode:?}");
        assert_eq!(first, signed(mode, &[SHARED], message(BODY)), "{mode:?}");
    }
}

#[test]
fn rotation_keeps_the_old_secrets_signing_where_the_header_has_room() {
    let old = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let alone = signed("standard", &[old], message(BODY));
    let both = signed("standard", &[SHARED, old], message(BODY));
    let text = both["webhook-signature"].to_str().unwrap();
    assert!(text.ends_with(&format!(" {}", alone["webhook-signature"].to_str().unwrap())), "{text}");
    for mode in MODES.into_iter().filter(|name| !carries_several(&mode(name))) {
        let new = signed(mode, &["new"], message(BODY));
        assert_eq!(new, signed(mode, &["new", "old"], message(BODY)), "{mode:?}");
    }
    let many: Vec<&str> = std::iter::repeat_n(SHARED, MAX_KEYS).collect();
    let headers = signed("standard", &many, message(BODY));
    assert_eq!(headers["webhook-signature"].to_str().unwrap().split(' ').count(), MAX_KEYS);
    let too_many: Vec<&str> = std::iter::repeat_n(SHARED, MAX_KEYS + 1).collect();
    assert!(refused("standard", &too_many).contains("at most 11"));
}

#[test]
fn a_standard_secret_is_whsec_and_base64_of_24_to_64_bytes() {
    let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
    for bytes in [24, 32, 64] {
        signed("standard", &[&of(bytes)], message(BODY));
    }
    for (secret, said) in [
        (of(23), "decodes to 23 bytes"),
        (of(65), "decodes to 65 bytes"),
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned(), "does not begin with 'whsec_'"),
        ("whsec_not base64".to_owned(), "no base64"),
        ("whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned(), "standard-asymmetric"),
        (String::new(), "does not begin with 'whsec_'"),
    ] {
        let error = refused("standard", &[&secret]);
        assert!(error.contains(said), "{error}");
        let key = secret.trim_start_matches("whsec_");
        assert!(key.is_empty() || !error.contains(key), "the error shows the secret: {error}");
    }
}

#[test]
fn a_key_that_cannot_sign_is_refused_when_it_is_configured() {
    for mode in MODES {
        assert_eq!(refused(mode, &[]), "there is no secret to sign with");
    }
    for mode in ["github", "timestamped", "stripe"] {
        assert!(refused(mode, &[""]).contains("empty"));
        assert!(refused(mode, &["good", "bad\n"]).contains("white space"));
    }
    assert!(refused("standard-asymmetric", &[SHARED]).contains("whsk_"));
    assert!(refused("standard-asymmetric", &["whsk_AAAA"]).contains("3 bytes"));
    let mixed = format!("whsk_{}", STANDARD.encode([7; 64]));
    assert!(refused("standard-asymmetric", &[&mixed]).contains("do not belong together"));
}

#[test]
fn names_that_would_break_the_request_are_refused() {
    let refused = |mode: Signing| Signer::new(&mode, &secrets(&[SHARED])).unwrap_err().to_string();
    for name in ["Content-Length", "host", "Authorization"] {
        let named = Signing::Stripe { header: name.to_owned() };
        assert!(refused(named).contains("HTTP itself"), "{name}");
        assert!(refused(timestamped(name, "X-Px-Signature")).contains("HTTP itself"), "{name}");
    }
    assert!(refused(timestamped("X-Px-Timestamp", "not a name")).contains("no header's name"));
    assert!(refused(timestamped("X-Mine", "x-mine")).contains("timestamp and the signature"));
}

#[test]
fn an_id_with_a_dot_is_not_signed() {
    let signer = Signer::new(&mode("standard"), &secrets(&[SHARED])).unwrap();
    for id in ["evt.1", "", "evt 1", "evt\n1", "évt"] {
        let sent = Message { id, ..message(BODY) };
        assert!(signer.sign(&sent, &mut HeaderMap::new()).is_err(), "{id}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let (private, _) = sign::key_pair(&counting());
    let private = private.expose_secret();
    for (name, secret) in [
        ("standard", SHARED),
        ("standard-asymmetric", private),
        ("github", "hunter2hunter2"),
        ("timestamped", "hunter2hunter2"),
        ("stripe", "hunter2hunter2"),
    ] {
        let signer = Signer::new(&mode(name), &secrets(&[secret])).unwrap();
        let text = format!("{signer:?} {:?}", secrets(&[secret]));
        for part in [secret, secret.trim_start_matches("whsec_").trim_start_matches("whsk_")] {
            assert!(!text.contains(part), "{text}");
        }
    }
}

#[test]
fn a_new_secret_comes_from_the_source_that_is_given_and_fits_every_shared_mode() {
    let source = counting();
    let (one, two) = (sign::secret(&source), sign::secret(&source));
    assert_eq!(one.expose_secret(), "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    assert_ne!(one.expose_secret(), two.expose_secret());
    for mode in ["standard", "github", "timestamped", "stripe"] {
        signed(mode, &[one.expose_secret()], message(BODY));
    }
}

/// The key of RFC 8037, appendix A.
#[test]
fn the_key_set_is_that_of_rfc_8037() {
    let pair =
        "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg==";
    let signer = Signer::new(&mode("standard-asymmetric"), &secrets(&[pair, pair])).unwrap();
    let keys = sign::jwks(signer.public_keys());
    assert_eq!(keys.len(), 1, "a key that signs twice is published once");
    assert_eq!(keys[0]["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    assert_eq!(keys[0]["kid"], "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert!(!format!("{keys:?}").contains("nWGxne"), "nothing of the private key is published");
    let whpk = signer.public_keys().next().unwrap().to_string();
    assert_eq!(whpk, "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
}
