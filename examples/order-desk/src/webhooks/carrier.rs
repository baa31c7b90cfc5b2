//! The carrier: where a parcel is.

use px::prelude::*;

px::webhook! {
    /// Where parcels are
    slug = "carrier",
    payload = Tracking,
    response = Tracking,
    verify = px::verify::hmac("X-Carrier-Signature", "CARRIER_SECRET").dedup_pointer("/id"),
    handler = receive,
}

/// A line of a parcel's history.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Tracking {
    /// The carrier's id of the line.
    pub id: String,
    /// The parcel's number.
    pub number: String,
    /// Its place: `on the way`, `at the door`, `delivered`.
    pub place: String,
}

async fn receive(tracking: Tracking) -> Result<Inbound<Tracking>> {
    Ok(Inbound::resume(tracking.number.clone(), tracking))
}
