//! Verification of senders: a function for each provider, and the
//! parts to describe others with. The records and their evaluator are
//! px-verify's; this is its part that users write with.
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

pub use px_verify::providers::{
    basic, bearer, cloudevents, convoy, convoy_advanced, discord, discord_events, github, gitlab,
    gitlab_signed, hmac, jira, jira_app, linear, mailgun, mailgun_routes, meta, outpost, postmark_inbound,
    sendgrid, sendgrid_inbound, shopify, slack, slack_command, slack_interactivity, standard_webhooks,
    standard_webhooks_asymmetric, stripe, svix, timestamped, token_header, token_query, twilio, unverified,
    zoom,
};
pub use px_verify::record::{
    Ack, AckBody, Algorithm, BodyForm, Custom, Duplicates, Encoding, Handshake, Key, KeyForm, Keyring,
    Layout, Part, Refused, Scheme, Signature, Source, TimeSource, TimeUnit, Token, Verification, When,
    Window, custom, equal, within,
};
