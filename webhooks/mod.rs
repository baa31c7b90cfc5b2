//! The webhooks of this project, one file each: `POST /webhooks/<slug>`.
//!
//! Each file defines what the sender posts, what a waiting step gets of it
//! (the response), how the sender is verified, and a handler that maps the one
//! to the other. `px::webhook!` adds the function `on(identifier)` to the
//! module, which is what steps wait for.

pub mod github;
pub mod slack;
pub mod twilio;

#[cfg(test)]
mod testing;
