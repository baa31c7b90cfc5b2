//! Files that a run may still read, by the references in what it holds.

use std::collections::BTreeSet;

use px_core::{DeliveryId, FileId, Run, RunId};
use px_store::Error;
use serde_json::Value;

use crate::shared::Parts;

/// Maximum number of references of a run that are looked up.
const MOST_LOOKED_UP: usize = 100;

impl Parts {
    /// Returns the files that a run's states and its response refer to and that are gone with their deliveries. Of
    /// many references the first hundred are looked up. A run that has ended keeps no file, so one that goes back
    /// may have lost some.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn missing_files(&self, run: RunId) -> Result<Vec<FileId>, Error> {
        let Some(record) = self.store.run(self.scope, run).await? else { return Ok(Vec::new()) };
        let mut missing = Vec::new();
        for file in referred(&record.run) {
            let delivery = self.store.delivery(self.scope, file.delivery).await?;
            if delivery.is_none_or(|delivery| delivery.files.get(usize::from(file.place)).is_none()) {
                missing.push(file);
            }
        }
        Ok(missing)
    }
}

/// Returns the deliveries whose files a run may read by what it holds, a bounded number.
pub(crate) fn deliveries(run: &Run) -> BTreeSet<DeliveryId> {
    referred(run).into_iter().map(|file| file.delivery).collect()
}

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
    if found.len() >= MOST_LOOKED_UP {
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
