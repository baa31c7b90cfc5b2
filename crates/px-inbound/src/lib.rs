//! The inbound stage: raw bytes become an accepted delivery or a refusal.
//!
//! Read in this order: [`verify`], who sent it; the schema of what was sent;
//! the endpoint that holds both; the stage that leads a request through them;
//! `accept`, the commit; and the answer.

mod accept;
mod answer;
mod endpoint;
mod form;
mod gate;
mod metrics;
mod operator;
mod redact;
mod rejections;
mod retention;
mod set_aside;
mod stage;
mod turns;
mod users;
mod validate;

pub use answer::{Action, Answer, Taken};
pub use endpoint::{Endpoint, EndpointError, Setup, knows_no_duplicates};
pub use gate::{Gate, GateLimits, Permit, Policy, Turned};
pub use metrics::METRICS;
pub use operator::{Bound, OperatorError};
pub use rejections::RejectionLimits;
pub use retention::{Retention, Swept};
pub use stage::Stage;
pub use validate::{Schema, Violation};

/// Who sent a request: the evaluator, which the receiving side shares.
pub use px_verify as verify;
