//! The outbox: hooks, and what is on its way to them. Rows are written in the
//! commit of the change that they tell of, and cost nothing where no hook
//! listens.

mod address;
mod batch;
mod book;
mod delivery;
mod read;

pub(crate) use address::Address;
pub use address::{address, announce};
pub use batch::{HookWrite, OutboxBatch, OutboxConflict, OutgoingWrite};
pub use book::{Book, HookCache, MAX_HOOKS, OwnHook, Render, Told};
pub use delivery::{Attempt, AttemptBrief, Breaker, Due, Endpoint, Outgoing, OutgoingState, Timing, lane_of};
pub use read::{OutboxStore, OutgoingFilter};
