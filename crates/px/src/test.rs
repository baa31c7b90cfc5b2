//! For tests of brains: virtual time, and all weathers. Needs the feature
//! `test`, which belongs into `[dev-dependencies]`.
//!
//! [`world()`] is px without a server and without waiting. A test
//! starts runs, posts to webhooks, lets days pass, lets the process die, and
//! looks at what has become of a run.
//!
//! [`weather()`] lives through a scenario again and again, each
//! time with something else that goes wrong: a delivery that comes twice, late,
//! early or after the next one, a time that passes unnoticed until an event
//! ties with it, a process that dies before or after each of its commits. After
//! each life the ledger must add up (as `px audit` says) and the scenario's own
//! assertions hold. What fails is shrunk to the fewest troubles that are
//! needed, and printed as a schedule that can be pasted.
//!
//! ```standalone_crate
//! use std::time::Duration;
//! use px::prelude::*;
//!
//! mod answers {
//!     use px::prelude::*;
//!     #[derive(Serialize, Deserialize, JsonSchema)]
//!     pub struct Answer {
//!         pub id: String,
//!         pub question: String,
//!     }
//!     px::webhook! {
//!         slug = "answers",
//!         payload = Answer,
//!         response = Answer,
//!         verify = px::verify::unverified().dedup_pointer("/id"),
//!         handler = receive,
//!     }
//!     async fn receive(answer: Answer) -> Result<Inbound<Answer>> {
//!         Ok(Inbound::resume(answer.question.clone(), answer))
//!     }
//! }
//!
//! #[derive(Serialize, Deserialize, JsonSchema)]
//! struct Survey {
//!     question: String,
//!     answers: u32,
//! }
//!
//! fn survey() -> Brain<Survey> {
//!     brain("survey").step("ask", ask).step("count", count).build()
//! }
//! px::brain!(survey);
//!
//! async fn ask(_cx: Cx, survey: Survey) -> Result<Waiting<Survey, Timed<answers::Answer>>> {
//!     let answer = answers::on(&survey.question);
//!     Ok(wait_for(survey, answer).timeout(Duration::from_hours(1)))
//! }
//!
//! async fn count(_cx: Cx, mut survey: Survey, answer: Timed<answers::Answer>) -> Result<Next<Survey>> {
//!     if let Timed::Answered(_) = answer {
//!         survey.answers += 1;
//!     }
//!     Ok(Next(survey))
//! }
//!
//! # fn main() {
//! let lunch = || Survey { question: "lunch".into(), answers: 0 };
//! let yes = || serde_json::json!({"id": "1", "question": "lunch"});
//!
//! // In a #[test]:
//! let world = px::test::world();
//! let run = world.start(survey, lunch());
//! run.expect_waiting_on(answers::on("lunch"));
//! world.crash();
//! world.post("answers", yes()).expect("resumed");
//! world.post("answers", yes()).expect("duplicate");
//! assert_eq!(run.expect_complete().state::<Survey>().answers, 1);
//!
//! // In another: whatever goes wrong, an answer counts at most once.
//! px::test::weather(|w| {
//!     let run = w.start(survey, lunch());
//!     w.post("answers", yes());
//!     w.skip(Duration::from_hours(1));
//!     w.calm();
//!     assert!(run.expect_complete().state::<Survey>().answers <= 1);
//! });
//! # }
//! ```

pub use px_testkit::test::{
    Answered, Call, Kv, LinkPage, Run, Trouble, Weather, Windy, World, weather, world,
};

/// Panics if `brains/` or `webhooks/` of the package hold more than the test was built with: a file
/// with a registration that no `mod` names, or a function that makes a brain which is neither
/// registered nor used. `px check` warns of the same.
///
/// # Panics
/// Something is forgotten; the text says the place and the line to add.
pub fn expect_all_registered() {
    let forgotten = px_sdk::sources::forgotten();
    assert!(forgotten.is_empty(), "not in the binary:\n  - {}", forgotten.join("\n  - "));
}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/guarantees.md")]
mod guarantees {}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/testing.md")]
mod testing {}
