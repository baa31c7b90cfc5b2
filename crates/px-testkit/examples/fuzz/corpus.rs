//! What is mutated: every provider's record, a body that it sends, and the
//! request signed under a secret of the right form.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use px_core::Timestamp;
use px_inbound::verify::Prepared;
use px_inbound::verify::sign::{OutboundRequest, sign};
use px_sdk::Received;
use px_sdk::verify::{self, Keyring, Verification};
use secrecy::SecretString;

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// One provider, made ready.
pub(crate) struct Seed {
    pub(crate) verification: Verification,
    /// The record as it is written.
    pub(crate) written: String,
    pub(crate) keyring: Keyring,
    pub(crate) secret: SecretString,
    pub(crate) prepared: Prepared,
    /// Signed, and accepted as it is, where px can sign for the provider.
    pub(crate) request: Received,
}

/// How many of the last seeds are checked by public keys: a hundred times the
/// work of the others, in code that is not ours.
pub(crate) const ASYMMETRIC: usize = 4;

/// Every provider that px knows, with a secret and a body.
pub(crate) fn seeds() -> Vec<Seed> {
    let text = "8f742231b10e8888abcd99yyyzzz85a5";
    let standard = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let pair =
        "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
    let json = r#"{"type":"event_callback","id":"evt_1","event":{"type":"message","text":"h\u00e9"},"a":[1,2.5,null]}"#;
    let slack_form = "token=x&team_id=T1&command=%2Fdo&text=a+b&payload=%7B%22type%22%3A%22x%22%7D";
    let mail = r#"{"signature":{},"event-data":{"id":"x"}}"#;
    let mut seeds = Vec::new();
    let mut add = |verification: Verification, secret: &str, kind: &'static str, body: &str| {
        let secret = SecretString::from(secret.to_owned());
        let keyring = Keyring::empty()
            .with(secret.clone())
            .with_verify_token(SecretString::from("verify me".to_owned()));
        if let Ok(prepared) = Prepared::new(verification.clone(), &keyring) {
            let request = request(&verification, &secret, kind, body);
            let written = serde_json::to_string(&verification).unwrap();
            seeds.push(Seed { verification, written, keyring, secret, prepared, request });
        }
    };
    for record in [
        verify::slack("S"),
        verify::github("S"),
        verify::stripe("S"),
        verify::shopify("S"),
        verify::gitlab("S"),
        verify::zoom("S"),
        verify::meta("S", "V"),
        verify::jira("S"),
        verify::convoy("S"),
        verify::convoy_advanced("S"),
        verify::outpost("S"),
        verify::timestamped("x-forge", "S"),
        verify::bearer("S"),
        verify::token_header("x-token", "S"),
        verify::token_query("key", "S"),
        verify::cloudevents("S"),
        verify::hmac("x-own", "S").prefix("sha256="),
    ] {
        add(record, text, JSON, json);
    }
    add(verify::linear("S"), text, JSON, r#"{"webhookTimestamp":1,"type":"Issue"}"#);
    add(verify::mailgun("S"), text, JSON, mail);
    add(verify::twilio("S"), "12345", FORM, "CallSid=CA1&Digits=1&Digits=2&From=%2B1415&Empty=");
    add(verify::twilio("S"), "12345", JSON, json);
    add(verify::slack_command("S"), text, FORM, slack_form);
    add(verify::slack_interactivity("S"), text, FORM, slack_form);
    add(verify::github("S"), text, FORM, "payload=%7B%22zen%22%3A%22x%22%7D");
    add(verify::basic("S"), "user:password", JSON, json);
    add(verify::jira_app("S"), text, JSON, json);
    let own = |received: &Received, secret: &str| match received.header("x-own") {
        None => Err(verify::Refused::Missing("x-own")),
        Some(given) if verify::equal(given.as_bytes(), secret.as_bytes()) => Ok(()),
        Some(_) => Err(verify::Refused::Invalid),
    };
    add(verify::custom("S", own), text, JSON, json);
    for record in [verify::standard_webhooks("S"), verify::svix("S"), verify::gitlab_signed("S")] {
        add(record, standard, JSON, json);
    }
    add(verify::standard_webhooks_asymmetric("S"), pair, JSON, json);
    let public = "d7a1e9d4a6e2a5c5e0f7c1a3a7b4b5c6d7e8f9a0b1c2d3e4f5a6b7c8d9e0f1a2";
    add(verify::discord("S"), public, JSON, r#"{"type":1,"id":"1"}"#);
    add(
        verify::discord("S"),
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        JSON,
        r#"{"type":2,"id":"1"}"#,
    );
    let sendgrid = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==";
    add(verify::sendgrid("S"), sendgrid, JSON, "[{\"sg_event_id\":\"a\"},{\"sg_event_id\":\"b\"}]\r\n");
    assert!(seeds.len() > 25, "the corpus is there");
    seeds
}

fn request(verification: &Verification, secret: &SecretString, kind: &'static str, body: &str) -> Received {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert("host", HeaderValue::from_static("px.example"));
    let mut callback = OutboundRequest {
        method: Method::POST,
        url: "http://px.example/webhooks/fuzz".into(),
        headers,
        body: Bytes::copy_from_slice(body.as_bytes()),
    };
    // Where only the sender has the key there is no signature; then these stand for it.
    if sign(verification, secret, &mut callback, NOW).is_err() {
        let hex = HeaderValue::from_str(&"ab".repeat(64)).unwrap();
        callback.headers.insert("x-signature-ed25519", hex);
        callback.headers.insert("x-signature-timestamp", HeaderValue::from_static("1767225600"));
        let der = "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM=";
        callback.headers.insert("x-twilio-email-event-webhook-signature", HeaderValue::from_static(der));
        let time = HeaderValue::from_static("1767225600");
        callback.headers.insert("x-twilio-email-event-webhook-timestamp", time);
    }
    let query = callback.url.split_once('?').map(|(_, query)| query.to_owned());
    Received {
        method: callback.method,
        path: "/webhooks/fuzz".into(),
        query,
        base: None,
        headers: callback.headers,
        body: callback.body,
        remote: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
        at: NOW,
    }
}
