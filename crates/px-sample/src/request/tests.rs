//! Requests as their providers send them.

use px_sdk::{Inbound, Kind, WebhookBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::*;
use crate::OwnHandler;

#[test]
fn forms() {
    assert_eq!(
        body::form(&json!({"From": "+1 5", "m": ["a", "b"], "n": 2})),
        "From=%2B1%205&m%5B%5D=a&m%5B%5D=b&n=2"
    );
}

#[test]
fn a_flipped_signature_is_another_one_of_the_same_length() {
    let name = HeaderName::from_static("x");
    for text in ["sha256=00aa00aa", "v1,AAAA==", "a", ""] {
        let mut headers = HeaderMap::from_iter([(name.clone(), text.parse().unwrap())]);
        flip(&mut headers, &name);
        let flipped = headers[&name].to_str().unwrap();
        assert_eq!(flipped.len(), text.len());
        assert!(text.is_empty() || flipped != text, "{text}");
    }
}

/// Events of a provider, of which a webhook knows two.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "type")]
enum Event {
    #[serde(rename = "payment_intent.succeeded")]
    Succeeded { data: Data },
    #[serde(rename = "charge.refunded")]
    Refunded(Refund),
}

#[derive(Deserialize, JsonSchema)]
struct Data {
    object: Intent,
}

#[derive(Deserialize, JsonSchema)]
struct Intent {
    id: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(example = Refund { refund: 7, reason: "it broke".into() })]
struct Refund {
    refund: u64,
    reason: String,
}

/// Where the provider wraps its events.
#[derive(Deserialize, JsonSchema)]
struct Envelope {
    team: String,
    event: Option<Kind<Event>>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Known {
    id: String,
}

fn known(event: Kind<Event>) -> Inbound<Known> {
    match event {
        Kind::Known(Event::Succeeded { data: Data { object } }) => {
            Inbound::resume(object.id.clone(), Known { id: object.id })
        }
        Kind::Known(Event::Refunded(refund)) => {
            Inbound::resume(refund.refund.to_string(), Known { id: refund.reason })
        }
        Kind::Other(_) => Inbound::ignore("another kind"),
    }
}

fn events() -> WebhookDef {
    WebhookBuilder::<Kind<Event>, Known>::new("events", "")
        .handler(async |event: Kind<Event>| Ok::<_, px_sdk::Error>(known(event)))
}

fn envelopes() -> WebhookDef {
    WebhookBuilder::<Envelope, Known>::new("envelopes", "").handler(async |envelope: Envelope| {
        assert!(!envelope.team.is_empty());
        let event = envelope.event.unwrap_or(Kind::Other(Value::Null));
        Ok::<_, px_sdk::Error>(known(event))
    })
}

async fn payload(def: &WebhookDef, kind: Option<&str>, identifier: Option<&str>) -> Result<Value> {
    let wish = Wish { kind, identifier, ..Wish::default() };
    let made = draft(def, &OwnHandler(def), wish, Timestamp::from_millis(0)).await?;
    Ok(made.payload().unwrap())
}

#[tokio::test]
async fn an_identifier_is_found_in_each_known_kind_of_event() {
    let succeeded = json!({"type": "payment_intent.succeeded", "data": {"object": {"id": "pi_1"}}});
    let refunded = json!({"type": "charge.refunded", "refund": 9, "reason": "it broke"});
    for (kind, identifier, event) in [
        (Some("payment_intent.succeeded"), "pi_1", &succeeded),
        (None, "pi_1", &succeeded),
        (Some("charge.refunded"), "9", &refunded),
    ] {
        assert_eq!(payload(&events(), kind, Some(identifier)).await.unwrap(), *event);
        let wrapped = payload(&envelopes(), kind, Some(identifier)).await.unwrap();
        assert_eq!(wrapped["event"], *event);
    }
}

#[tokio::test]
async fn the_example_of_a_kind_is_what_is_sent_of_it() {
    let sent = payload(&events(), Some("charge.refunded"), None).await.unwrap();
    assert_eq!(sent, json!({"type": "charge.refunded", "refund": 7, "reason": "it broke"}));
}

#[tokio::test]
async fn a_kind_that_nobody_knows_is_refused_with_those_that_are_known() {
    let error = payload(&events(), Some("charge.refund"), None).await.unwrap_err();
    assert_eq!(error.message, "the payload of webhook 'events' has no kind 'charge.refund'");
    let hint = error.hint.unwrap();
    assert!(hint.contains("it knows payment_intent.succeeded, charge.refunded;"), "{hint}");
}

/// A button of a message, as Slack tells of it.
#[derive(Deserialize, JsonSchema)]
struct Interaction {
    #[serde(rename = "type")]
    kind: String,
    value: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Pressed {
    kind: String,
}

#[tokio::test]
async fn slacks_buttons_come_as_the_form_that_slack_posts() {
    let def = WebhookBuilder::<Interaction, Pressed>::new("buttons", "Buttons")
        .verify(px_sdk::verify::slack_interactivity("S"))
        .handler(async |pressed: Interaction| {
            Ok(Inbound::resume(pressed.value, Pressed { kind: pressed.kind }))
        });
    let given = br#"{"type": "block_actions", "value": "v 1&2"}"#;
    let url = "http://127.0.0.1:8787/webhooks/buttons";
    let keyring = Keyring::empty().with(SecretString::from("a secret"));
    for wish in
        [Wish { body: Some(given), ..Wish::default() }, Wish { identifier: Some("v 1&2"), ..Wish::default() }]
    {
        let draft = draft(&def, &OwnHandler(&def), wish, Timestamp::from_millis(1_000)).await.unwrap();
        let request = draft.seal(&def, url, &keyring, "1", Timestamp::from_millis(1_000), false).unwrap();
        assert_eq!(request.headers[CONTENT_TYPE], FORM);
        let fields = px_verify::form_fields(&request.body);
        let [(name, json)] = fields.as_slice() else { panic!("{fields:?}") };
        let read: Value = serde_json::from_str(json).unwrap();
        assert_eq!((name.as_str(), &read["value"]), ("payload", &json!("v 1&2")));
        assert_eq!(draft.payload().unwrap()["value"], "v 1&2");
        assert!(request.signed && request.headers.contains_key("x-slack-signature"));
    }
}
