//! Decisions on orders. A decision resumes the run that waits for its order;
//! if none does, it is kept for a while for one that will.
//!
//! The sender signs the body with HMAC-SHA256 under the text in
//! `DECISIONS_SECRET`, and sends that in hexadecimal as `X-Signature`.

use px::prelude::*;

px::webhook! {
    /// Decisions on orders
    slug = "decisions",
    payload = Decision,
    response = Decision,
    verify = px::verify::hmac("X-Signature", "DECISIONS_SECRET").dedup_header("X-Request-Id"),
    handler = receive,
}

/// What is posted, and what a step that waits for `decisions` gets. The
/// example is what `px webhooks send decisions` posts.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(example = example())]
pub struct Decision {
    /// The order's number.
    pub order: String,
    /// Yes or no.
    pub approved: bool,
    /// Who decided.
    pub by: String,
}

async fn receive(decision: Decision) -> Result<Inbound<Decision>> {
    Ok(Inbound::resume(decision.order.clone(), decision))
}

fn example() -> Decision {
    Decision { order: "42".into(), approved: true, by: "Ada".into() }
}
