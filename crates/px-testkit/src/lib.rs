//! Runs brains and webhooks in virtual time, without a server: for the tests
//! of users, and px's own.
//!
//! A [`World`] holds a store in memory, a clock that moves only when it is
//! told to, the inbound stage and the engine. Nothing runs in the background:
//! [`World::settle`] runs what is ready, [`World::advance`] moves the clock
//! and rings what is due. [`FaultyStore`] stands between a world and its store
//! and lets commits fail, or the process die, where a test says so.

mod error;
mod fault;
mod faults;
mod faults_kv;
mod faulty;
pub mod load;
mod project;
mod shrink;
pub mod test;
mod world;

pub use error::WorldError;
pub use fault::{Access, Fault};
pub use faulty::FaultyStore;
pub use project::Project;
pub use px_core::{ManualClock, Timestamp};
pub use px_inbound::Answer;
pub use shrink::shrink;
pub use world::{LEASE, World};
