//! The inbound stage: raw bytes become an accepted delivery or a refusal.
//!
//! Read in this order: `stage`, which puts the parts together and leads a
//! request through them; `phases`, a type for each phase of that way; `route`, the
//! decision about one event; `accept`, the commit; and `answer`.

mod stage;

mod context;
mod endpoint;
mod endpoints;

mod phases;
mod record;
mod redact;
mod upload;
mod users;
mod validate;

mod accept;
mod answer;
mod by_hand;
mod dedup;
mod route;
mod turns;

mod forgetting;
mod form;
mod links;
mod operator;
mod quarantine;
mod rejections;
mod retention;

mod gate;
mod metrics;

pub use answer::{Action, Answer, Taken};
pub use by_hand::fits_key;
pub use context::{InboundContext, LEAST_RESPONSE_BYTES, USUAL_BATCH_EVENTS};
pub use endpoint::{Door, Endpoint, EndpointError, Setup, StoredSecret, is_variable, knows_no_duplicates};
pub use gate::{AdmissionDenied, Gate, GateLimits, Permit, Policy};
pub use links::{LINK_PATH, LinkAnswer, LinkKeys, LinkSigner, LinkState};
pub use metrics::{ACK, METRICS};
pub use operator::{Binding, OperatorError};
pub use rejections::RejectionLimits;
pub use retention::{Retention, Swept};
pub use stage::Stage;
pub use validate::{Schema, Violation};

/// The evaluator of verification records, which the receiving side shares.
pub use px_verify as verify;
