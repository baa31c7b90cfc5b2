//! Records with several proofs, keys with ids, and the encodings and forms of
//! keys that a table of `[providers]` can name.

#![expect(clippy::unwrap_used, reason = "a test helper that fails should fail the test")]

mod verify_support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::SigningKey;
use http::{HeaderMap, Method};
use px_core::Timestamp;
use px_verify::record::{Algorithm, Key, Keyring, Scheme, Verification};
use px_verify::sign::{OutboundRequest, sign};
use px_verify::{Prepared, Received, UrlView, providers};
use secrecy::SecretString;
use verify_support::{at_url, class, post, prepared};

const NOW: u64 = 1_700_000_000;
const SHARED: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const BODY: &str = r#"{"type":"x"}"#;

fn signed(record: &Verification, secret: &str) -> Received {
    let mut request = OutboundRequest {
        method: Method::POST,
        url: "https://px.example/webhooks/test".to_owned(),
        headers: HeaderMap::new(),
        body: BODY.into(),
    };
    sign(record, &SecretString::from(secret), &mut request, Timestamp::from_millis(NOW * 1000)).unwrap();
    Received { headers: request.headers, body: request.body, ..post(NOW, &[], "") }
}

fn keys() -> (String, String, String) {
    let key = SigningKey::from_bytes(&[7; 32]);
    let text = |prefix: &str, bytes: &[u8]| format!("{prefix}{}", STANDARD.encode(bytes));
    (
        text("whsk_", &[7; 32]),
        text("whsk_", &key.to_keypair_bytes()),
        text("whpk_", key.verifying_key().as_bytes()),
    )
}

#[test]
fn a_seed_a_pair_and_a_public_key_are_the_same_key() {
    let (seed, pair, public) = keys();
    let record = providers::standard_webhooks_asymmetric("NAME");
    for signs in [&seed, &pair] {
        let received = signed(&record, signs);
        for verifies in [&seed, &pair, &public] {
            assert_eq!(class(&prepared(&record, verifies), &received), Ok(()));
        }
        let other = format!("whsk_{}", STANDARD.encode([8; 32]));
        assert_eq!(class(&prepared(&record, &other), &received), Err("invalid"));
    }
}

#[test]
fn both_names_of_standard_webhooks_count_in_both_presets() {
    let (seed, _, public) = keys();
    let asymmetric = providers::standard_webhooks_asymmetric("NAME");
    for (record, signs, verifies) in [
        (providers::standard_webhooks("NAME"), SHARED, SHARED),
        (providers::svix("NAME"), SHARED, SHARED),
        (asymmetric, seed.as_str(), public.as_str()),
    ] {
        let received = signed(&record, signs);
        let mut renamed = received.clone();
        renamed.headers = HeaderMap::new();
        for (name, value) in &received.headers {
            let name = match name.as_str().split_once('-').unwrap() {
                ("svix", rest) => format!("webhook-{rest}"),
                (_, rest) => format!("svix-{rest}"),
            };
            renamed.headers.insert(http::HeaderName::try_from(name).unwrap(), value.clone());
        }
        let prepared = prepared(&record, verifies);
        assert_eq!(class(&prepared, &received), Ok(()));
        assert_eq!(class(&prepared, &renamed), Ok(()));
        assert_eq!(class(&prepared, &post(NOW, &[], BODY)), Err("missing"));
        let spoilt = Received { body: "{}".into(), ..renamed };
        assert_eq!(class(&prepared, &spoilt), Err("invalid"));
    }
}

#[test]
fn a_webhook_believes_each_of_its_proofs_under_its_own_secret() {
    let (seed, _, public) = keys();
    let both = providers::standard_webhooks("SHARED").also(providers::standard_webhooks_asymmetric("PUBLIC"));
    let environment = |shared: bool, key: bool| {
        let (public, both) = (public.clone(), both.clone());
        let keyring = both.resolve(&move |name: &str| match name {
            "SHARED" if shared => Some(SHARED.to_owned()),
            "PUBLIC" if key => Some(public.clone()),
            _ => None,
        });
        Prepared::new(both, &keyring).unwrap()
    };
    let by_secret = signed(&providers::standard_webhooks("X"), SHARED);
    let by_key = signed(&providers::standard_webhooks_asymmetric("X"), &seed);
    let index = |prepared: &Prepared, received: &Received| {
        prepared.verify(received, &UrlView::default()).map(|verified| verified.key_index)
    };
    let prepared = environment(true, true);
    assert_eq!(index(&prepared, &by_secret), Ok(Some(0)));
    assert_eq!(index(&prepared, &by_key), Ok(Some(1)));
    // Without one of the secrets the other still counts, and nothing else does.
    let prepared = environment(false, true);
    assert!(prepared.is_verified());
    assert_eq!((class(&prepared, &by_key), class(&prepared, &by_secret)), (Ok(()), Err("unknown_version")));
    let prepared = environment(true, false);
    assert_eq!((class(&prepared, &by_secret), class(&prepared, &by_key)), (Ok(()), Err("unknown_version")));
    assert!(!environment(false, false).is_verified());
    assert!(both.is_secret_header("svix-signature") && both.is_secret_header("webhook-signature"));
}

#[test]
fn proofs_under_one_secret_share_its_number() {
    let svix = providers::standard_webhooks("SHARED");
    let received = signed(&svix, SHARED);
    let mut renamed = received.clone();
    renamed.headers = HeaderMap::new();
    for (name, value) in &received.headers {
        let name = name.as_str().replace("webhook-", "svix-");
        renamed.headers.insert(http::HeaderName::try_from(name).unwrap(), value.clone());
    }
    let token = providers::token_query("t", "OTHER");
    for (record, own, other) in [
        (svix.clone(), Some(0), None),
        (svix.clone().also(token.clone()), Some(0), Some(2)),
        (token.also(svix), Some(1), Some(0)),
    ] {
        let keyring = record.resolve(&|name: &str| match name {
            "SHARED" => Some(SHARED.to_owned()),
            "SHARED_PREVIOUS" => Some("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned()),
            "OTHER" => Some("word".to_owned()),
            _ => None,
        });
        let prepared = Prepared::new(record, &keyring).unwrap();
        let index = |received: &Received| {
            prepared.verify(received, &UrlView::default()).ok().and_then(|verified| verified.key_index)
        };
        assert_eq!((index(&received), index(&renamed)), (own, own));
        assert_eq!(index(&at_url(post(NOW, &[], BODY), "/", Some("t=word"))), other);
    }
}

#[test]
fn a_table_says_base64url_other_proofs_and_the_header_that_names_the_key() {
    let record: Verification = toml::from_str(
        r#"
        provider = "acme"
        secret = "ACME"
        [scheme.signature]
        header = "acme-signature"
        encoding = "base64url"
        key_id_header = "acme-key"
        [[also]]
        secret = "ACME_NEW"
        scheme = { signature = { header = "acme-signature-2", algorithm = "hmac-sha512" } }
        [[also]]
        scheme = { token = { header = "acme-token" } }
        "#,
    )
    .unwrap();
    assert_eq!(toml::from_str::<Verification>(&toml::to_string(&record).unwrap()).unwrap(), record);
    let key = |secret: &str, id: Option<&str>| Key {
        id: id.map(str::to_owned),
        ..Key::new(SecretString::from(secret))
    };
    let keyring = Keyring::empty()
        .with_key(key("one", Some("k1")))
        .with_key(key("two", Some("k2")))
        .with_other("ACME_NEW", Keyring::empty().with(SecretString::from("new")));
    let acme = Prepared::new(record.clone(), &keyring).unwrap();
    let named = |secret: &str, id: Option<&'static str>| {
        let mut received = signed(&record, secret);
        if let Some(id) = id {
            received.headers.insert("acme-key", http::HeaderValue::from_static(id));
        }
        class(&acme, &received)
    };
    assert_eq!(named("two", Some("k2")), Ok(()));
    assert_eq!(named("two", Some("k1")), Err("invalid"));
    assert_eq!(named("two", Some("k3")), Err("unknown_key"));
    assert_eq!(named("two", None), Ok(()));
    // The bytes of this signature need both letters of their own alphabet.
    let value = signed(&record, "two").headers["acme-signature"].to_str().unwrap().to_owned();
    assert!(!value.contains(['+', '/', '=']), "{value}");
    let padded = post(NOW, &[("acme-signature", &format!("{value}="))], BODY);
    assert_eq!(class(&acme, &padded), Ok(()));
    let mut second = record.clone();
    second.scheme = record.also[0].scheme.clone();
    assert_eq!(class(&acme, &signed(&second, "new")), Ok(()));
    assert_eq!(class(&acme, &signed(&second, "one")), Err("invalid"));
    assert_eq!(class(&acme, &post(NOW, &[("acme-token", "one")], BODY)), Ok(()));
    let Scheme::Signature(signature) = &record.also[0].scheme else { panic!("{record:?}") };
    assert_eq!(signature.algorithm, Algorithm::HmacSha512);
    for junk in ["[[also]]\nsecret = 'A'", "[[also]]\nscheme = 'twilio'\nmode = 'x'"] {
        assert!(toml::from_str::<Verification>(&format!("scheme = 'twilio'\n{junk}")).is_err(), "{junk}");
    }
}
