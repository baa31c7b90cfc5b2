//! The fields of an answer that somebody asked for: `--json=id,status`.

use serde_json::{Map, Value};

/// Names that an id has on the wire, for whoever asks for `id`.
const IDS: [&str; 6] = ["id", "brainRunId", "slug", "title", "deliveryId", "name"];

/// An answer with the named fields only, separated by commas; of an answer that is a list, each
/// entry. One that is not there is null. Beside it, the names that nothing has: a field may
/// be absent today, and what was done is not undone by a slip, so that is no error. An answer that
/// has none of them is whole.
pub(crate) fn picked(answer: &Value, fields: &str) -> (Value, Option<String>) {
    let names: Vec<&str> = fields.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let of_list = entries(answer);
    let things: Vec<&Value> = of_list.map_or_else(|| vec![answer], |entries| entries.iter().collect());
    let keys = things.iter().filter_map(|thing| thing.as_object()).flat_map(Map::keys);
    let mut known: Vec<&str> = keys.map(String::as_str).collect();
    known.sort_unstable();
    known.dedup();
    let is_known =
        |name: &str| known.contains(&name) || (name == "id" && IDS.iter().any(|id| known.contains(id)));
    let unknown: Vec<&str> = names.iter().copied().filter(|name| !is_known(name)).collect();
    // Of an empty list nothing is known.
    let warning = (!unknown.is_empty() && !known.is_empty()).then(|| {
        format!(
            "nothing here has a field '{}'; the fields are id, {}",
            unknown.join("' or '"),
            known.join(", ")
        )
    });
    if unknown.len() == names.len() && !known.is_empty() {
        return (answer.clone(), warning);
    }
    let only = match of_list {
        Some(entries) => entries.iter().map(|entry| only(entry, &names)).collect(),
        None => only(answer, &names),
    };
    (only, warning)
}

/// The one list of objects that an answer is about.
fn entries(answer: &Value) -> Option<&Vec<Value>> {
    if let Value::Array(entries) = answer {
        return Some(entries);
    }
    let mut lists = answer.as_object()?.values().filter_map(Value::as_array);
    let first = lists.next()?;
    // A thing with lists of its own is no list.
    let is_list = lists.next().is_none()
        && answer.as_object()?.iter().all(|(name, value)| {
            value.is_array() || matches!(&**name, "count" | "nextCursor" | "looked" | "hasMore")
        });
    is_list.then_some(first)
}

fn only(entry: &Value, names: &[&str]) -> Value {
    let mut out = Map::new();
    for name in names {
        let value = entry
            .get(name)
            .or_else(|| (*name == "id").then(|| IDS.iter().find_map(|id| entry.get(id))).flatten());
        out.insert((*name).to_owned(), value.cloned().unwrap_or_default());
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_a_list_each_entry_and_of_a_thing_its_own_fields() {
        let list = json!({"runs": [{"brainRunId": "run_1", "status": "waiting"}, {"brainRunId": "run_2"}], "nextCursor": "x"});
        let expected = json!([{"id": "run_1", "status": "waiting"}, {"id": "run_2", "status": null}]);
        assert_eq!(picked(&list, "id, status"), (expected, None));
        let run = json!({"brainRunId": "run_1", "steps": [{"id": "a"}], "state": {}});
        assert_eq!(picked(&run, "state,id"), (json!({"id": "run_1", "state": {}}), None));
        let warning = "nothing here has a field 'labels'; the fields are id, brainRunId, status";
        let (some, said) = picked(&list, "id,labels");
        assert_eq!(some[0], json!({"id": "run_1", "labels": null}));
        assert_eq!(said.as_deref(), Some(warning), "it may be there tomorrow");
        let (whole, said) = picked(&list, "statsu");
        assert_eq!((whole, said.is_some()), (list, true), "a slip hides nothing that was made");
        assert_eq!(picked(&json!({"runs": []}), "id"), (json!([]), None));
    }
}
