//! A shipment: booked with a carrier that fails now and then, and followed to the door.

use px::prelude::*;

use crate::outside::Outside;
use crate::webhooks::carrier::{self, Tracking};

/// The brain; a step of an order.
pub fn shipping() -> Brain<Shipment, Shipment> {
    brain("shipping")
        .describe("Books a parcel and follows it to the door")
        .needs::<Outside>()
        .step("book", book)
        .retry(Retry::attempts(5))
        .step("follow", follow)
        .for_each("note place", note_place)
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
    Ok(if is_there { More::Done(shipment) } else { More::Next(shipment) })
}
