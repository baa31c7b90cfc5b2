//! Webhook requests as their providers would send them: a payload that fits the schema, aimed
//! at an identifier, signed for the URL of its receiver.
//!
//! It sends nothing, and reads no environment and no store: whoever has the secrets gives
//! them. Tests: unit tests in the files; `px-cli/tests/cli/` sends what it makes to a server.

mod aim;
mod error;
mod handler;
mod kinds;
mod request;
mod schema;

pub use aim::needs_a_server;
pub use error::{Error, Kind, Result};
pub use handler::{AskHandler, Asked, OwnHandler};
pub use request::{Draft, Request, Wish, draft, validator};
pub use schema::{follow, samples};
