//! A reminder takes another state than the one that waits.
mod given;
use given::slack::SlackReply;
use given::*;
use px::prelude::*;

async fn nudge(_cx: Cx, _receipt: Receipt) -> Result<()> {
    Ok(())
}

async fn take(_cx: Cx, order: Order, _reply: SlackReply) -> Result<Next<Order>> {
    Ok(Next(order))
}

fn orders() -> Brain<Order> {
    brain("orders")
        .step("ask", ask)
        .remind_every("nudge", Duration::from_hours(24), 3, nudge)
        .step("take", take)
        .build()
}

fn main() {}
