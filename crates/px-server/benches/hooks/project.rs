//! The project that is measured: one brain of one trivial step.

use px_sdk::{Brain, Cx, Next, Result, brain};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a run says to a hook without a filter: it started, so did its step,
/// which completed, and so did it.
pub(crate) const EVENTS_OF_A_RUN: u64 = 4;

#[derive(Serialize, Deserialize, JsonSchema)]
struct Ticket {
    number: u64,
}

fn bench() -> Brain<Ticket> {
    brain("bench").step("only", only).build()
}
px_sdk::brain!(bench);

async fn only(_cx: Cx, ticket: Ticket) -> Result<Next<Ticket>> {
    Ok(Next(ticket))
}
