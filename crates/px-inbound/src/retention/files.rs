//! The bound of files by their bytes. The deliveries of the webhooks that take files are walked
//! through twice, newest first: once to count the bytes that have to stay, since a run may
//! read them or something is still to be done with their delivery, and once to let
//! the oldest of the others go, for which there is no room beside those.
//!
//! A delivery that loses its files loses its content, and keeps its record.

use std::collections::BTreeSet;
use std::time::Duration;

use px_core::{DeliveryId, Timestamp};
use px_store::{Delivery, DeliveryList, Error};

use super::{LOOKED_AT, Progress, Retention, Sweeper};
use crate::forgetting::Plan;

/// Time after which files are counted anew.
const COUNT_AGAIN: Duration = Duration::from_mins(10);

/// The two ways through the deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// Counts what has to stay.
    Count,
    /// Lets go of what there is no room for.
    Drop,
    /// Both are done.
    Done,
}

/// A way through all deliveries of the webhooks that take files.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walk {
    began: Timestamp,
    pass: Pass,
    /// The last delivery that was looked at.
    at: Option<DeliveryId>,
    /// Bytes that stay, as far as is known.
    bytes: u64,
}

impl Sweeper {
    /// Files of all webhooks beyond their bound.
    pub(super) async fn too_much_in_files(
        &self,
        retention: &Retention,
        now: Timestamp,
        progress: &mut Progress,
        plan: &mut Plan,
    ) -> Result<(), Error> {
        let Some(most) = retention.file_bytes else { return Ok(()) };
        let mut walk = match progress.files {
            Some(walk) if walk.pass != Pass::Done => walk,
            Some(walk) if now.since(walk.began) < COUNT_AGAIN => return Ok(()),
            _ => Walk { began: now, pass: Pass::Count, at: None, bytes: 0 },
        };
        let (store, scope) = (&self.context.store, self.context.scope);
        let mut ids = BTreeSet::new();
        for endpoint in self.endpoints.iter().filter(|endpoint| endpoint.def.files.is_some()) {
            let list = DeliveryList::Webhook(&endpoint.def.slug);
            ids.extend(store.delivery_ids(scope, list, walk.at, LOOKED_AT).await?);
        }
        let is_last = ids.len() < LOOKED_AT;
        for id in ids.into_iter().rev().take(LOOKED_AT) {
            walk.at = Some(id);
            let read = self.unless_damaged(id).await?.flatten();
            let Some(delivery) = read.filter(|found| !found.files.is_empty()) else { continue };
            let size: u64 = delivery.files.iter().map(|file| file.size).sum();
            let stays = self.has_to_stay(retention, &delivery, now).await?;
            if stays == (walk.pass == Pass::Count) {
                // From the first that has no room on, all older ones go.
                walk.bytes = walk.bytes.saturating_add(size);
                if !stays && walk.bytes > most {
                    plan.empty(delivery, || self.context.ids.version(now));
                }
            }
        }
        if is_last {
            walk.at = None;
            walk.pass = if walk.pass == Pass::Count { Pass::Drop } else { Pass::Done };
        }
        plan.swept.more |= walk.pass != Pass::Done;
        progress.files = Some(walk);
        Ok(())
    }

    async fn has_to_stay(
        &self,
        retention: &Retention,
        delivery: &Delivery,
        now: Timestamp,
    ) -> Result<bool, Error> {
        Ok(!self.may_be_emptied(retention, delivery, now) || self.has_reader(delivery).await?)
    }
}
