//! The threads that users' code runs on: steps, items, handlers, migrations,
//! the user's own verifiers and middleware.
//!
//! Rust cannot take a thread away from code that does not give it back. So no
//! poll of users' code happens on the runtime that takes webhooks in, rings
//! timers, commits, sends callbacks and answers health checks: a poll happens
//! here, on a thread that can be replaced and, in the end, written off.
//!
//! * An execution that awaits holds no thread. It is a future that a thread
//!   polls when it is woken, so ten thousand waiting calls are no threads.
//! * A poll that takes longer than 100 ms has its thread replaced. Its
//!   kind of work runs on threads of its own from then on, until it has behaved
//!   for ten seconds, so that the replacements are not blocked one by one.
//! * An execution that is dropped in the middle of a poll (its timeout, a
//!   cancel, the shutdown) and does not return is **written off**: the thread
//!   stays with it until it does, and everything else goes on. It gives back its
//!   place among the running steps, unless [`Limits::max_stalled`] threads are
//!   written off to steps already.
//! * Timers and sockets of users' code have a runtime of their own, which no
//!   thread of the pool can stop.
//!
//! The crate knows neither runs' rules nor webhooks' rules; it knows how to
//! name an execution ([`Subject`]). Tests in virtual time use
//! [`Pool::inline`], which polls where the execution is awaited.
//!
//! Read in this order: [`Pool`], its entrance; `execution`, what a caller holds;
//! `task`, one execution's life; `crew`, the threads; `standby`, the short way
//! to them; `watchdog`, who finds what
//! does not yield; `driver`.

mod crew;
mod driver;
mod execution;
mod metrics;
mod nice;
mod panics;
mod pool;
mod standby;
mod subject;
mod task;
mod watchdog;

pub use execution::{Execution, Failure, panic_text};
pub use metrics::METRICS;
pub use panics::Panic;
pub use pool::{Limits, Pool};
pub use subject::{Stalled, Subject};
pub use watchdog::STALLED;
