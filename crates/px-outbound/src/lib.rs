//! The outbound stage: what happened to a run becomes a signed callback.
//!
//! Read in this order: [`mod@format`], what is sent; [`sign`], how a receiver
//! knows the sender; [`guard`], where a callback may go.

pub mod format;
pub mod guard;
pub mod sign;

/// What every callback says of its sender.
pub const USER_AGENT: &str = concat!("px/", env!("CARGO_PKG_VERSION"));
