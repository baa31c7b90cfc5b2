//! The engine: an accepted event, moved on. It claims ready runs, runs their
//! steps with bounded concurrency, commits what they return, and rings timers.
//! A parked run costs it nothing: no task, no timer of its own.
//!
//! It learns of work from hints and, since a hint may be lost, from a poll
//! (docs/rules.md#41). It calls no other stage.
//!
//! Users' code runs on the threads of px-pool, and everything else here on the
//! server's runtime; between both go messages.
//!
//! Read in this order: [`Engine`], the loops; [`Places`], which runs it has;
//! `scan`, the look for what no hint told of; `claim`, who takes a run up; `takeover`, the runs of processes that died;
//! `executor`, one claimed run;
//! `remind`, the reminder of a run that waits; `kv`, what its steps write that outlives it;
//! `supervise`, its side of users' code; `port`, the step's side; `session`, the
//! commits of a running step; `timer`; `history`, the way back.

mod asked;
mod backlog;
mod bounds;
mod bulk;
mod claim;
mod control;
mod engine;
mod executor;
mod expected;
mod files;
mod fitness;
mod history;
mod inner;
mod items;
mod kv;
mod metrics;
mod migration;
mod outcomes;
mod places;
mod port;
mod position;
mod remind;
mod scan;
mod session;
mod shared;
mod supervise;
mod suspects;
mod takeover;
mod timer;

pub use bulk::{BulkAction, BulkError, BulkJob, BulkRefusal, BulkState, NewBulk};
pub use control::{ControlError, ForkRequest, StartRequest, Started};
pub use engine::{Engine, beat, drain, ring_due};
pub use expected::{Expected, expected};
pub use fitness::{obstacle, unanswerable};
pub use history::PositionError;
pub use metrics::METRICS;
pub use migration::hung_migration;
pub use places::Places;
pub use shared::{FitsKey, Limits, Parts};
pub use timer::ring_ends;
