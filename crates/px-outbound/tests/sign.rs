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
use px_outbound::sign::{self, MAX_KEYS, Message, Mode, Names, Signer};
use secrecy::{ExposeSecret as _, SecretString};

const SHARED: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const AT: Timestamp = Timestamp::from_millis(1_614_265_330_999);
const BODY: &[u8] = br#"{"id":"evt_1"}"#;

fn secrets(texts: &[&str]) -> Vec<SecretString> {
    texts.iter().map(|text| SecretString::from(*text)).collect()
}

fn signed(mode: Mode, names: &Names, texts: &[&str], message: Message<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    Signer::new(mode, names, &secrets(texts)).unwrap().sign(&message, &mut headers).unwrap();
    headers
}

fn message(body: &[u8]) -> Message<'_> {
    Message { id: "evt_1", at: AT, body }
}

fn refused(mode: Mode, texts: &[&str]) -> String {
    Signer::new(mode, &Names::own(), &secrets(texts)).unwrap_err().to_string()
}

/// A source of bytes that count up, never the same twice.
fn counting() -> impl Fn(&mut [u8]) {
    let next = AtomicU8::new(0);
    move |bytes| bytes.iter_mut().for_each(|byte| *byte = next.fetch_add(1, Ordering::Relaxed))
}

#[test]
fn standard_signs_what_its_documentation_shows() {
    let sent = Message { id: "msg_p5jXN8AQM9LWM0D4loKWxJek", at: AT, body: br#"{"test": 2432232314}"# };
    let headers = signed(Mode::Standard, &Names::own(), &[SHARED], sent);
    assert_eq!(headers["webhook-id"], "msg_p5jXN8AQM9LWM0D4loKWxJek");
    assert_eq!(headers["webhook-timestamp"], "1614265330");
    assert_eq!(headers["webhook-signature"], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    assert_eq!(headers.len(), 3);
}

#[test]
fn github_signs_what_its_documentation_shows() {
    let names = Names::own();
    let headers = signed(Mode::Github, &names, &["It's a Secret to Everybody"], message(b"Hello, World!"));
    let expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    assert_eq!(headers["x-hub-signature-256"], expected);
    assert_eq!(headers.len(), 1);
}

#[test]
fn stripe_signs_once_for_each_key() {
    let headers = signed(Mode::Stripe, &Names::own(), &["whsec_new", "whsec_old"], message(BODY));
    assert_eq!(headers["stripe-signature"], format!("t=1614265330,v1={NEW},v1={OLD}"));
    let names = Names { signature: Some("X-Acme-Signature".to_owned()), timestamp: None };
    let headers = signed(Mode::Stripe, &names, &["whsec_new"], message(BODY));
    assert_eq!(headers["x-acme-signature"], format!("t=1614265330,v1={NEW}"));
}

#[test]
fn timestamped_uses_the_names_it_is_given() {
    let headers = signed(Mode::Timestamped, &Names::own(), &["whsec_new"], message(BODY));
    assert_eq!(headers["x-px-timestamp"], "1614265330");
    assert_eq!(headers["x-px-signature"], format!("sha256={NEW}"));
    let headers = signed(Mode::Timestamped, &Names::prefixed("X-Forge-"), &["whsec_new"], message(BODY));
    assert_eq!(headers["x-forge-timestamp"], "1614265330");
    assert_eq!(headers["x-forge-signature"], format!("sha256={NEW}"));
}

const NEW: &str = "88a53642938c8f5aeed92eced151b0a7da6faf6f72068469e0c301fb3eda7c15";
const OLD: &str = "40c0e3fdea6dde739c59b10c28033c4ecd58107dd7243e7d2b399e6f005dec3a";

#[test]
fn asymmetric_signs_v1a_and_v1_beside_it() {
    let (private, public) = sign::key_pair(&counting());
    assert!(private.expose_secret().starts_with("whsk_"));
    let headers =
        signed(Mode::StandardAsymmetric, &Names::own(), &[private.expose_secret(), SHARED], message(BODY));
    let text = headers["webhook-signature"].to_str().unwrap();
    let (asymmetric, shared) = text.split_once(' ').unwrap();
    let signature = STANDARD.decode(asymmetric.strip_prefix("v1a,").unwrap()).unwrap();
    let key = VerifyingKey::from_bytes(&public.to_bytes()).unwrap();
    let text = [b"evt_1.1614265330.", BODY].concat();
    key.verify_strict(&text, &Signature::from_slice(&signature).unwrap()).expect("the pair's own signature");
    let alone = signed(Mode::Standard, &Names::own(), &[SHARED], message(BODY));
    assert_eq!(shared, alone["webhook-signature"]);
}

#[test]
fn a_signature_is_fresh_at_every_attempt_and_the_body_is_not() {
    for mode in [Mode::Standard, Mode::Timestamped, Mode::Stripe] {
        let later = Message { at: Timestamp::from_millis(1_614_265_331_000), ..message(BODY) };
        let first = signed(mode, &Names::own(), &[SHARED], message(BODY));
        assert_ne!(first, signed(mode, &Names::own(), &[SHARED], later), "{mode:?}");
        assert_eq!(first, signed(mode, &Names::own(), &[SHARED], message(BODY)), "{mode:?}");
    }
}

#[test]
fn rotation_keeps_the_old_secrets_signing_where_the_header_has_room() {
    let old = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let alone = signed(Mode::Standard, &Names::own(), &[old], message(BODY));
    let both = signed(Mode::Standard, &Names::own(), &[SHARED, old], message(BODY));
    let text = both["webhook-signature"].to_str().unwrap();
    assert!(text.ends_with(&format!(" {}", alone["webhook-signature"].to_str().unwrap())), "{text}");
    for mode in Mode::ALL.into_iter().filter(|mode| !mode.carries_several()) {
        let new = signed(mode, &Names::own(), &["new"], message(BODY));
        assert_eq!(new, signed(mode, &Names::own(), &["new", "old"], message(BODY)), "{mode:?}");
    }
    let many: Vec<&str> = std::iter::repeat_n(SHARED, MAX_KEYS).collect();
    let headers = signed(Mode::Standard, &Names::own(), &many, message(BODY));
    assert_eq!(headers["webhook-signature"].to_str().unwrap().split(' ').count(), MAX_KEYS);
    let too_many: Vec<&str> = std::iter::repeat_n(SHARED, MAX_KEYS + 1).collect();
    assert!(refused(Mode::Standard, &too_many).contains("at most 11"));
}

#[test]
fn a_standard_secret_is_whsec_and_base64_of_24_to_64_bytes() {
    let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
    for bytes in [24, 32, 64] {
        signed(Mode::Standard, &Names::own(), &[&of(bytes)], message(BODY));
    }
    for (secret, said) in [
        (of(23), "decodes to 23 bytes"),
        (of(65), "decodes to 65 bytes"),
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned(), "does not begin with 'whsec_'"),
        ("whsec_not base64".to_owned(), "no base64"),
        ("whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned(), "standard-asymmetric"),
        (String::new(), "does not begin with 'whsec_'"),
    ] {
        let error = refused(Mode::Standard, &[&secret]);
        assert!(error.contains(said), "{error}");
        let key = secret.trim_start_matches("whsec_");
        assert!(key.is_empty() || !error.contains(key), "the error shows the secret: {error}");
    }
}

#[test]
fn a_key_that_cannot_sign_is_refused_when_it_is_configured() {
    for mode in Mode::ALL {
        assert_eq!(refused(mode, &[]), "there is no secret to sign with");
    }
    for mode in [Mode::Github, Mode::Timestamped, Mode::Stripe] {
        assert!(refused(mode, &[""]).contains("empty"));
        assert!(refused(mode, &["good", "bad\n"]).contains("white space"));
    }
    assert!(refused(Mode::StandardAsymmetric, &[SHARED]).contains("whsk_"));
    assert!(refused(Mode::StandardAsymmetric, &["whsk_AAAA"]).contains("3 bytes"));
    let mixed = format!("whsk_{}", STANDARD.encode([7; 64]));
    assert!(refused(Mode::StandardAsymmetric, &[&mixed]).contains("do not belong together"));
}

#[test]
fn names_that_would_break_the_request_are_refused() {
    let refused =
        |mode, names: Names| Signer::new(mode, &names, &secrets(&[SHARED])).unwrap_err().to_string();
    let signature = |name: &str| Names { signature: Some(name.to_owned()), timestamp: None };
    for name in ["Content-Length", "host", "Authorization"] {
        assert!(refused(Mode::Stripe, signature(name)).contains("HTTP itself"), "{name}");
    }
    assert!(refused(Mode::Timestamped, signature("not a name")).contains("no header's name"));
    assert!(refused(Mode::Timestamped, signature("X-Px-Timestamp")).contains("timestamp and the signature"));
    assert!(refused(Mode::Github, signature("X-Mine")).contains("fixed"));
    assert!(refused(Mode::Stripe, Names::prefixed("X-Mine-")).contains("fixed"));
}

#[test]
fn an_id_with_a_dot_is_not_signed() {
    let signer = Signer::new(Mode::Standard, &Names::own(), &secrets(&[SHARED])).unwrap();
    for id in ["evt.1", "", "evt 1", "evt\n1", "évt"] {
        let sent = Message { id, ..message(BODY) };
        assert!(signer.sign(&sent, &mut HeaderMap::new()).is_err(), "{id}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let (private, _) = sign::key_pair(&counting());
    let private = private.expose_secret();
    for (mode, secret) in [
        (Mode::Standard, SHARED),
        (Mode::StandardAsymmetric, private),
        (Mode::Github, "hunter2hunter2"),
        (Mode::Timestamped, "hunter2hunter2"),
        (Mode::Stripe, "hunter2hunter2"),
    ] {
        let signer = Signer::new(mode, &Names::own(), &secrets(&[secret])).unwrap();
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
    for mode in [Mode::Standard, Mode::Github, Mode::Timestamped, Mode::Stripe] {
        signed(mode, &Names::own(), &[one.expose_secret()], message(BODY));
    }
}

/// The key of RFC 8037, appendix A.
#[test]
fn the_key_set_is_that_of_rfc_8037() {
    let pair =
        "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg==";
    let signer = Signer::new(Mode::StandardAsymmetric, &Names::own(), &secrets(&[pair, pair])).unwrap();
    let set = sign::jwks(signer.public_keys());
    let keys = set["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1, "a key that signs twice is published once");
    assert_eq!(keys[0]["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    assert_eq!(keys[0]["kid"], "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert!(!set.to_string().contains("nWGxne"), "nothing of the private key is published");
    let whpk = signer.public_keys().next().unwrap().to_string();
    assert_eq!(whpk, "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
}
