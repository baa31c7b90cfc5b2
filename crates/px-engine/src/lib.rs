//! The engine: an accepted event, moved on. It claims ready runs, runs their
//! steps with bounded concurrency, commits what they return, and rings timers.
//! A parked run costs it nothing: no task, no timer of its own.
//!
//! It learns of work from hints and, since a hint may be lost, from a poll
//! (RULES 41). It calls no other stage.
//!
//! Read in this order: [`Engine`], the loops; `executor`, one claimed run;
//! `session`, what a running step may commit; `timer`; `history`, the way back.

mod control;
mod engine;
mod executor;
mod fitness;
mod history;
mod items;
mod metrics;
mod position;
mod session;
mod shared;
mod timer;

pub use control::{ControlError, ForkRequest, StartRequest, Started};
pub use engine::{Engine, drain, ring_due};
pub use fitness::obstacle;
pub use history::PositionError;
pub use metrics::METRICS;
pub use shared::{Limits, Parts};
