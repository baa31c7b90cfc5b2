//! Follows a pull request until it is closed. The webhook `github` starts a
//! run with the first event that it sees of a pull request, and resumes it
//! with each one after.
//!
//! Here to learn: a loop that waits, and whose first turn has its event already.

use px::prelude::*;

use crate::webhooks::github::{self, PullRequestEvent};

/// State of a run, and its result: the pull request and the actions on it so far.
#[derive(Debug, Serialize, Deserialize)]
pub struct Review {
    /// `<owner>/<repo>`.
    pub repository: String,
    /// The number in the repository.
    pub number: u64,
    /// The login of whoever opened it.
    pub author: String,
    /// The actions seen, in order: `opened`, `labeled`, …
    pub events: Vec<String>,
}

/// The brain: `begin`, then `follow` for each event until `closed`.
pub fn pr_review() -> Brain<PullRequestEvent> {
    brain("pr-review")
        .describe("Follows a pull request from event to event until it is closed")
        .step("begin", begin)
        .each("follow", follow)
        .build()
}
px::brain!(pr_review);

async fn begin(_cx: Cx, first: PullRequestEvent) -> Result<Waiting<Review, PullRequestEvent>> {
    let review = Review {
        repository: first.repository.clone(),
        number: first.number,
        author: first.author.clone(),
        events: Vec::new(),
    };
    // The event that started the run is the loop's first: nothing to wait for.
    Ok(Waiting::given(review, first))
}

async fn follow(
    _cx: Cx,
    mut review: Review,
    event: PullRequestEvent,
) -> Result<Again<Review, PullRequestEvent, Review>> {
    let is_closed = event.action == "closed";
    review.events.push(event.action);
    if is_closed {
        return Ok(Again::done(review));
    }
    let next = github::on(github::identifier(&review.repository, review.number));
    Ok(Again::wait(review, next))
}
