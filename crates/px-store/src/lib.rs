//! Storage as px's stages see it: the [`Store`] trait, the [`Batch`] that is its one write, and the
//! [`Draft`] that a stage fills before it commits. With them come the audit of a store's records, and the
//! suite that every store must pass.
//!
//! This crate does not know how records lie in a store. Stores of rows are px-store-rows, with the one in
//! memory; px-store-sled keeps such rows on disk.

pub mod audit;
mod batch;
mod claim;
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
mod epoch;
mod error;
mod hints;
mod inspect;
mod kv;
mod model;
pub mod outbox;
mod outcome;
mod scan;
pub mod secret_key;
pub mod secrets;
mod store;
pub mod tokens;
mod transact;

pub use batch::{
    Batch, Conflict, DedupDemand, DedupWrite, DeliveryWrite, EventWrite, FileDrop, ForgetWrite,
    ForgottenWrite, KeyWrite, LogTail, Outcome, RunRecord, RunWrite, SetAsideWrite, WaiterWrite, WorkChange,
    WorkWrite,
};
pub use claim::{ClaimRequest, Claimed, claim_by_commit};
pub use claimer::{BornClaimed, Claimer, Reservations};
pub use draft::{Draft, DraftError, MAX_HOLDERS};
pub use epoch::{Epoch, EpochWrite, Watched};
pub use error::Error;
pub use hints::{Hint, HintBus, Ready};
pub use inspect::{Inspect, RowStats};
pub use kv::{KvBatch, KvBrain, KvBrainWrite, KvFull, KvRecord, KvStore, KvWrite};
pub use model::{
    APART_FROM, DedupRecord, Delivery, Forgotten, InboxEvent, InboxState, PinnedReply, QueuedEvent, SetAside,
    StartIntent, StartKey, Timer, TimerKind, Versioned, Work,
};
pub use scan::{Cursor, Row, Scan, Table};
pub use store::{Admission, BoxFuture, DeliveryFilter, DeliveryList, Page, Read, RunFilter, Store};
pub use transact::{Bound, Contended, Round, RoundError};
