//! A client of px's HTTP API, for services that start and follow runs.
//!
//! ```no_run
//! use futures_util::StreamExt as _;
//! use px_client::Client;
//! use px_client::api::StartRun;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder("http://127.0.0.1:8787").token("pxt_…").build()?;
//!
//! // With a key, a request whose answer was lost can be sent again.
//! let start = StartRun::of("customer-feedback")
//!     .with_state(&serde_json::json!({ "name": "Ada" }))?
//!     .with_idempotency_key("order-42");
//! let run = client.start_run(&start).await?.brain_run_id;
//!
//! let mut events = client.watch_run(run).across_restarts().events();
//! while let Some(event) = events.next().await {
//!     let event = event?;
//!     println!("{} {}", event.seq, event.kind);
//! }
//! println!("{}", client.run(run).await?.state);
//! # Ok(())
//! # }
//! ```
//!
//! * Every answer is an [`Answer`]: a value of [`api`], and the body as it came, so
//!   that what a newer server says in addition is not lost.
//! * Every failure is an [`Error`] that says what happened, which code the API gave
//!   it, what to do next, and whether sending the request again is safe.
//! * Streams of events are taken up where they were after a cut, by `Last-Event-ID`:
//!   no event is lost, and none comes twice.
//!
//! Ids are taken as anything that prints as one, since callers often have them as
//! texts. TLS is rustls with the roots of the platform; ring is installed as the
//! process's provider unless it has one already. Redirects are not followed.

/// The Rust in `docs/client.md` compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/client.md")]
struct ClientPage;

mod answer;
mod brains;
mod builder;
mod bulk;
mod client;
mod error;
mod hooks;
mod inbox;
mod runs;
mod secrets;
mod server;
mod sse;
mod store;
mod test_events;
mod tokens;
mod waits;
mod watch;

pub use px_api as api;

pub use answer::{Answer, WebhookAnswer};
pub use builder::Builder;
pub use client::{Client, encode, is_loopback};
pub use error::{Error, Kind, Refusal, Result};
pub use watch::{Watch, WatchRun};
