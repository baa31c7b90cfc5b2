//! The bank: an order was paid.

use px::prelude::*;

px::webhook! {
    /// Payments of orders
    slug = "payments",
    payload = Paid,
    response = Paid,
    verify = px::verify::standard_webhooks("BANK_SECRET"),
    handler = receive,
}

/// A payment, as the bank tells of it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Paid {
    /// The order's number, from the remittance text.
    pub order: String,
    /// Its amount.
    pub cents: u64,
    /// The bank's reference.
    pub reference: String,
}

async fn receive(paid: Paid) -> Result<Inbound<Paid>> {
    Ok(Inbound::resume(paid.order.clone(), paid))
}
