//! Display of what commands found: times and counts in words, webhooks as
//! lists, an event on a line, a request as a line for the shell. Nothing here
//! prints; that is [`crate::ui`].

pub(crate) mod curl;
pub(crate) mod event_line;
pub(crate) mod listing;
pub(crate) mod picked;
pub(crate) mod proof;
pub(crate) mod status;
pub(crate) mod steps;
pub(crate) mod words;
