//! The command line of px: every command of a project's own binary.
//!
//! It knows the registry (the binary links the brains) and, for everything
//! that a server owns, the HTTP API; it opens a store, in `store.rs`, only to serve it and
//! for commands that need one that nobody serves.
//! Data goes to stdout, everything else to stderr, and the exit code says what
//! happened: 0 ok, 1 failed, 2 usage, 3 not found, 4 conflict, 5 cannot reach
//! the server.
//!
//! One command is one file under `commands`. Only `ui` prints, in a process that
//! serves through the queue of `log`. Tests: unit
//! tests in the files, and `tests/` drives the binaries under `examples/`.

mod app;
mod browser;
mod commands;
mod complete;
mod config;
mod context;
mod entry;
mod error;
mod handover;
mod ids;
mod log;
mod paint;
mod private;
#[cfg(test)]
mod reference;
mod resolve;
mod sample;
mod show;
mod signals;
mod store;
mod typed;
mod ui;
mod way;

pub use app::{App, app};
use px_api::suggest;
/// Fetches of files whose addresses strangers have named.
pub use px_outbound::egress;

/// A webhook's life is many small allocations on several threads: with this
/// allocator the benchmark's server spends a quarter less time on each.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: ::mimalloc::MiMalloc = ::mimalloc::MiMalloc;

/// Runs the command line of a project without resources: [`app`] and [`App::main`].
#[must_use]
pub fn main() -> std::process::ExitCode {
    app().main()
}
