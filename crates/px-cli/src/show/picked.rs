//! The fields of an answer that somebody asked for: `--json=id,status`.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde_json::{Map, Value};

/// Names that an id has on the wire, for whoever asks for `id`.
const IDS: [&str; 6] = ["id", "brainRunId", "slug", "title", "deliveryId", "name"];

/// Fields that an answer has beside its list.
const BESIDE: [&str; 4] = ["count", "nextCursor", "looked", "hasMore"];

/// An answer with the named fields only, separated by commas; of an answer that is a list, each
/// entry. One that is not there is null. Beside it, the names that nothing has: what was done is not undone
/// by a slip, so that is no error. `typed` are the fields that its type has ([`fields_of`]): one may be absent
/// today, and of an empty list all are. An answer that has none of those that are asked for is whole.
pub(crate) fn picked(answer: &Value, fields: &str, typed: &BTreeSet<String>) -> (Value, Option<String>) {
    let names: Vec<&str> = fields.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let of_list = entries(answer);
    let things: Vec<&Value> = of_list.map_or_else(|| vec![answer], |entries| entries.iter().collect());
    let keys = things.iter().filter_map(|thing| thing.as_object()).flat_map(Map::keys);
    let known: BTreeSet<&str> = keys.chain(typed).map(String::as_str).collect();
    let is_known =
        |name: &str| known.contains(name) || (name == "id" && IDS.iter().any(|id| known.contains(id)));
    let unknown: Vec<&str> = names.iter().copied().filter(|name| !is_known(name)).collect();
    // Of an empty list of no type nothing is known.
    let warning = (!unknown.is_empty() && !known.is_empty()).then(|| {
        let id = if is_known("id") && !known.contains("id") { "id, " } else { "" };
        let known: Vec<&str> = known.iter().copied().collect();
        format!(
            "nothing here has a field '{}'; the fields are {id}{}",
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

/// The names of the fields that answers of this type have; of a type that is a list, those of its entries.
pub(crate) fn fields_of<T: JsonSchema>() -> BTreeSet<String> {
    let schema = schemars::schema_for!(T).to_value();
    let own = properties(&schema, &schema, DEEP);
    let list = |(_, property): (&String, &Value)| {
        let property = resolved(&schema, property);
        (property["type"] == "array").then(|| property["items"].clone())
    };
    let is_beside = |(name, property): (&String, &Value)| {
        BESIDE.contains(&name.as_str()) || resolved(&schema, property)["type"] == "array"
    };
    let mut lists = own.iter().filter_map(list);
    match (lists.next(), lists.next()) {
        (Some(items), None) if own.iter().all(is_beside) => {
            properties(&schema, &items, DEEP).into_keys().collect()
        }
        _ => own.into_keys().collect(),
    }
}

/// References and alternatives that are followed into one another.
const DEEP: usize = 8;

/// The properties of an object's schema, those of each alternative too.
fn properties(root: &Value, schema: &Value, deep: usize) -> BTreeMap<String, Value> {
    let schema = resolved(root, schema);
    let own = schema["properties"].as_object().into_iter().flatten();
    let mut found: BTreeMap<String, Value> = own.map(|(name, of)| (name.clone(), of.clone())).collect();
    let several = ["oneOf", "anyOf", "allOf"].into_iter().filter_map(|name| schema[name].as_array());
    for alternative in several.flatten().filter(|_| deep > 0) {
        found.extend(properties(root, alternative, deep - 1));
    }
    found
}

/// A schema, or the one that it refers to.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema["$ref"].as_str().and_then(|path| root.pointer(path.strip_prefix('#')?));
    target.unwrap_or(schema)
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
        && answer
            .as_object()?
            .iter()
            .all(|(name, value)| value.is_array() || BESIDE.contains(&name.as_str()));
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
        let none = &BTreeSet::new();
        let list = json!({"runs": [{"brainRunId": "run_1", "status": "waiting"}, {"brainRunId": "run_2"}], "nextCursor": "x"});
        let expected = json!([{"id": "run_1", "status": "waiting"}, {"id": "run_2", "status": null}]);
        assert_eq!(picked(&list, "id, status", none), (expected, None));
        let run = json!({"brainRunId": "run_1", "steps": [{"id": "a"}], "state": {}});
        assert_eq!(picked(&run, "state,id", none), (json!({"id": "run_1", "state": {}}), None));
        let warning = "nothing here has a field 'labels'; the fields are id, brainRunId, status";
        let (some, said) = picked(&list, "id,labels", none);
        assert_eq!(some[0], json!({"id": "run_1", "labels": null}));
        assert_eq!(said.as_deref(), Some(warning), "it may be there tomorrow");
        let (whole, said) = picked(&list, "statsu", none);
        assert_eq!((whole, said.is_some()), (list, true), "a slip hides nothing that was made");
        assert_eq!(picked(&json!({"runs": []}), "id", none), (json!([]), None));
    }

    #[test]
    fn the_fields_of_a_type_are_known_where_the_list_is_empty_or_a_field_is_absent() {
        let runs = fields_of::<px_api::RunPage>();
        assert!(runs.contains("brainRunId") && runs.contains("labels") && !runs.contains("runs"), "{runs:?}");
        let (empty, said) = picked(&json!({"runs": [], "nextCursor": null}), "id,labels,statsu", &runs);
        assert_eq!(empty, json!([]));
        assert!(said.is_some_and(|said| {
            said.starts_with("nothing here has a field 'statsu'; the fields are id, brain")
        }));
        let list = json!({"runs": [{"brainRunId": "run_1"}], "nextCursor": null});
        assert_eq!(picked(&list, "id,labels", &runs), (json!([{"id": "run_1", "labels": null}]), None));
        let (_, said) = picked(&json!({"runs": [], "nextCursor": null}), "statsu", &runs);
        assert!(said.is_some(), "a slip is told though there is nothing");
        assert!(fields_of::<px_api::Secrets>().contains("oldValueUntil"));
        assert!(fields_of::<px_api::DeliveryPage>().contains("slug"));
        assert!(fields_of::<px_api::Webhooks>().contains("secretSource"));
        let run = fields_of::<px_api::Run>();
        assert!(run.contains("steps") && run.contains("status"), "a thing with lists is no list: {run:?}");
    }
}
