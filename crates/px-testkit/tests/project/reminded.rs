//! A brain whose wait reminds of itself: once, and then again and again.

use std::time::Duration;

use px_sdk::{Brain, Cx, Error, Next, Result, Retry, Timed, Waiting, brain, wait_for};

use super::{Answered, Ask, TIMEOUT, Text, mail};

/// Time until the reminder that comes once.
pub const SOON: Duration = Duration::from_secs(15);

/// Time between two turns of the other one.
pub const OFTEN: Duration = Duration::from_secs(20);

/// Maximum number of turns of that one.
pub const TIMES: u32 = 3;

/// Waits for a text by mail, for three hours at most.
pub fn reminded() -> Brain<Ask> {
    brain("reminded")
        .step("ask", ask)
        .remind("soon", SOON, soon)
        .retry(Retry::attempts(2).base(Duration::from_secs(10)).cap(Duration::from_secs(10)))
        .remind_every("often", OFTEN, TIMES, often)
        .step("note", note)
        .build()
}
px_sdk::brain!(reminded);

async fn ask(_cx: Cx, ask: Ask) -> Result<Waiting<Ask, Timed<Text>>> {
    let on = mail::on(&ask.key);
    Ok(wait_for(ask, on).timeout(TIMEOUT))
}

/// Fails the first time, behind an effect that is not made again.
async fn soon(cx: Cx, _ask: Ask) -> Result<()> {
    let attempt = cx.once("said", || async { Ok(cx.attempt()) }).await?;
    cx.emit("said", serde_json::json!({ "attempt": attempt })).await?;
    if cx.attempt() == 1 { Err(Error::msg("the first time")) } else { Ok(()) }
}

/// Counts its turns, those of all runs, in the commit of each turn's end.
async fn often(cx: Cx, _ask: Ask) -> Result<()> {
    cx.kv::<u64>("turns").update(|turns| turns.unwrap_or(0) + 1).await
}

async fn note(_cx: Cx, _ask: Ask, text: Timed<Text>) -> Result<Next<Answered>> {
    let answer = match text {
        Timed::Answered(text) => text.text,
        Timed::TimedOut => String::new(),
    };
    Ok(Next(Answered { answer, from: "mail".into() }))
}
