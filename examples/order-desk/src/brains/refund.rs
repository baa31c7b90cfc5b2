//! A refund: a dispute starts it, and a person decides.

use px::link;
use px::prelude::*;

use super::order::euros;
use crate::outside::Outside;
use crate::webhooks::disputes::Dispute;

/// The brain.
pub fn refund() -> Brain<Dispute> {
    brain("refund")
        .describe("Decides about a disputed payment")
        .label("/order")
        .needs::<Outside>()
        // Waits for the clerk, three days at most.
        .step("ask clerk", ask_clerk)
        .retry(Retry::attempts(5))
        .step("decide", decide)
        .when(
            "is granted",
            |case: &Case| case.is_granted,
            |b| b.step("pay back", pay_back).retry(Retry::attempts(5)),
        )
        .build()
}
px::brain!(refund);

/// A dispute that has been decided about.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Case {
    /// The dispute.
    pub dispute: Dispute,
    /// True if the money goes back.
    pub is_granted: bool,
    /// Who decided.
    pub by: Option<String>,
    /// True once it went.
    pub is_paid_back: bool,
}

type Decision = Timed<link::Answered<bool>>;

async fn ask_clerk(cx: Cx, dispute: Dispute) -> Result<Waiting<Dispute, Decision>> {
    let Dispute { order, cents, reason } = &dispute;
    let question = format!("Order {order}: pay back {}? The customer says: {reason}", euros(*cents));
    let clerk = "clerk@example.com";
    let asked = link::ask(&cx, "clerk", &question)
        .answer(true, "Pay back")
        .answer(false, "Refuse")
        .approver(clerk)
        .await?;
    let text = format!("{question}\n\n{}", asked.url());
    cx.effect("mail clerk", async |key| cx.get::<Outside>().mail(key, clerk, &text).await).await?;
    Ok(wait_for(dispute, asked.on()).timeout(Duration::from_hours(72)))
}

async fn decide(_cx: Cx, dispute: Dispute, decision: Decision) -> Result<Next<Case>> {
    // Nobody's silence costs a customer their money.
    let (is_granted, by) = match decision {
        Timed::Answered(link::Answered { answer, by }) => (answer, by),
        Timed::TimedOut => (true, None),
    };
    Ok(Next(Case { dispute, is_granted, by, is_paid_back: false }))
}

async fn pay_back(cx: Cx, case: Case) -> Result<Next<Case>> {
    let Dispute { order, cents, .. } = &case.dispute;
    cx.effect("pay back", async |key| cx.get::<Outside>().pay_back(key, order, *cents).await).await?;
    Ok(Next(Case { is_paid_back: true, ..case }))
}
