//! The filter of runs that `px runs list` has, and all that is done with many runs at once.

use px_api::ListRuns;
use px_core::Timestamp;

use crate::complete;
use crate::error::{Error, Result};
use crate::show::words;

/// Statuses that a run can have.
const STATUSES: [&str; 7] = ["pending", "running", "waiting", "paused", "complete", "error", "cancelled"];

/// Runs; each option that is given makes them fewer.
#[derive(Debug, clap::Args)]
pub(super) struct Filter {
    /// Only runs in these states, with commas between them: pending, running, waiting, paused, complete, error, cancelled
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = STATUSES)]
    status: Vec<String>,

    /// Only runs of this brain
    #[arg(long, value_name = "BRAIN", add = complete::brains())]
    brain: Option<String>,

    /// Only runs that wait for this identifier, or were started for it: +15550100 or twilio:+15550100
    #[arg(long, value_name = "[WEBHOOK:]IDENTIFIER", allow_hyphen_values = true)]
    waits_for: Option<String>,

    /// Only runs whose state has this value, such as /customer/id=42
    #[arg(long = "where", value_name = "/PATH=VALUE")]
    place: Option<String>,

    /// Only runs with this label, such as order=o2; given several times, only runs with all of them
    #[arg(long, value_name = "NAME=VALUE")]
    label: Vec<String>,

    /// Only runs that are at this step
    #[arg(long, value_name = "STEP")]
    step: Option<String>,

    /// Only runs created since then: 90s, 15m, 2h, 3d ago, or epoch milliseconds
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,

    /// Only runs created before then
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
}

impl Filter {
    /// Returns whether it has all runs.
    pub(super) fn is_empty(&self) -> bool {
        let texts = [&self.brain, &self.waits_for, &self.place, &self.step, &self.since, &self.until];
        self.status.is_empty() && self.label.is_empty() && texts.iter().all(|text| text.is_none())
    }

    /// The query of the list of these runs.
    pub(super) fn query(&self, now: Timestamp) -> Result<ListRuns> {
        let (slug, identifier) = awaited_at(self.waits_for.as_deref());
        Ok(ListRuns {
            status: (!self.status.is_empty()).then(|| self.status.join(",")),
            brain: self.brain.clone(),
            since: millis("--since", self.since.as_deref(), now)?,
            until: millis("--until", self.until.as_deref(), now)?,
            identifier,
            slug,
            step: self.step.clone(),
            state: self.place.clone(),
            label: self.label.iter().cloned().collect(),
            ..ListRuns::default()
        })
    }
}

/// The webhook and the identifier of a `--waits-for`.
fn awaited_at(waits_for: Option<&str>) -> (Option<String>, Option<String>) {
    match waits_for.map(|text| (text, text.split_once(':'))) {
        // An identifier may have a colon of its own; a slug has no other letters than these.
        Some((_, Some((slug, rest)))) if !rest.is_empty() && is_slug(slug) => {
            (Some(slug.to_owned()), Some(rest.to_owned()))
        }
        Some((text, _)) => (None, Some(text.to_owned())),
        None => (None, None),
    }
}

fn is_slug(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte))
}

/// A time of the command line in milliseconds, if there is one.
pub(super) fn millis(flag: &str, text: Option<&str>, now: Timestamp) -> Result<Option<u64>> {
    text.map(|text| time(flag, text, now).map(Timestamp::as_millis)).transpose()
}

/// A `--since` of the command line as a point in time.
pub(crate) fn since(text: &str, now: Timestamp) -> Result<Timestamp> {
    time("--since", text, now)
}

fn time(flag: &str, text: &str, now: Timestamp) -> Result<Timestamp> {
    words::parse_since(text, now).ok_or_else(|| {
        Error::usage(format!("{flag} is '{text}', which is no time"))
            .hint("write how long ago, like 90s, 15m, 2h or 3d, or epoch milliseconds")
    })
}
