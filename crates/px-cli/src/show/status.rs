//! Statuses as people see them: a sign, a word and a style.

use anstyle::Style;
use px_api::RunStatus;

use crate::paint::{HEADING, style_of};

/// The status of a run with its sign.
pub(crate) fn signed(status: &RunStatus) -> String {
    format!("{} {status}", status.sign())
}

/// The style of a column that holds a signed status or state, by its place.
pub(crate) fn column(ids: usize, statuses: usize) -> impl Fn(usize, &str) -> Option<Style> {
    move |column, text| {
        if column == ids {
            return Some(HEADING);
        }
        let word = text.split(' ').find(|word| word.chars().all(char::is_alphabetic)).unwrap_or(text);
        (column == statuses).then(|| style_of(word))
    }
}
