//! Labels that a brain takes from the input of its runs.

use px_core::{Labels, check_label_name, check_label_value};
use serde_json::{Number, Value};

use super::Blank;
use super::builder::{Builder, Started};
use super::def::BrainDef;

/// A label that is taken from a run's input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InputLabel {
    name: String,
    /// The place in the input: a JSON pointer (RFC 6901).
    pointer: String,
}

impl InputLabel {
    /// The label of a place, named after its last field: `/orderId` is `order-id`.
    fn of(pointer: String) -> Self {
        let mut name = String::new();
        let mut before: Option<char> = None;
        let mut letters = pointer.rsplit('/').next().unwrap_or_default().chars().peekable();
        while let Some(letter) = letters.next() {
            // A word begins behind a letter that is none of its capitals, and with the last
            // capital of several: `orderID` is two words, and so is `URLPath`.
            let begins_word = before.is_some_and(|before| {
                let is_inside = before.is_ascii_uppercase();
                !is_inside || letters.peek().is_some_and(char::is_ascii_lowercase)
            });
            if letter.is_ascii_uppercase() && begins_word {
                name.push('-');
            }
            name.push(letter.to_ascii_lowercase());
            before = Some(letter);
        }
        Self { name, pointer }
    }
}

/// A number as people write it: an integral one is digits, however its sender wrote it.
fn number(number: &Number) -> String {
    /// From here on floats leave integers out.
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64().filter(|_| number.is_f64()) {
        // No negative zero: `-0.0` is `0`.
        Some(float) if float.fract() == 0.0 && float.abs() < LIMIT => format!("{:.0}", float + 0.0),
        _ => number.to_string(),
    }
}

impl BrainDef {
    /// The labels of a run with this input. What is not there, is no text, number or boolean, or does not fit a
    /// label, is none; it keeps no run from its start.
    pub(crate) fn labels_of(&self, input: &Value) -> Labels {
        let value = |label: &InputLabel| {
            let value = match input.pointer(&label.pointer)? {
                Value::String(text) => text.clone(),
                Value::Number(given) => number(given),
                scalar @ Value::Bool(_) => scalar.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => return None,
            };
            match check_label_value(&label.name, &value) {
                Ok(()) => Some((label.name.clone(), value)),
                Err(why) => {
                    tracing::warn!(brain = %self.title, "a run begins without a label: {why}");
                    None
                }
            }
        };
        self.labels.iter().filter_map(value).collect()
    }

    /// The label that is taken from a place in the input, if one is.
    #[must_use]
    pub fn label_of(&self, pointer: &str) -> Option<&str> {
        self.labels.iter().find(|label| label.pointer == pointer).map(|label| &*label.name)
    }

    /// The mistake in its labels, in words.
    pub(crate) fn mistake_in_labels(&self) -> Option<String> {
        if self.labels.len() > px_core::MAX_LABELS {
            return Some(format!(
                "It takes {} labels from its input, and a run has at most {}.",
                self.labels.len(),
                px_core::MAX_LABELS
            ));
        }
        let mistake = |(place, label): (usize, &InputLabel)| {
            let InputLabel { name, pointer } = label;
            if !pointer.starts_with('/') {
                return Some(format!(
                    "`.label(\"{pointer}\")` names no place in the input: it is a JSON pointer and begins with '/', as \
                     in `.label(\"/orderId\")`."
                ));
            }
            if let Err(why) = check_label_name(name) {
                return Some(format!("{why}. Name it by `.label_as(\"order\", \"{pointer}\")`."));
            }
            let other = self.labels.iter().take(place).find(|other| other.name == *name)?;
            Some(format!(
                "'{}' and '{pointer}' are both labelled '{name}': name one of them by `.label_as(..)`.",
                other.pointer
            ))
        };
        self.labels.iter().enumerate().find_map(mistake)
    }
}

impl Blank {
    /// Labels each run with what its input has at this JSON pointer, named after the last field there:
    /// `.label("/orderId")` gives `order-id`. `px runs list --label order-id=o2` finds the run by it. What is
    /// absent, or longer than 255 bytes, gives no label. A step adds others by [`Cx::label`](crate::Cx::label).
    ///
    /// ```
    /// # use px_sdk::{Brain, Cx, Next, Result, brain};
    /// #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    /// #[serde(rename_all = "camelCase")]
    /// struct Order { order_id: String }
    ///
    /// fn orders() -> Brain<Order> {
    ///     brain("orders").label("/orderId").step("ship", ship).build()
    /// }
    /// # async fn ship(_cx: Cx, order: Order) -> Result<Next<Order>> { Ok(Next(order)) }
    /// ```
    pub fn label(mut self, pointer: impl Into<String>) -> Self {
        self.labels.push(InputLabel::of(pointer.into()));
        self
    }

    /// Like [`label`](Self::label), by a name of your own: a letter from a to z, then up to 31 of these, digits, `_`
    /// and `-`.
    pub fn label_as(mut self, name: impl Into<String>, pointer: impl Into<String>) -> Self {
        self.labels.push(InputLabel { name: name.into(), pointer: pointer.into() });
        self
    }
}

impl<I: Started, S, P, E> Builder<I, S, P, E> {
    /// Labels each run with what its input has at this JSON pointer: see [`Blank::label`].
    pub fn label(mut self, pointer: impl Into<String>) -> Self {
        self.def.labels.push(InputLabel::of(pointer.into()));
        self
    }

    /// Like [`label`](Self::label), by a name of your own: see [`Blank::label_as`].
    pub fn label_as(mut self, name: impl Into<String>, pointer: impl Into<String>) -> Self {
        self.def.labels.push(InputLabel { name: name.into(), pointer: pointer.into() });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_named_after_the_last_field_of_its_place() {
        for (pointer, name) in [
            ("/orderId", "order-id"),
            ("/order/id", "id"),
            ("/order_id", "order_id"),
            ("/ID", "id"),
            ("/orderID", "order-id"),
            ("/URLPath", "url-path"),
            ("/Order", "order"),
            ("/line2Id", "line2-id"),
        ] {
            assert_eq!(InputLabel::of(pointer.into()).name, name, "{pointer}");
        }
    }

    #[test]
    fn an_integral_number_is_digits_however_it_was_written() {
        for (written, label) in [
            ("1000", "1000"),
            ("1e3", "1000"),
            ("-2.0", "-2"),
            ("-0.0", "0"),
            ("1.5", "1.5"),
            ("18446744073709551615", "18446744073709551615"),
            ("1e300", "1e+300"),
        ] {
            assert_eq!(number(&serde_json::from_str(written).unwrap()), label, "{written}");
        }
    }
}
