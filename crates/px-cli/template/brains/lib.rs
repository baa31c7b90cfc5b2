//! This project: its brains, one file each, and its webhooks, one file each.
//!
//! A new brain is a file here, with a `pub mod` below and its `px::brain!`; a
//! new webhook is a file in `webhooks/`, with a `pub mod` in its `mod.rs`.

#[path = "../webhooks/mod.rs"]
pub mod webhooks;

pub mod approval;
