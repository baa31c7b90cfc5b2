//! px: durable workflows that wait for webhooks.
//!
//! A **brain** is a pipeline of typed steps. A step may return [`wait_for`] a
//! webhook; the run then parks, durably, and costs nothing. A **webhook** is an
//! HTTP endpoint, `/webhooks/<slug>`, that verifies its sender, validates the
//! payload, and resumes the run that waits, starts one, or keeps the event for
//! a wait to come.
//!
//! This crate is the only one of px that users name; their derives need
//! `serde` and `schemars` beside it.
//!
//! ```
//! use px::prelude::*;
//!
//! /// Answers to questions, posted to `/webhooks/answers`.
//! mod answers {
//!     use px::prelude::*;
//!
//!     /// What is posted, and what a waiting step gets.
//!     #[derive(Serialize, Deserialize, JsonSchema)]
//!     pub struct Answer {
//!         pub question: String,
//!         pub text: String,
//!     }
//!
//!     px::webhook! {
//!         slug = "answers",
//!         payload = Answer,
//!         response = Answer,
//!         verify = px::verify::hmac("X-Signature", "ANSWERS_SECRET"),
//!         handler = receive,
//!     }
//!
//!     async fn receive(answer: Answer) -> Result<Inbound<Answer>> {
//!         Ok(Inbound::resume(answer.question.clone(), answer))
//!     }
//! }
//!
//! /// What a run is started with.
//! #[derive(Serialize, Deserialize, JsonSchema)]
//! struct Question {
//!     question: String,
//! }
//!
//! /// What it ends with.
//! #[derive(Serialize, Deserialize)]
//! struct Answered {
//!     question: String,
//!     answer: String,
//! }
//!
//! fn survey() -> Brain<Question> {
//!     brain("survey").step("ask", ask).step("note", note).build()
//! }
//! px::brain!(survey);
//!
//! async fn ask(_cx: Cx, asked: Question) -> Result<Waiting<Question, answers::Answer>> {
//!     let answer = answers::on(&asked.question);
//!     Ok(wait_for(asked, answer))
//! }
//!
//! async fn note(_cx: Cx, asked: Question, answer: answers::Answer) -> Result<Next<Answered>> {
//!     Ok(Next(Answered { question: asked.question, answer: answer.text }))
//! }
//!
//! # fn main() {
//! let registry = px::Registry::collect().expect("no name is used twice");
//! assert!(registry.brain("survey").is_some() && registry.webhook("answers").is_some());
//! # }
//! ```
//!
//! A program with every shape of step and wait is in `tests/prelude.rs`; what
//! the compiler says to common mistakes is in `px-sdk/tests/compile_fail/`.

/// The receiving side, for services that px calls: verify, deduplicate, store.
#[cfg(feature = "receive")]
pub use px_callbacks as receive;
#[cfg(feature = "cli")]
pub use px_cli::{App, app, egress};
pub use px_derive::{Choice, OneOf, handler, register};

#[cfg(doctest)]
mod pages;
#[cfg(feature = "test")]
pub mod test;
pub use px_sdk::*;

/// Runs the command line of a project: `serve`, `run`, `webhooks list` and the rest.
///
/// ```no_run
/// // main.rs
/// // use app as _;   // the crate with the brains and webhooks
/// fn main() -> std::process::ExitCode {
///     px::main()
/// }
/// ```
///
/// A project whose brains need resources says `px::app().provide(..).main()`.
#[cfg(feature = "cli")]
#[must_use]
pub fn main() -> std::process::ExitCode {
    px_cli::main()
}

/// Items that brains and webhooks usually need.
pub mod prelude {
    pub use std::time::Duration;

    pub use px_derive::{Choice, OneOf};
    pub use px_sdk::{
        Again, All, Brain, Collecting, Cx, Either, Error, Form, Guarded, Inbound, Kind, MayWait, More, Next,
        OneOf3, OneOf4, Partly, Picked, Received, Reply, Resources, Result, Retry, RunEnd, Sleeping,
        Streaming, Timed, Timestamp, Waiting, brain, end_of, items, sleep, sleep_until, stream, wait_for,
        wait_for_all, wait_for_count,
    };
    pub use schemars::JsonSchema;
    pub use serde::{Deserialize, Serialize};
}
