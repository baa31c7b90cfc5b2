//! A shipment: booked with a carrier that fails now and then, and followed to the door, where a picture is taken.

use px::prelude::*;

use crate::outside::Outside;
use crate::webhooks::carrier::{self, MAX_PICTURE_BYTES, Tracking};

/// The brain; a step of an order.
pub fn shipping() -> Brain<Shipment, Shipment> {
    brain("shipping")
        .describe("Books a parcel and follows it to the door")
        .needs::<Outside>()
        .step("book", book)
        .retry(Retry::attempts(5))
        // Waits for each message of the carrier in turn, until one says that the parcel is delivered.
        .step("follow", follow)
        .for_each("note place", note_place)
        .step("archive picture", archive_picture)
        .retry(Retry::attempts(5))
        .build()
}
px::brain!(shipping);

/// Parcels on their way.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Shipment {
    /// The order.
    pub order: String,
    /// What is in it.
    pub parcels: Vec<String>,
    /// The carrier's number.
    #[serde(default)]
    pub number: String,
    /// Where it was seen.
    #[serde(default)]
    pub places: Vec<String>,
    /// The proof of its delivery: a small reference, whose bytes stay in px's store while the run goes on.
    #[serde(default)]
    pub picture: Option<px::File>,
}

async fn book(cx: Cx, shipment: Shipment) -> Result<Next<Shipment>> {
    let Shipment { order, parcels, .. } = &shipment;
    let number = cx.effect("book", async |key| cx.get::<Outside>().book(key, order, parcels).await).await?;
    Ok(Next(Shipment { number, ..shipment }))
}

async fn follow(_cx: Cx, shipment: Shipment) -> Result<Streaming<Shipment, Tracking>> {
    let on = carrier::on(&shipment.number);
    Ok(stream(shipment, on))
}

async fn note_place(cx: Cx, mut shipment: Shipment, seen: Tracking) -> Result<More<Shipment, Shipment>> {
    cx.emit("seen", &seen.place).await?;
    let is_there = seen.place == "delivered";
    shipment.places.push(seen.place);
    shipment.picture = seen.picture.or(shipment.picture);
    Ok(if is_there { More::Done(shipment) } else { More::Next(shipment) })
}

async fn archive_picture(cx: Cx, shipment: Shipment) -> Result<Next<Shipment>> {
    let Some(picture) = &shipment.picture else { return Ok(Next(shipment)) };
    let bytes = picture.bytes(&cx, MAX_PICTURE_BYTES).await?;
    let (digest, kind) = (picture.sha256(), kind_of(&bytes));
    cx.effect("archive", async |_key| cx.get::<Outside>().archive(digest, kind, &bytes).await).await?;
    Ok(Next(shipment))
}

/// The type of a picture by how it begins: name and type that came with it are what its sender says.
fn kind_of(bytes: &[u8]) -> &'static str {
    match bytes {
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        _ => "application/octet-stream",
    }
}
