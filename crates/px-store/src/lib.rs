//! Storage as px's stages see it: the [`Store`] trait, the [`Batch`] that is
//! its one write, and the [`Draft`] that a stage fills before it commits.
//!
//! Under it, for embedded stores, rows and the [`rows::Backing`] that keeps
//! them; the one in memory is here, the one on disk is px-store-sled.

pub mod audit;
mod batch;
mod claimer;
pub mod cluster;
#[cfg(feature = "conformance")]
#[expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test suite, shipped to those who write stores"
)]
pub mod conformance;
mod draft;
mod embedded;
mod error;
mod hints;
mod layout;
mod lists;
mod memory;
mod model;
pub mod outbox;
mod recent;
pub mod rows;
mod scan;
mod store;
pub mod tokens;
mod transfer;

pub use batch::{
    Batch, Conflict, DedupWrite, DeliveryWrite, ForgetWrite, KeyWrite, LogTail, Outcome, RunRecord, RunWrite,
    WorkChange, WorkWrite,
};
pub use claimer::{Claimer, Reservations};
pub use draft::{Draft, DraftError};
pub use embedded::Embedded;
pub use error::Error;
pub use hints::{Hint, HintBus, Ready};
pub use layout::Table;
pub use memory::MemoryRows;
pub use model::{
    DedupRecord, Delivery, Forgotten, InboxEvent, InboxState, PinnedReply, QueuedEvent, StartIntent,
    StartKey, Timer, TimerKind, Versioned, Work,
};
pub use rows::{Admission, BoxFuture, RowStats};
pub use scan::{Cursor, Row, Scan};
pub use store::{DeliveryFilter, DeliveryList, Page, Read, RunFilter, Store};
pub use transfer::RawRow;
