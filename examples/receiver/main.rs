//! A service that px calls: it verifies every callback, stores it once and
//! durably before it answers, and shows what came in a browser, live.
//! `README.md` beside this file says how to run it.
//!
//! The whole of the safety is in one line, [`endpoint`]; the rest is the page.

use std::convert::Infallible;
use std::env;

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Html;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::get;
use futures_util::stream::{self, Stream, StreamExt as _};
use px::receive::{Journal, Stored, Verifier, VerifierError, endpoint};
use serde_json::{Value, json};

type Error = Box<dyn std::error::Error + Send + Sync>;

fn setting(name: &str, otherwise: &str) -> String {
    env::var(name).unwrap_or_else(|_| otherwise.to_owned())
}

/// The verifier for the hook's signature mode. `WEBHOOK_SECRET` is one secret
/// or, while it is being rotated, several with blanks between.
fn verifier() -> Result<Verifier, Error> {
    let secrets = setting("WEBHOOK_SECRET", "");
    let secrets = secrets.split_whitespace();
    let verifier: Result<Verifier, VerifierError> = match setting("WEBHOOK_SIGNATURE", "standard").as_str() {
        "standard" => Verifier::standard(secrets),
        "standard-asymmetric" => Verifier::standard_asymmetric(secrets),
        "github" => Verifier::github(secrets),
        "timestamped" => Verifier::timestamped("X-Px-Timestamp", "X-Px-Signature", secrets),
        "stripe" => Verifier::stripe("Stripe-Signature", secrets),
        other => return Err(format!("WEBHOOK_SIGNATURE is '{other}', which is no signature mode").into()),
    };
    verifier.map_err(|error| format!("{error}: set WEBHOOK_SECRET to the hook's secret").into())
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let journal = Journal::open(setting("JOURNAL", "receiver.journal"))?;
    let app = Router::new()
        .route("/hooks", endpoint(verifier()?, journal.clone()))
        .route("/", get(|| async { Html(include_str!("page.html")) }))
        .route("/events", get(events))
        .with_state(journal);
    let listener = tokio::net::TcpListener::bind(setting("ADDRESS", "127.0.0.1:8789")).await?;
    let address = listener.local_addr()?;
    #[expect(clippy::print_stdout, reason = "it says where it listens")]
    {
        println!("callbacks go to http://{address}/hooks, people to http://{address}/");
    }
    axum::serve(listener, app).await?;
    Ok(())
}

/// The newest events and then each that comes, as server-sent events. A
/// browser that lost the connection says with `Last-Event-ID` what it has.
async fn events(
    State(journal): State<Journal>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let after = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok()).unwrap_or(0);
    let live =
        stream::unfold((journal.changes(), journal, after), |(mut changes, journal, after)| async move {
            loop {
                // Marked before the look, so that what comes during it is seen next time.
                changes.borrow_and_update();
                let found = journal.recent(after);
                if let Some(last) = found.last() {
                    let after = last.position;
                    return Some((stream::iter(found), (changes, journal, after)));
                }
                changes.changed().await.ok()?;
            }
        });
    Sse::new(live.flatten().map(|stored| Ok(shown(&stored)))).keep_alive(KeepAlive::default())
}

fn shown(stored: &Stored) -> Event {
    let event = &stored.event;
    let body: Value = event.json().unwrap_or_default();
    let data = json!({ "id": event.id, "type": event.kind, "at": event.at.as_millis(), "body": body });
    Event::default().id(stored.position.to_string()).data(data.to_string())
}
