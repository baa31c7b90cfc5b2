//! Rows of events that lie apart from their deliveries, and deliveries made whole
//! of them.

use bytes::Bytes;
use px_core::{DeliveryId, Scope};
use px_store::{Delivery, Error, InboxEvent, Table, Versioned};

use crate::apart;
use crate::delivery_row::{from_delivery_value, has_events_apart};
use crate::layout;
use crate::rows::{Backing, Order, RowKey};

/// Number of rows that are read at once.
const PAGE: usize = 1_000;

/// Delivery and place, by which the events of a delivery lie side by side.
pub(crate) fn event_row(scope: Scope, delivery: DeliveryId, place: u32) -> RowKey {
    let mut row = layout::id_row(scope, Table::Event, delivery.to_bytes());
    row.extend_from_slice(&place.to_be_bytes());
    row
}

/// A version, then the event as JSON.
pub(crate) fn event_value(event: &InboxEvent) -> Result<Bytes, Error> {
    layout::versioned(event.apart, &InboxEvent { apart: 0, ..event.clone() })
}

pub(crate) fn from_event_value(value: &Bytes) -> Result<InboxEvent, Error> {
    let Versioned { version, record }: Versioned<InboxEvent> = layout::from_versioned(value)?;
    Ok(InboxEvent { apart: version, ..record })
}

/// The delivery and the place of a row.
pub(crate) fn event_of(row: &[u8]) -> Result<(DeliveryId, u32), Error> {
    let (delivery, place) = row.split_last_chunk::<4>().ok_or_else(layout::short)?;
    Ok((DeliveryId::from_bytes(layout::id_of(delivery)?), u32::from_be_bytes(*place)))
}

/// The rows of a delivery's events.
pub(crate) fn rows_of<B: Backing + ?Sized>(
    backing: &B,
    scope: Scope,
    delivery: DeliveryId,
) -> Result<Vec<(Vec<u8>, Bytes)>, Error> {
    let (mut from, to) = (event_row(scope, delivery, 0), event_row(scope, delivery, u32::MAX));
    let mut rows = Vec::new();
    loop {
        let page = backing.range(&from, &to, Order::Ascending, PAGE)?;
        let is_last = page.len() < PAGE;
        rows.extend(page);
        match rows.last() {
            Some((last, _)) if !is_last => {
                from = RowKey::from_slice(last);
                from.push(0);
            }
            _ => return Ok(rows),
        }
    }
}

/// A delivery of its row, with the values and the events that lie apart.
pub(crate) fn whole_delivery<B: Backing + ?Sized>(
    backing: &B,
    scope: Scope,
    value: &Bytes,
) -> Result<Delivery, Error> {
    let mut delivery = from_delivery_value(value, &apart::reader(backing, scope))?;
    if !has_events_apart(delivery.revision) {
        return Ok(delivery);
    }
    let mut rows = rows_of(backing, scope, delivery.id)?.into_iter().peekable();
    for (place, event) in (0..).zip(&mut delivery.events).filter(|(_, event)| event.apart != 0) {
        let own = event_row(scope, delivery.id, place);
        // A row of no event is passed over: the audit names it.
        while rows.next_if(|(row, _)| **row < *own).is_some() {}
        match rows.next_if(|(row, _)| **row == *own) {
            Some((_, value)) => *event = from_event_value(&value)?,
            None if backing.get(&layout::delivery_row(scope, delivery.id))?.is_some() => {
                return Err(Error::Corrupt("an event of a delivery has no row".into()));
            }
            // It was forgotten while it was read.
            None => break,
        }
    }
    Ok(delivery)
}
