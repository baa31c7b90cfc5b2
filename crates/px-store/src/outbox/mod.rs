//! The outbox: hooks, and what is on its way to them. Rows are written in the
//! commit of the change that they tell of, and cost nothing where no hook
//! listens.

mod address;
mod batch;
mod delivery;
mod hook_set;
mod read;

pub(crate) use address::Address;
pub use address::{address, announce};
pub use batch::{CallbackWrite, HookWrite, OutboxBatch, OutboxConflict};
pub use delivery::{Attempt, AttemptBrief, Breaker, Callback, CallbackState, Due, Endpoint, Timing, lane_of};
pub use hook_set::{HookCache, HookProgress, HookSet, MAX_HOOKS, OwnHook, Render};
pub use read::{CallbackFilter, OutboxStore};
