//! The command line as a whole: real binaries (the examples of this crate),
//! their stdout, stderr and exit codes.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails should fail its test")]

mod against_a_server;
mod audit;
#[cfg(target_os = "linux")]
mod book;
mod chatty;
mod hooks;
mod keys;
mod kv;
#[cfg(target_os = "linux")]
mod log_form;
mod named_dir;
mod new;
mod outsiders;
mod redeploy;
mod refusing;
mod resources;
mod secrets;
mod secrets_said;
mod serving;
#[cfg(target_os = "linux")]
mod side_channel;
mod snapshots;
mod store;
mod support;
mod terminal;
#[cfg(target_os = "linux")]
mod unwritten;
mod without_a_server;
