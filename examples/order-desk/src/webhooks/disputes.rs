//! The bank: a customer disputes a payment. Each dispute starts a refund.

use px::prelude::*;

use crate::brains::refund::refund;

px::webhook! {
    /// Disputes of payments
    slug = "disputes",
    payload = Dispute,
    response = Dispute,
    verify = px::verify::standard_webhooks("BANK_SECRET"),
    handler = receive,
}

/// A dispute, as the bank tells of it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Dispute {
    /// The order's number.
    pub order: String,
    /// The amount.
    pub cents: u64,
    /// The customer's words.
    pub reason: String,
}

async fn receive(dispute: Dispute) -> Result<Inbound<Dispute>> {
    Ok(Inbound::start(refund, dispute))
}
