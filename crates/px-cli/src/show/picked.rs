//! The fields of an answer that somebody asked for: `--json=id,status`.

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// Names that an id has on the wire, for whoever asks for `id`.
const IDS: [&str; 6] = ["id", "brainRunId", "slug", "title", "deliveryId", "name"];

/// An answer with the named fields only, separated by commas. Of an answer that is a list,
/// each entry.
pub(crate) fn picked(answer: &Value, fields: &str) -> Result<Value> {
    let names: Vec<&str> = fields.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    match entries(answer) {
        Some(entries) => {
            let known: Vec<&str> =
                entries.iter().filter_map(Value::as_object).flat_map(Map::keys).map(String::as_str).collect();
            check(&names, &known)?;
            Ok(entries.iter().map(|entry| only(entry, &names)).collect())
        }
        None => {
            let known =
                answer.as_object().into_iter().flat_map(Map::keys).map(String::as_str).collect::<Vec<_>>();
            check(&names, &known)?;
            Ok(only(answer, &names))
        }
    }
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

fn check(names: &[&str], known: &[&str]) -> Result<()> {
    // Of an empty list nothing is known.
    if known.is_empty() {
        return Ok(());
    }
    let is_known =
        |name: &&&str| known.contains(*name) || (**name == "id" && IDS.iter().any(|id| known.contains(id)));
    match names.iter().find(|name| !is_known(name)) {
        None => Ok(()),
        Some(unknown) => {
            let mut all = known.to_vec();
            all.sort_unstable();
            all.dedup();
            Err(Error::usage(format!("--json: there is no field '{unknown}' here"))
                .hint(format!("the fields are {}", all.join(", "))))
        }
    }
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
        assert_eq!(picked(&list, "id, status").unwrap(), expected);
        let run = json!({"brainRunId": "run_1", "steps": [{"id": "a"}], "state": {}});
        assert_eq!(picked(&run, "state,id").unwrap(), json!({"id": "run_1", "state": {}}));
        let error = picked(&list, "statsu").unwrap_err();
        assert_eq!(error.message, "--json: there is no field 'statsu' here");
        assert_eq!(error.hint.as_deref(), Some("the fields are brainRunId, status"));
        assert_eq!(picked(&json!({"runs": []}), "id").unwrap(), json!([]));
    }
}
