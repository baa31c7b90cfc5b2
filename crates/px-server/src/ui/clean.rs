//! Answers without the values of secrets that stay answers. The redactor puts a text in the place of a number
//! that has a secret's digits, and within ids; where the type has no text there, the place is px's own, a time
//! or a size or an id, and is shown as it is.

use std::borrow::Cow;
use std::collections::BTreeMap;

use px_secrets::Redactor;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A place at which the redacted document is another one.
struct Place {
    pointer: String,
    redacted: Value,
}

/// Places by their pointers without the numbers of items: the type has the same at all of them.
type Places = BTreeMap<String, Vec<Place>>;

/// The answer without the values of secrets.
pub(super) fn without_secrets<T: Serialize + DeserializeOwned>(
    answer: T,
    redactor: &Redactor,
) -> Result<T, serde_json::Error> {
    let bytes = serde_json::to_vec(&answer)?;
    let Cow::Owned(redacted) = redactor.json(&bytes) else { return Ok(answer) };
    if let Ok(clean) = serde_json::from_slice(&redacted) {
        return Ok(clean);
    }
    let (mut whole, after): (Value, Value) =
        (serde_json::from_slice(&bytes)?, serde_json::from_slice(&redacted)?);
    let mut places = Places::new();
    differing(&whole, &after, (String::new(), String::new()), &mut places);
    let groups: Vec<Vec<Place>> = places.into_values().collect();
    settle::<T>(&mut whole, &groups, redactor);
    serde_json::from_value(whole)
}

fn differing(before: &Value, after: &Value, (pointer, shape): (String, String), places: &mut Places) {
    match (before, after) {
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (at, (before, after)) in before.iter().zip(after).enumerate() {
                differing(before, after, (format!("{pointer}/{at}"), format!("{shape}/*")), places);
            }
        }
        (Value::Object(before), Value::Object(after)) if before.keys().eq(after.keys()) => {
            for ((name, before), after) in before.iter().zip(after.values()) {
                let name = name.replace('~', "~0").replace('/', "~1");
                differing(before, after, (format!("{pointer}/{name}"), format!("{shape}/{name}")), places);
            }
        }
        _ if before == after => {}
        _ => places.entry(shape).or_default().push(Place { pointer, redacted: after.clone() }),
    }
}

/// Redacts the groups of places at which the type takes it: all at once, or a half after the other.
fn settle<T: DeserializeOwned>(whole: &mut Value, groups: &[Vec<Place>], redactor: &Redactor) {
    let mut redacted = whole.clone();
    for place in groups.iter().flatten() {
        if let Some(value) = redacted.pointer_mut(&place.pointer) {
            *value = place.redacted.clone();
        }
    }
    if T::deserialize(&redacted).is_ok() {
        *whole = redacted;
        return;
    }
    if let [group] = groups {
        // The texts within, where all of a part would be one text.
        for place in group {
            let value =
                whole.pointer_mut(&place.pointer).filter(|value| value.is_array() || value.is_object());
            if let Some(value) = value {
                texts(value, redactor);
            }
        }
        return;
    }
    let (first, rest) = groups.split_at(groups.len() / 2);
    settle::<T>(whole, first, redactor);
    settle::<T>(whole, rest, redactor);
}

fn texts(value: &mut Value, redactor: &Redactor) {
    match value {
        Value::String(text) => *text = redactor.text(text).into_owned(),
        Value::Array(items) => items.iter_mut().for_each(|item| texts(item, redactor)),
        Value::Object(fields) => fields.values_mut().for_each(|field| texts(field, redactor)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Row {
        id: px_core::RunId,
        at: u64,
        text: String,
        state: Value,
    }

    fn row(n: u8) -> Row {
        let at = 1_767_225_600_000 + u64::from(n);
        let state = json!({ "pin": 67_225_600, "list": [167_225_600_u64, "67225600"], "fine": 1 });
        Row { id: px_core::RunId::from_bytes([n; 16]), at, text: "67225600!".to_owned(), state }
    }

    fn redactor(secrets: &[(&str, &str)]) -> Redactor {
        let secrets = secrets.iter().map(|(name, value)| ((*name).to_owned(), (*value).into()));
        Redactor::new(secrets).unwrap()
    }

    #[test]
    fn a_time_with_a_secrets_digits_stays_and_a_state_with_them_does_not() {
        let redactor = redactor(&[("PIN", "67225600"), ("HEX", "0202020202")]);
        let shown = without_secrets((0..40).map(row).collect::<Vec<_>>(), &redactor).unwrap();
        for (n, shown) in (0..).zip(&shown) {
            assert_eq!((shown.id, shown.at), (row(n).id, row(n).at));
            assert_eq!(shown.text, "[secret PIN]!");
            let list = json!(["1[secret PIN]", "[secret PIN]"]);
            assert_eq!(shown.state, json!({ "pin": "[secret PIN]", "list": list, "fine": 1 }));
        }
    }

    #[test]
    fn what_has_none_or_takes_every_text_is_as_the_redactor_makes_it() {
        let redactor = redactor(&[("PIN", "67225600")]);
        let state = json!({ "pin": 67_225_600 });
        assert_eq!(without_secrets(state, &redactor).unwrap(), json!({ "pin": "[secret PIN]" }));
        assert_eq!(without_secrets(vec![1, 2], &redactor).unwrap(), [1, 2]);
    }
}
