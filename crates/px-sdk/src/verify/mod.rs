//! How a webhook proves who sent it: records, no code.
//!
//! A [`Verification`] says where a provider puts its signature, what the
//! signature covers, and how the provider behaves around it (delivery ids,
//! handshakes, body form, the reply it insists on). px-verify holds the one
//! evaluator that reads these records; nothing here computes a signature,
//! parses a request or reads the environment.
//!
//! ```
//! use px_sdk::verify::{self, Part};
//!
//! let slack = verify::slack("SLACK_SIGNING_SECRET");
//! let own = verify::hmac("X-Acme-Signature", "ACME_SECRET")
//!     .prefix("v1=")
//!     .timestamp_header("X-Acme-Timestamp")
//!     .signed([Part::Timestamp, Part::literal("."), Part::Body])
//!     .dedup_header("X-Acme-Delivery");
//!
//! // resolved once at the start, through whatever knows the secrets
//! let keyring = own.resolve(&|name| (name == "ACME_SECRET").then(|| "s3cret".to_owned()));
//! assert!(!keyring.is_empty());
//! ```
//!
//! The records are tested through the evaluator, in px-verify's
//! `tests/verify_*.rs`; their serialised form is tested in `record.rs`.

mod behaviour;
mod builder;
mod custom;
mod keyring;
mod providers;
mod record;
mod signature;

pub use behaviour::{Ack, AckBody, BodyForm, Duplicates, Handshake, Source, When};
pub use custom::{Custom, Refused, custom, equal, within};
pub use keyring::{Key, Keyring};
pub use providers::{
    basic, bearer, cloudevents, convoy, convoy_advanced, discord, discord_events, github, gitlab,
    gitlab_signed, hmac, jira, jira_app, linear, mailgun, meta, outpost, sendgrid, shopify, slack,
    slack_command, slack_interactivity, standard_webhooks, standard_webhooks_asymmetric, stripe, svix,
    timestamped, token_header, token_query, twilio, unverified, zoom,
};
pub use record::{Scheme, Token, Verification};
pub use signature::{Algorithm, Encoding, KeyForm, Layout, Part, Signature, TimeSource, TimeUnit, Window};
