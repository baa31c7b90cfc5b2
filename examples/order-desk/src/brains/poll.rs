//! The vote about an order: each approver is asked in a run of its own, until it is decided.

use px::prelude::*;
use px::{On, RunId};

use super::approval::{Question, Vote, approval};
use super::order::Approver;

/// The brain. Its runs end with the decision, and whoever has not voted by then is not asked any more.
pub fn poll() -> Brain<Poll, Decision> {
    brain("poll")
        .describe("Asks all approvers of an order, until enough of them have said yes or no more can")
        .label("/order")
        // Starts the brain `approval` once for each approver, and hears of the end of each of these runs in turn. Each
        // ends after two days at most.
        .step("ask approvers", ask_approvers)
        .for_each("count vote", count_vote)
        .build()
}
px::brain!(poll);

/// A question about an order, before anybody is asked.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Poll {
    /// The order's number.
    pub order: String,
    /// The question.
    pub text: String,
    /// The people who are asked.
    pub approvers: Vec<Approver>,
    /// Number of people who have to say yes.
    pub votes: usize,
}

/// The votes, while they are counted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Count {
    /// Number of people who have to say yes.
    pub votes: usize,
    /// People who have said yes.
    pub yes: usize,
    /// People who have not answered yet.
    pub open: usize,
}

/// The decision.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Decision {
    /// True if enough people have said yes.
    pub is_approved: bool,
}

type OneVote = Picked<RunEnd<Vote>>;

/// Asks each approver in a run of its own, so that each has one vote however they answer.
async fn ask_approvers(cx: Cx, poll: Poll) -> Result<Streaming<Count, OneVote>> {
    let mut asked: Vec<RunId> = Vec::new();
    for approver in poll.approvers {
        let name = format!("ask {}", approver.mail);
        let (order, text) = (poll.order.clone(), poll.text.clone());
        let question = Question { order, text, approver, asked_by: cx.run_id() };
        asked.push(cx.start(&name, approval, question).await?);
    }
    let ends: Vec<On<RunEnd<Vote>>> = asked.iter().map(|run| end_of(approval, *run)).collect();
    Ok(stream(Count { votes: poll.votes, yes: 0, open: asked.len() }, ends))
}

/// Counts until it is decided: who cannot be asked, or does not answer in time, has not said yes.
async fn count_vote(_cx: Cx, mut count: Count, vote: OneVote) -> Result<More<Count, Decision>> {
    count.open -= 1;
    let is_yes = matches!(vote.response, RunEnd::Complete { result } if result.yes == Some(true));
    count.yes += usize::from(is_yes);
    let is_approved = count.yes >= count.votes;
    let is_decided = is_approved || count.yes + count.open < count.votes;
    Ok(if is_decided { More::Done(Decision { is_approved }) } else { More::Next(count) })
}
