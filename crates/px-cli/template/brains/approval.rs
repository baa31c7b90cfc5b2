//! Asks for an approval and waits for the decision, for three days at most.

use std::time::Duration;

use px::prelude::*;

use crate::webhooks::decisions::{self, Decision};

/// How long a decision may take.
const PATIENCE: Duration = Duration::from_hours(72);

/// What a run is started with.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Request {
    /// What names it to the one who decides: an order's number.
    pub order: String,
    /// What is asked for.
    pub text: String,
}

/// What a run ends with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The order.
    pub order: String,
    /// Whether it may go on.
    pub approved: bool,
    /// Who decided; nobody, if nobody did in time.
    pub by: Option<String>,
}

/// The pipeline. Each step takes what the one before it returned.
pub fn approval() -> Brain<Request> {
    brain("approval")
        .describe("Asks for an approval, and waits for the decision")
        .step("ask", ask)
        .step("decide", decide)
        .build()
}
px::brain!(approval);

/// Asks, and waits for the webhook `decisions` with this order's number.
async fn ask(cx: Cx, request: Request) -> Result<Waiting<Request, Timed<Decision>>> {
    // An effect that was made is not made again, also if the process dies and the
    // step runs again. Here you would send a mail, or post to a chat.
    cx.effect("ask", async |key| send(&request, key).await).await?;
    let decision = decisions::on(&request.order);
    Ok(wait_for(request, decision).timeout(PATIENCE))
}

/// Takes the decision, or that there was none in time.
async fn decide(_cx: Cx, request: Request, decision: Timed<Decision>) -> Result<Next<Outcome>> {
    let (approved, by) = match decision {
        Timed::Answered(decision) => (decision.approved, Some(decision.by)),
        Timed::TimedOut => (false, None),
    };
    Ok(Next(Outcome { order: request.order, approved, by }))
}

/// Sends the question. The key is the same should it be sent again: give it to
/// whoever takes idempotency keys.
async fn send(request: &Request, _key: &str) -> Result<()> {
    println!("Please approve order {}: {}", request.order, request.text);
    Ok(())
}
