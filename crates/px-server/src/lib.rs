//! The HTTP server, and the place where the stages are put together: a
//! webhook's way in (`ingress`), the API (`api`), and their replies. Axum is
//! known here and nowhere else. The page below `/ui` is there with the feature `dashboard`.

#![cfg_attr(
    not(feature = "dashboard"),
    allow(
        dead_code,
        unused_imports,
        reason = "functions of the API that the page asks, too, are made for both"
    )
)]

mod access;
mod api;
mod app;
mod beside;
mod body_limit;
mod bulk_worker;
mod connections;
mod error;
mod error_format;
mod examples;
mod in_process;
mod ingress;
mod layered;
mod links;
mod members;
mod options;
mod outbound;
mod pace;
mod resolve;
mod resources;
mod run_to_completion;
mod secrets;
mod spill;
mod start;
mod streams;
mod sweeper;
mod too_large;
#[cfg(feature = "dashboard")]
mod ui;
mod unverified;
mod values;

pub use access::{TokenError, Tokens};
pub use connections::ConnectionLimits;
pub use error::StartError;
pub use in_process::InProcess;
pub use members::member;
pub use options::{Environment, Options, WebhookOptions};
pub use outbound::{HookOptions, is_unknown, unknown_brain};
pub use start::{Running, start};
pub use streams::StreamLimits;
pub use values::Values;

/// True if this build has the page for people.
pub const HAS_PAGE: bool = cfg!(feature = "dashboard");
