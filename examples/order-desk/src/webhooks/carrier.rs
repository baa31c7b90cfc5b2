//! The carrier: where a parcel is, and a picture of its place at the door.

use px::prelude::*;

px::webhook! {
    /// Where parcels are
    slug = "carrier",
    payload = Tracking,
    response = Tracking,
    verify = px::verify::hmac("X-Carrier-Signature", "CARRIER_SECRET").dedup_pointer("/id"),
    handler = receive,
    files = px::Files::default().max(1).bytes(MAX_PICTURE_BYTES),
}

/// Maximum size of a picture.
pub const MAX_PICTURE_BYTES: u64 = 4 * 1024 * 1024;

/// A line of a parcel's history: JSON, or a form if there is a picture with it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Tracking {
    /// The carrier's id of the line.
    pub id: String,
    /// The parcel's number.
    pub number: String,
    /// Its place: `on the way`, `at the door`, `delivered`.
    pub place: String,
    /// The proof of its delivery, taken at the door.
    #[serde(default)]
    pub picture: Option<px::File>,
}

async fn receive(tracking: Tracking) -> Result<Inbound<Tracking>> {
    Ok(Inbound::resume(tracking.number.clone(), tracking))
}
