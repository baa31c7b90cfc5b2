//! px: durable workflows that wait for webhooks.
//!
//! A **brain** is a pipeline of typed steps. A step may return [`wait_for`] a
//! webhook; the run then parks, durably, and costs nothing. A **webhook** is an
//! HTTP endpoint, `/webhooks/<slug>`, that verifies its sender, validates the
//! payload, and resumes the run that waits, starts one, or keeps the event for
//! a wait to come.
//!
//! This crate is the only one that users name.

pub use px_sdk::*;

/// Runs the command line of a project: `serve`, `run`, `webhooks list` and the rest.
///
/// ```no_run
/// // main.rs
/// // use app as _;   // the crate with the brains and webhooks
/// fn main() -> std::process::ExitCode {
///     px::main()
/// }
/// ```
#[must_use]
pub fn main() -> std::process::ExitCode {
    px_cli::main()
}

/// What brains and webhooks usually need.
pub mod prelude {
    pub use px_sdk::{
        Again, Brain, Cx, Either, Error, Inbound, Next, Picked, Received, Reply, Result, Timed, Waiting, brain,
        wait_for,
    };
    pub use schemars::JsonSchema;
    pub use serde::{Deserialize, Serialize};
}
