//! Values of requests that clients write in several ways.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde_json::Value;

/// A query parameter that is absent if it is empty.
pub(crate) fn non_empty<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    let text = Option::<String>::deserialize(deserializer)?;
    text.filter(|text| !text.is_empty()).map(|text| text.parse().map_err(D::Error::custom)).transpose()
}

/// A text; anything else counts as missing.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => Some(text),
        _ => None,
    })
}

/// The number of a step, from 1. JSON may write a whole number as 3.0, and what
/// is none counts as missing. Beyond `u32` it is the largest one: no brain has as
/// many steps.
pub(crate) fn step_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let given = Value::deserialize(deserializer)?;
    let whole = |at: &Value| match at.as_f64() {
        Some(number) if number.fract() == 0.0 && number >= 1.0 => format!("{number:.0}").parse().ok(),
        _ => None,
    };
    let number: Option<u64> = given.as_u64().or_else(|| whole(&given));
    Ok(number.filter(|at| *at >= 1).map(|at| u32::try_from(at).unwrap_or(u32::MAX)))
}
