//! Sample webhook requests, as their providers would send them: a payload that
//! fits the schema, aimed at an identifier, signed for the URL of its receiver.
//!
//! It sends nothing. Tests: unit tests in the files, and `tests/cli/` sends
//! what they make to a server.

mod address;
mod aim;
mod kinds;
mod request;
mod schema;

pub(crate) use address::Address;
pub(crate) use aim::needs_a_server;
pub(crate) use request::{Draft, Field, Request, Wish, draft, validator};
pub(crate) use schema::{follow, samples};
