//! Ids as people type them: whole, by their last digits, or as `@last`.
//!
//! Ids begin with the time of their making, so the last digits tell them apart. What
//! looks like neither is left as it is: the server says that there is no such thing.

use px_api::{FindIds, FoundId, FoundIds, IdKind, ListCallbacks, ListDeliveries, ListRuns};
use px_client::Client;

use crate::error::{Error, Kind, Result};
use crate::show::words;

/// Number of digits by which tables show an id.
const SHORT: usize = 6;

/// Number of digits of a tail that is looked for.
const TAIL: std::ops::Range<usize> = 4..32;

/// Number of things that are named where several are meant.
const MAX_NAMED: usize = 5;

/// An id in a table: its last digits.
pub(crate) fn short(id: impl ToString) -> String {
    let id = id.to_string();
    let digits = id.chars().count();
    format!("…{}", id.chars().skip(digits.saturating_sub(SHORT)).collect::<String>())
}

/// The way somebody names a thing.
#[derive(Debug, PartialEq, Eq)]
enum Named<'a> {
    /// The newest, or the newest in a state.
    Last(Option<&'a str>),
    /// The one whose id ends so.
    Tail(&'a str),
    /// As it is.
    Whole(&'a str),
}

impl<'a> Named<'a> {
    fn of(text: &'a str) -> Self {
        if let Some(rest) = text.strip_prefix("@last") {
            match rest.strip_prefix(':') {
                Some(state) if !state.is_empty() => return Self::Last(Some(state)),
                None if rest.is_empty() => return Self::Last(None),
                _ => {}
            }
        }
        let tail = text.trim_start_matches(['…', '.']);
        if TAIL.contains(&tail.len()) && tail.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Self::Tail(tail);
        }
        Self::Whole(text)
    }
}

/// The id of the run that is meant.
pub(crate) async fn run(client: &Client, text: &str) -> Result<String> {
    match Named::of(text) {
        Named::Whole(id) => Ok(id.to_owned()),
        Named::Tail(tail) => by_tail(client, tail, IdKind::Run).await,
        Named::Last(state) => {
            let status = state.map(str::to_owned);
            let query = ListRuns { status, limit: Some(1), ..ListRuns::default() };
            let page = client.runs(&query).await?.into_value();
            let id = page.runs.first().map(|run| run.brain_run_id.to_string());
            id.ok_or_else(|| no_last("run", state, "px runs list"))
        }
    }
}

/// The id of the delivery that is meant.
pub(crate) async fn delivery(client: &Client, text: &str) -> Result<String> {
    match Named::of(text) {
        Named::Whole(id) => Ok(id.to_owned()),
        Named::Tail(tail) => by_tail(client, tail, IdKind::Delivery).await,
        Named::Last(state) => {
            let query = ListDeliveries {
                state: state.map(str::to_owned),
                limit: Some(1),
                ..ListDeliveries::default()
            };
            let page = client.deliveries(&query).await?.into_value();
            let id = page.deliveries.first().map(|delivery| delivery.id.to_string());
            id.ok_or_else(|| no_last("delivery", state, "px webhooks deliveries list"))
        }
    }
}

/// The id of the callback that is meant.
pub(crate) async fn callback(client: &Client, text: &str) -> Result<String> {
    match Named::of(text) {
        Named::Whole(id) => Ok(id.to_owned()),
        Named::Tail(tail) => by_tail(client, tail, IdKind::Callback).await,
        Named::Last(state) => {
            let state_named = state.map(str::to_owned);
            let query = ListCallbacks { state: state_named, limit: Some(1), ..ListCallbacks::default() };
            let page = client.callbacks(&query).await?.into_value();
            let id = page.deliveries.first().map(|callback| callback.id.to_string());
            id.ok_or_else(|| no_last("delivery", state, "px hooks deliveries"))
        }
    }
}

/// The id of the hook whose id ends so, if the text is a tail.
pub(crate) async fn hook(client: &Client, text: &str) -> Result<Option<String>> {
    match Named::of(text) {
        Named::Tail(tail) => by_tail(client, tail, IdKind::Hook).await.map(Some),
        _ => Ok(None),
    }
}

fn no_last(what: &str, state: Option<&str>, list: &str) -> Error {
    let state = state.map_or(String::new(), |state| format!(" that is {state}"));
    Error::not_found(format!("there is no {what}{state}")).hint(format!("`{list}` shows those there are"))
}

async fn by_tail(client: &Client, tail: &str, kind: IdKind) -> Result<String> {
    let query = FindIds { tail: Some(tail.to_owned()), kind: Some(kind.to_string()) };
    let found = client.ids(&query).await?.into_value();
    match found.ids.as_slice() {
        [one] => Ok(one.id.clone()),
        [] => Err(none(tail, &kind, &found)),
        several => Err(ambiguous(tail, &kind, several)),
    }
}

fn none(tail: &str, kind: &IdKind, found: &FoundIds) -> Error {
    let where_looked = if found.has_more {
        format!(" among the newest {}", words::count(found.looked, "one"))
    } else {
        String::new()
    };
    let list = match kind {
        IdKind::Delivery => "px webhooks deliveries list",
        IdKind::Callback => "px hooks deliveries",
        IdKind::Hook => "px hooks list",
        _ => "px runs list",
    };
    let hint = if found.has_more { "give the whole id" } else { "" };
    let error = Error::not_found(format!("no {kind} has an id that ends in '{tail}'{where_looked}"));
    if hint.is_empty() { error.hint(format!("`{list}` shows those there are")) } else { error.hint(hint) }
}

fn ambiguous(tail: &str, kind: &IdKind, several: &[FoundId]) -> Error {
    let one = |found: &FoundId| {
        let words = [Some(short(&found.id)), found.title.clone(), found.status.clone()];
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    let mut named: Vec<String> = several.iter().take(MAX_NAMED).map(one).collect();
    if several.len() > MAX_NAMED {
        named.push(format!("and {} more", several.len() - MAX_NAMED));
    }
    let noun = match kind {
        IdKind::Delivery => "deliveries",
        IdKind::Callback => "callbacks",
        IdKind::Hook => "hooks",
        _ => "runs",
    };
    let text = format!("{} {noun} have ids that end in '{tail}': {}", several.len(), named.join(", "));
    Error::new(Kind::Conflict, text).hint("give more of its last digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_the_last_one_and_anything_else_are_told_apart() {
        for (text, expected) in [
            ("@last", Named::Last(None)),
            ("@last:waiting", Named::Last(Some("waiting"))),
            ("@last:", Named::Whole("@last:")),
            ("@lasting", Named::Whole("@lasting")),
            ("5e67c0", Named::Tail("5e67c0")),
            ("…5E67c0", Named::Tail("5E67c0")),
            ("...5e67c0", Named::Tail("5e67c0")),
            ("67c", Named::Whole("67c")),
            ("billing", Named::Whole("billing")),
            ("run_01a228742b", Named::Whole("run_01a228742b")),
            ("0197c1f0a1b27000800000000000cafe", Named::Whole("0197c1f0a1b27000800000000000cafe")),
        ] {
            assert_eq!(Named::of(text), expected, "{text}");
        }
        assert_eq!(short("run_0197c1f0a1b27000800000000000cafe"), "…00cafe");
    }

    #[test]
    fn several_are_named_and_none_says_how_far_it_was_looked() {
        let found = |tail: &str, status: &str| FoundId {
            id: format!("run_0197c1f0a1b2700080000000{tail}"),
            kind: IdKind::Run,
            title: Some("invoice".to_owned()),
            status: Some(status.to_owned()),
            at: px_core::Timestamp::EPOCH,
        };
        let several = [found("005e67c0", "waiting"), found("1111a7c0", "paused")];
        let error = ambiguous("67c0", &IdKind::Run, &several);
        assert_eq!(
            error.message,
            "2 runs have ids that end in '67c0': …5e67c0 invoice waiting, …11a7c0 invoice paused"
        );
        let looked = FoundIds { ids: Vec::new(), looked: 100_000, has_more: true };
        let error = none("67c0", &IdKind::Run, &looked);
        assert_eq!(error.message, "no run has an id that ends in '67c0' among the newest 100000 ones");
        assert_eq!(error.hint.as_deref(), Some("give the whole id"));
    }
}
