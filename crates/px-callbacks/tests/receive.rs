//! The receiving side against what px-outbound signs: every mode, rotation,
//! strictness, and copies that arrive together.

#![expect(clippy::unwrap_used, reason = "test code: what is unexpected fails the test")]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use px_callbacks::{
    Event, Journal, MAX_BODY_BYTES, Recorded, Refused, Seen, Unavailable, Verified, Verifier, endpoint,
};
use px_core::hook::Signing;
use px_core::{CallbackId, EventId, ManualClock, Timestamp};
use px_outbound::sign::{self, Message, Signer};
use secrecy::{ExposeSecret as _, SecretString};
use tower::ServiceExt as _;

const SHARED: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const ID: &str = "evt_01010101010101010101010101010101";
const BODY: &[u8] = br#"{"id":"evt_01010101010101010101010101010101","type":"run.completed"}"#;
const AT: Timestamp = Timestamp::from_millis(1_768_473_000_123);

fn signing(name: &str) -> Signing {
    Signing::parse(name).unwrap()
}

/// A callback as px sends it.
fn sent(signing: &Signing, secrets: &[&str], at: Timestamp, body: &[u8]) -> HeaderMap {
    let secrets: Vec<_> = secrets.iter().map(|text| SecretString::from(*text)).collect();
    let mut headers = HeaderMap::new();
    headers.insert("x-px-event", "run.completed".parse().unwrap());
    headers.insert("x-px-event-id", ID.parse().unwrap());
    headers.insert("x-px-delivery", CallbackId::from_bytes([3; 16]).to_string().parse().unwrap());
    let message = Message { id: ID, at, body };
    Signer::new(signing, &secrets).unwrap().sign(&message, &mut headers).unwrap();
    headers
}

/// The pair of the asymmetric mode.
fn pair() -> (String, String) {
    let (private, public) = sign::key_pair(&|bytes| bytes.fill(7));
    (private.expose_secret().to_owned(), public.to_string())
}

/// Each mode: how px signs, and who verifies, with this secret.
fn modes(secrets: &[&str]) -> Vec<(Signing, Vec<String>, Verifier)> {
    let own = || secrets.iter().copied();
    let clocked = |verifier: Verifier| verifier.clock(ManualClock::at(AT));
    let (private, public) = pair();
    let named = Signing::Timestamped {
        timestamp_header: "X-Forge-Timestamp".to_owned(),
        signature_header: "X-Forge-Signature".to_owned(),
    };
    let texts: Vec<String> = own().map(str::to_owned).collect();
    vec![
        (signing("standard"), texts.clone(), clocked(Verifier::standard(own()).unwrap())),
        (
            signing("standard-asymmetric"),
            vec![private],
            clocked(Verifier::standard_asymmetric([public]).unwrap()),
        ),
        (signing("github"), texts.clone(), clocked(Verifier::github(own()).unwrap())),
        (
            named,
            texts.clone(),
            clocked(Verifier::timestamped("X-Forge-Timestamp", "X-Forge-Signature", own()).unwrap()),
        ),
        (signing("stripe"), texts, clocked(Verifier::stripe("Stripe-Signature", own()).unwrap())),
    ]
}

fn verified(verifier: &Verifier, headers: &HeaderMap, body: &[u8]) -> Result<Event, Refused> {
    verifier.verify(headers, &Bytes::copy_from_slice(body))
}

fn class(refused: &Refused) -> &'static str {
    match refused {
        Refused::Signature(refusal) => refusal.class(),
        _ => "no_id",
    }
}

#[test]
fn hooks_7_every_mode_verifies_what_px_signs() {
    for (signing, secrets, verifier) in modes(&[SHARED]) {
        let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
        let headers = sent(&signing, &secrets, AT, BODY);
        let event = verified(&verifier, &headers, BODY).unwrap();
        assert_eq!((event.id.as_str(), event.kind.as_deref()), (ID, Some("run.completed")), "{signing:?}");
        assert_eq!((event.at, &*event.body), (AT, BODY), "{signing:?}");
        let mut changed = BODY.to_vec();
        changed.push(b' ');
        assert_eq!(class(&verified(&verifier, &headers, &changed).unwrap_err()), "invalid", "{signing:?}");
    }
}

#[test]
fn hooks_6_a_missing_signature_header_accepted_when_a_secret_is_set() {
    for (signing, secrets, verifier) in modes(&[SHARED]) {
        let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
        let whole = sent(&signing, &secrets, AT, BODY);
        let names: Vec<_> =
            whole.keys().filter(|name| !name.as_str().starts_with("x-px-")).cloned().collect();
        assert!(!names.is_empty());
        for name in names {
            let mut headers = whole.clone();
            headers.remove(&name);
            let refused = verified(&verifier, &headers, BODY).unwrap_err();
            assert_eq!(class(&refused), "missing", "{signing:?} without {name}");
        }
    }
}

#[test]
fn hooks_6_without_a_secret_there_is_no_verifier() {
    let none: [&str; 0] = [];
    assert!(Verifier::standard(none).unwrap_err().to_string().contains("no secret"));
    assert!(Verifier::github(none).is_err() && Verifier::stripe("Stripe-Signature", none).is_err());
    assert!(Verifier::new(px_verify::providers::unverified(), [SHARED]).is_err());
    assert!(Verifier::standard(["whsec_not base64"]).is_err());
    assert!(Verifier::github([""]).is_err(), "anybody can sign with an empty key");
}

#[test]
fn rotation_accepts_the_new_secret_and_the_old() {
    for secret in [SHARED, OTHER] {
        for (signing, secrets, _) in
            modes(&[secret]).into_iter().filter(|one| one.0 != signing("standard-asymmetric"))
        {
            let verifier = modes(&[SHARED, OTHER]).into_iter().find(|one| one.0 == signing).unwrap().2;
            let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
            verified(&verifier, &sent(&signing, &secrets, AT, BODY), BODY).unwrap();
        }
    }
    // And px signs with both where the header has room.
    let old_only = Verifier::standard([OTHER]).unwrap().clock(ManualClock::at(AT));
    verified(&old_only, &sent(&signing("standard"), &[SHARED, OTHER], AT, BODY), BODY).unwrap();
}

#[test]
fn a_timestamp_outside_of_the_tolerance_is_refused_both_ways() {
    let at = |seconds: i64| Timestamp::from_millis(AT.as_millis().saturating_add_signed(seconds * 1_000));
    for (signing, secrets, verifier) in modes(&[SHARED]).into_iter().filter(|one| one.0 != signing("github"))
    {
        let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
        let result = |verifier: &Verifier, seconds| {
            verified(verifier, &sent(&signing, &secrets, at(seconds), BODY), BODY)
                .map_err(|refused| class(&refused))
        };
        assert_eq!(result(&verifier, -302).unwrap_err(), "too_old", "{signing:?}");
        assert_eq!(result(&verifier, 302).unwrap_err(), "too_new", "{signing:?}");
        assert!(result(&verifier, -299).is_ok() && result(&verifier, 299).is_ok());
        let narrow = verifier.tolerance(Duration::from_secs(10)).unwrap();
        assert_eq!(result(&narrow, -12).unwrap_err(), "too_old", "{signing:?}");
    }
}

#[test]
fn the_id_is_the_signed_one() {
    let headers = sent(&signing("github"), &[SHARED], AT, BODY);
    let verifier = Verifier::github([SHARED]).unwrap();
    let mut forged = headers.clone();
    forged.insert("x-px-event-id", "evt_other".parse().unwrap());
    forged.insert("x-github-delivery", "other".parse().unwrap());
    assert_eq!(verified(&verifier, &forged, BODY).unwrap().id, ID, "an unsigned header does not make it new");
    for body in [&br#"{"payload":{"id":"x"}}"#[..], br#"{"data":{"id":"x"}}"#] {
        let headers = sent(&signing("github"), &[SHARED], AT, body);
        assert_eq!(verified(&verifier, &headers, body).unwrap().id, "x");
    }
    let mut bare = sent(&signing("github"), &[SHARED], AT, b"{}");
    assert_eq!(verified(&verifier, &bare, b"{}").unwrap().id, ID);
    bare.remove("x-px-event-id");
    assert_eq!(class(&verified(&verifier, &bare, b"{}").unwrap_err()), "no_id");
}

#[test]
fn debug_shows_no_secret() {
    for (_, _, verifier) in modes(&[SHARED]) {
        assert!(!format!("{verifier:?}").contains("MfKQ9r8"), "{verifier:?}");
    }
}

// Over HTTP.

fn request(headers: &HeaderMap, body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::post("/hooks").body(body.into()).unwrap();
    *request.headers_mut() = headers.clone();
    request
}

async fn answer(app: &Router, request: Request<Body>) -> (StatusCode, String) {
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn service(journal: &Journal) -> Router {
    let verifier = Verifier::standard([SHARED]).unwrap().clock(ManualClock::at(AT));
    Router::new().route("/hooks", endpoint(verifier, journal.clone()))
}

#[tokio::test]
async fn hooks_6_a_receivers_dedup_that_is_not_atomic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    let journal = Journal::open(&path).unwrap();
    let app = service(&journal);
    let headers = sent(&signing("standard"), &[SHARED], AT, BODY);
    let copies: Vec<_> = (0..50)
        .map(|_| {
            let (app, request) = (app.clone(), request(&headers, BODY));
            tokio::spawn(async move { answer(&app, request).await })
        })
        .collect();
    let mut first = 0;
    for copy in copies {
        match copy.await.unwrap() {
            (StatusCode::OK, body) if body == r#"{"received":true}"# => first += 1,
            (StatusCode::OK, body) => assert_eq!(body, r#"{"duplicate":true,"received":true}"#),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(first, 1, "one of fifty copies is the first");
    let stored = journal.recent(0);
    assert_eq!(stored.len(), 1);
    // And after a restart it is still known.
    drop((app, journal));
    let journal = reopened(&path).await;
    assert_eq!(journal.recent(0), stored);
    let (status, body) = answer(&service(&journal), request(&headers, BODY)).await;
    assert_eq!((status, body.contains("duplicate")), (StatusCode::OK, true));
}

/// Opens the file as soon as the thread of the journal before has let it go.
async fn reopened(path: &std::path::Path) -> Journal {
    loop {
        match Journal::open(path) {
            Ok(journal) => return journal,
            Err(px_callbacks::JournalError::Locked(_)) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn what_is_answered_with_2xx_is_in_the_file_already() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    let journal = Journal::open(&path).unwrap();
    let mut changes = journal.changes();
    for n in 1..=20_u8 {
        let event = Event {
            id: EventId::from_bytes([n; 16]).to_string(),
            kind: None,
            at: AT,
            body: Bytes::from_static(BODY),
        };
        assert_eq!(journal.record(event.clone()).await, Ok(Recorded::First(u64::from(n))));
        let file = std::fs::read_to_string(&path).unwrap();
        assert!(file.contains(&event.id), "the event and its mark are one line");
        assert_eq!(*changes.borrow_and_update(), u64::from(n));
    }
    assert_eq!(journal.recent(18).len(), 2);
    assert!(
        matches!(Journal::open(&path), Err(px_callbacks::JournalError::Locked(_))),
        "one process at a time"
    );
}

#[tokio::test]
async fn refusals_say_what_is_wrong_and_store_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path().join("events")).unwrap();
    let app = service(&journal);
    let headers = sent(&signing("standard"), &[SHARED], AT, BODY);
    let wrong = sent(&signing("standard"), &[OTHER], AT, BODY);
    assert_eq!(answer(&app, request(&HeaderMap::new(), BODY)).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(answer(&app, request(&wrong, BODY)).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(answer(&app, request(&headers, &b"{}"[..])).await.0, StatusCode::UNAUTHORIZED);
    let long = vec![b' '; MAX_BODY_BYTES + 1];
    assert_eq!(answer(&app, request(&headers, long)).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    let get = Request::get("/hooks").body(Body::empty()).unwrap();
    assert_eq!(answer(&app, get).await.0, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(journal.recent(0), []);
}

/// A store that is down.
struct Down;

impl Seen for Down {
    async fn record(&self, _: Event) -> Result<Recorded, Unavailable> {
        Err(Unavailable("the database does not answer".to_owned()))
    }
}

#[tokio::test]
async fn what_could_not_be_stored_is_to_be_sent_again() {
    let verifier = Verifier::standard([SHARED]).unwrap().clock(ManualClock::at(AT));
    let app: Router = Router::new().route("/hooks", endpoint(verifier, Down));
    let headers = sent(&signing("standard"), &[SHARED], AT, BODY);
    let response = app.oneshot(request(&headers, BODY)).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key("retry-after"));
}

#[tokio::test]
async fn the_extractor_lets_only_verified_events_reach_a_handler() {
    async fn handler(State(_): State<Arc<Verifier>>, Verified(event): Verified) -> String {
        event.id
    }
    let verifier = Arc::new(Verifier::standard([SHARED]).unwrap().clock(ManualClock::at(AT)));
    let app = Router::new().route("/hooks", post(handler)).with_state(verifier);
    let headers = sent(&signing("standard"), &[SHARED], AT, BODY);
    assert_eq!(answer(&app, request(&headers, BODY)).await, (StatusCode::OK, ID.to_owned()));
    assert_eq!(answer(&app, request(&HeaderMap::new(), BODY)).await.0, StatusCode::UNAUTHORIZED);
}
