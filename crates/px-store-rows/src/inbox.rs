//! The inbox in a batch: deliveries, their events that lie apart, and what goes with
//! those that are forgotten.

use std::collections::BTreeSet;

use px_core::Scope;
use px_store::{Batch, DeliveryWrite, Error, EventWrite, InboxState};

use crate::delivery_row::{self, delivery_value, names_values};
use crate::event_row;
use crate::layout;
use crate::rows::{Backing, Expect, RowKey, RowOp};
use crate::translation::{Precondition, Translation, as_read};

impl Translation {
    pub(crate) fn deliveries<B: Backing + ?Sized>(
        &mut self,
        scope: Scope,
        writes: &[DeliveryWrite],
        backing: &B,
    ) -> Result<(), Error> {
        for write in writes {
            let delivery = &write.delivery;
            let id = delivery.id.to_bytes();
            let row = layout::delivery_row(scope, delivery.id);
            if delivery.revision != 0 {
                let expect = Expect::Version(delivery.revision);
                self.check(row.clone(), expect, Precondition::Delivery(delivery.id));
            }
            // What lies with a run already stays there. Were the row another one by
            // then, the revision says so.
            let mut named = self.values.clone();
            if names_values(delivery.revision)
                && let Some(old) = backing.get(&row)?
            {
                named.extend(delivery_row::named(&old)?.into_iter().map(|gap| (gap.name, gap.run)));
            }
            self.put(row, delivery_value(delivery, &|name| named.get(name).copied())?);
            self.put_files(scope, delivery);
            if write.new {
                self.post(layout::deliveries_by_slug(scope, &delivery.slug), id);
            }
            // A large delivery is in each list once.
            let events = &delivery.events;
            let states: BTreeSet<InboxState> = events.iter().map(|event| event.state).collect();
            let mut lists: BTreeSet<RowKey> =
                states.into_iter().map(|state| layout::deliveries_by_state(scope, state)).collect();
            let identifiers = events.iter().filter_map(|event| event.identifier.as_ref());
            lists.extend(
                identifiers
                    .filter(|_| write.new)
                    .map(|identifier| layout::deliveries_by_identifier(scope, identifier)),
            );
            for list in lists {
                self.post(list, id);
            }
        }
        Ok(())
    }

    /// Events that lie apart from their deliveries: each is checked and written for itself.
    pub(crate) fn events_apart(&mut self, scope: Scope, writes: &[EventWrite]) -> Result<(), Error> {
        for write in writes {
            let row = event_row::event_row(scope, write.delivery, write.place);
            let expect = if write.expected == 0 { Expect::Absent } else { Expect::Version(write.expected) };
            self.check(row.clone(), expect, Precondition::Delivery(write.delivery));
            self.put(row, event_row::event_value(&write.event)?);
            // The lists of a new one are its delivery's.
            if write.expected != 0 {
                let list = layout::deliveries_by_state(scope, write.event.state);
                self.post(list, write.delivery.to_bytes());
            }
        }
        Ok(())
    }

    pub(crate) fn forget<B: Backing + ?Sized>(
        &mut self,
        scope: Scope,
        batch: &Batch,
        backing: &B,
    ) -> Result<(), Error> {
        for write in &batch.forget {
            let id = write.delivery.to_bytes();
            let row = layout::delivery_row(scope, write.delivery);
            match write.revision {
                Some(revision) => {
                    let precondition = Precondition::Delivery(write.delivery);
                    self.check(row.clone(), Expect::Version(revision), precondition);
                    self.remove(row);
                    // None is added to a delivery that is still as it was read.
                    if delivery_row::has_events_apart(revision) {
                        for (row, _) in event_row::rows_of(backing, scope, write.delivery)? {
                            self.remove(row.into());
                        }
                    }
                }
                None => self.check(row, Expect::Absent, Precondition::Delivery(write.delivery)),
            }
            // Any state that it ever was in: nobody knows any more.
            let states = InboxState::ALL.map(|state| layout::deliveries_by_state(scope, state));
            let identifiers =
                write.identifiers.iter().map(|text| layout::deliveries_by_identifier(scope, text));
            let slug = layout::deliveries_by_slug(scope, &write.slug);
            for list in states.into_iter().chain(identifiers).chain([slug]) {
                self.rows.ops.push(RowOp::Unpost { list, id });
            }
            for (provider_id, record) in &write.provider_ids {
                let row = layout::dedup_row(scope, &write.slug, provider_id);
                let precondition = Precondition::Dedup(write.slug.clone(), provider_id.clone());
                self.check(row.clone(), as_read(Some(record))?, precondition);
                self.remove(row);
            }
            for (provider_id, record) in &write.set_asides {
                let row = layout::set_aside_row(scope, &write.slug, provider_id);
                let precondition = Precondition::SetAside(write.slug.clone(), provider_id.clone());
                self.check(row.clone(), as_read(Some(record))?, precondition);
                self.remove(row);
            }
        }
        if let Some(forgotten) = &batch.forgotten {
            let row = layout::forgotten_row(scope);
            self.check(row.clone(), as_read(forgotten.expected.as_ref())?, Precondition::Forgotten);
            self.put(row, layout::json(&forgotten.record)?);
        }
        Ok(())
    }
}
