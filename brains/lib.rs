//! This project: its brains, one file each, and its webhooks, one file each.
//!
//! They are one crate because each names the other: a brain waits for
//! `slack::on(thread)`, a webhook starts `help_request`. So a brain or a webhook
//! that was renamed or removed is a compile error where it is still used.
//!
//! A new brain is a file here, with a `pub mod` below; a new webhook is a file
//! in `webhooks/`, with a `pub mod` in its `mod.rs`.

#[path = "../webhooks/mod.rs"]
pub mod webhooks;

pub mod customer_feedback;
pub mod dm_conversation;
pub mod help_request;
pub mod pr_review;
pub mod thread_handler;

pub mod chat;
