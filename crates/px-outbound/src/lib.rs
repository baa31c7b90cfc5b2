//! The outbound stage: what happened to a run becomes a signed callback.
//!
//! Read in this order: [`mod@format`], what is sent; [`sign`], how a receiver
//! knows the sender, and [`vault`], where secrets rest; [`guard`], where a
//! callback may go. Then the rules, each pure: [`schedule`] and [`verdict`] for
//! a delivery, [`breaker`] for an endpoint, [`ailing`] for a hook. [`transport`]
//! is how a request leaves, [`send`] puts it all together, and [`operate`] is
//! what people may do with it.

pub mod ailing;
pub mod breaker;
pub mod format;
pub mod guard;
pub mod operate;
pub mod schedule;
pub mod send;
pub mod sign;
pub mod transport;
pub mod vault;
pub mod verdict;

mod metrics;
mod render;

pub use metrics::METRICS;
pub use operate::Operator;
pub use render::Bodies;
pub use send::{Limits, Parts, Sender};

/// `User-Agent` of every callback.
pub const USER_AGENT: &str = concat!("px/", env!("CARGO_PKG_VERSION"));
