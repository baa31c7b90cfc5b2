//! What brains and webhooks are written with.

mod received;
pub mod verify;

pub use received::Received;
