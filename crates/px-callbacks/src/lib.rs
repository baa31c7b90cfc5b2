//! The receiving side of px's callbacks, for services that px calls. Users
//! reach it as `px::receive`, with the feature `receive` of the crate `px`;
//! `examples/receiver` is a whole service.
//!
//! A callback is delivered at least once: after a time-out or a crash the same
//! event comes again, with the same id and the same bytes. So a receiver
//! verifies who sent it, stores it together with the mark that it was seen, in
//! one write, and answers 2xx when that write is durable and not before.
//!
//! Read in this order: [`Verifier`], who sent it; [`Event`], what was sent;
//! [`Seen`], the one write, and [`Journal`], which does it in a file;
//! [`endpoint`], the three together as an axum route. A service with a
//! database of its own takes the extractor [`Verified`] and writes the event
//! and its id in one transaction.
//!
//! ```no_run
//! use px_callbacks::{Journal, Verifier, endpoint};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let secret = std::env::var("WEBHOOK_SECRET")?;
//! let verifier = Verifier::standard([secret])?;
//! let journal = Journal::open("events.journal")?;
//! let app: axum::Router = axum::Router::new().route("/hooks", endpoint(verifier, journal));
//! # Ok(())
//! # }
//! ```
//!
//! It knows no store of px, no engine and no sender. Tests: `tests/`, with the
//! signatures that px-outbound makes.

mod event;
mod http;
mod journal;
mod seen;
mod verifier;

pub use event::Event;
pub use http::{MAX_BODY_BYTES, Rejection, Verified, endpoint};
pub use journal::{Error as JournalError, Journal, MAX_IDS, Stored};
pub use seen::{Recorded, Seen, Unavailable};
pub use verifier::{Error as VerifierError, Refused, Verifier};
