//! A reminder returns a state, as a step does.
mod given;
use given::slack::SlackReply;
use given::*;
use px::prelude::*;

async fn nudge(_cx: Cx, order: Order) -> Result<Next<Order>> {
    Ok(Next(order))
}

async fn take(_cx: Cx, order: Order, _reply: SlackReply) -> Result<Next<Order>> {
    Ok(Next(order))
}

fn orders() -> Brain<Order> {
    brain("orders").step("ask", ask).remind("nudge", Duration::from_hours(24), nudge).step("take", take).build()
}

fn main() {}
