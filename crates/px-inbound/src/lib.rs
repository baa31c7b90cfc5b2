//! The inbound stage: raw bytes become an accepted delivery or a refusal.

pub mod verify;
