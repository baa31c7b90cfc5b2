//! A brain that keeps values which outlive its runs, in each way in which a step can.

use px_sdk::{Brain, Cx, Next, Result, brain, items};

use super::Ask;

/// Counts its runs, over all and by key, and then items.
pub fn counter() -> Brain<Ask> {
    brain("counter")
        .step("count", count)
        .map("tally", items(|ask: &Ask| vec![ask.key.clone(), ask.key.clone()], tally), |ask, _: Vec<u64>| {
            ask
        })
        .build()
}
px_sdk::brain!(counter);

/// One value by a function, and one that it reads and writes.
async fn count(cx: Cx, ask: Ask) -> Result<Next<Ask>> {
    cx.kv::<u64>("counted").update(|count| count.unwrap_or(0) + 1).await?;
    let seen = cx.kv::<u64>("seen").scope(ask.key.clone());
    let before = seen.get().await?.unwrap_or(0);
    seen.set(before + 1).await?;
    Ok(Next(ask))
}

/// One value by a function, whose outcome it looks at. The result does not tell who was first.
async fn tally(cx: Cx, _key: String) -> Result<u64> {
    let tallied = cx.kv::<u64>("tallied");
    tallied.update(|count| count.unwrap_or(0) + 1).await?;
    Ok(tallied.get().await?.map_or(0, |_| 1))
}
