//! The providers that px knows, one record a file. Facts and their sources
//! are with each.

mod generic;
mod github;
mod slack;
mod twilio;

pub use generic::{hmac, unverified};
pub use github::github;
pub use slack::slack;
pub use twilio::twilio;
