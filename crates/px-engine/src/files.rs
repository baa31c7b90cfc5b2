//! Files that a run may still read, by the references in what it holds: it holds them while it lives,
//! and whoever sends it back is told which of them are gone.

use std::collections::{BTreeMap, BTreeSet};

use px_core::{DeliveryId, FileId, Run, RunId};
use px_store::{Draft, Error};
use serde_json::Value;

use crate::control::ControlError;
use crate::shared::Parts;

/// Maximum number of files that a run may refer to when it begins anew, by a fork or a rerun: the row of
/// each file's delivery is written in the commit.
pub(crate) const MAX_FILES: usize = 1_000;

impl Parts {
    /// Returns the files that a run's states and its response refer to and that are gone with their deliveries. A run
    /// that has ended keeps no file, so one that goes back may have lost some. Of more references than a run may have
    /// when it begins anew, the first are looked up.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn missing_files(&self, run: RunId) -> Result<Vec<FileId>, Error> {
        let Some(record) = self.store.run(self.scope, run).await? else { return Ok(Vec::new()) };
        let mut missing = Vec::new();
        for (delivery, places) in by_delivery(&referred(&record.run)) {
            let kept = self.store.delivery(self.scope, delivery).await?;
            let files = kept.map_or(0, |kept| kept.files.len());
            let gone = places.into_iter().filter(|place| usize::from(*place) >= files);
            missing.extend(gone.map(|place| FileId { delivery, place }));
        }
        Ok(missing)
    }
}

/// Lets a run that begins anew in this draft hold the files that it begins with.
///
/// # Errors
/// The store could not be read; the run refers to more than [`MAX_FILES`], or a delivery has as many holders as
/// it may have. The draft is not to be committed then.
pub(crate) async fn hold(draft: &mut Draft<'_>, run: RunId) -> Result<(), ControlError> {
    let files = draft.run(run).await?.map(referred).unwrap_or_default();
    if files.len() > MAX_FILES {
        return Err(ControlError::TooManyFiles);
    }
    for delivery in by_delivery(&files).into_keys() {
        draft.hold_files(delivery, run).await?;
    }
    Ok(())
}

/// The places of files, by the delivery that they came with.
fn by_delivery(files: &BTreeSet<FileId>) -> BTreeMap<DeliveryId, Vec<u16>> {
    let mut found: BTreeMap<_, Vec<u16>> = BTreeMap::new();
    for file in files {
        found.entry(file.delivery).or_default().push(file.place);
    }
    found
}

/// The files that a run refers to in its states, the results of its items and its response; one more than
/// [`MAX_FILES`] at most.
fn referred(run: &Run) -> BTreeSet<FileId> {
    let mut found = BTreeSet::new();
    run.frames.iter().for_each(|frame| collect(&frame.state, &mut found));
    run.items.iter().for_each(|item| collect(&item.result, &mut found));
    if let Some(given) = &run.given {
        given.response.iter().for_each(|response| collect(response, &mut found));
        given.collected.iter().for_each(|one| collect(&one.response, &mut found));
    }
    found
}

/// Adds the references in a value: objects with the id of a file, and its digest.
fn collect(value: &Value, found: &mut BTreeSet<FileId>) {
    if found.len() > MAX_FILES {
        return;
    }
    match value {
        Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        Value::Object(fields) => {
            let id = fields.get("id").and_then(Value::as_str).filter(|_| fields.contains_key("sha256"));
            found.extend(id.and_then(|id| id.parse::<FileId>().ok()));
            fields.values().for_each(|value| collect(value, found));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_are_found_wherever_they_are_and_nothing_else_is_one() {
        let id = |place| FileId { delivery: DeliveryId::from_bytes([1; 16]), place };
        let mut found = BTreeSet::new();
        let file = |place| json!({"id": id(place), "name": "a", "size": 1, "sha256": "0"});
        collect(&json!({"a": [file(3), {"b": file(0)}], "c": file(3), "id": "1", "sha256": "2"}), &mut found);
        collect(&json!({"id": id(7), "name": "no file"}), &mut found);
        assert_eq!(Vec::from_iter(found), [id(0), id(3)]);
    }
}
