//! A project whose steps keep values that outlive runs, one for all runs and one for each person, and a brain
//! that keeps none. The tests of `px kv` drive it.

use px_sdk::{Brain, Cx, Next, Result, brain};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, JsonSchema)]
struct Visit {
    who: String,
}

fn counting() -> Brain<Visit> {
    brain("counting").step("count", count).build()
}
px_sdk::brain!(counting);

fn idle() -> Brain<()> {
    brain("idle").step("rest", rest).build()
}
px_sdk::brain!(idle);

async fn count(cx: Cx, visit: Visit) -> Result<Next<Visit>> {
    cx.kv::<u64>("runs").update(|runs| runs.unwrap_or(0) + 1).await?;
    cx.kv::<bool>("greeted").scope(format!("of {}", visit.who)).set(true).await?;
    Ok(Next(visit))
}

async fn rest(_cx: Cx, (): ()) -> Result<Next<()>> {
    Ok(Next(()))
}

fn main() -> std::process::ExitCode {
    px_cli::main()
}
