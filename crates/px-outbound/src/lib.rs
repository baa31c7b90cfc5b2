//! The outbound stage: what happened to a run becomes a signed callback.
//!
//! Read in this order: [`mod@format`], what is sent; [`sign`], how a receiver
//! knows the sender, and [`vault`], where their secrets rest; [`guard`], where a
//! callback may go. Then the rules, each pure: `backoff` and `verdict` for a
//! callback, `breaker` for an endpoint, `hook_health` for a hook. [`transport`]
//! is how a request leaves, `send` puts it all together, and [`operate`] is
//! what people may do with it. [`egress`] fetches files for steps, by the same guard.

mod backoff;
mod breaker;
pub mod egress;
pub mod format;
pub mod guard;
mod hook_health;
mod http_date;
mod metrics;
pub mod operate;
mod render;
mod send;
pub mod sign;
pub mod transport;
mod verdict;

pub use backoff::{delay as retry_delay, tries as retry_tries};
pub use breaker::{FIRST_PAUSE, LONGEST_PAUSE, OPENS_AFTER};
pub use metrics::METRICS;
pub use operate::Operator;
pub use px_secrets::vault;
pub use render::Bodies;
pub use send::{
    Error as SendError, Job, Limits, Report, Retention, Scheduler, Sender, SenderContext, release_held, sweep,
};

/// `User-Agent` of every callback.
const USER_AGENT: &str = concat!("px/", env!("CARGO_PKG_VERSION"));
