//! `px bulk …`: the jobs that do one thing with many runs.

mod list;
mod show;
mod stop;

use clap::Subcommand;
use px_api::BulkJob;
use px_core::{BulkId, Timestamp};
use serde_json::Value;

use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::show::words;

/// Jobs that cancel, pause or resume many runs: list them, show one, stop one
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(list::Args),
    Show(show::Args),
    Stop(stop::Args),
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::List(args) => list::run(context, &args).await,
            Self::Show(args) => show::run(context, &args).await,
            Self::Stop(args) => stop::run(context, &args).await,
        }
    }
}

/// The participle of a deed.
fn past(job: &BulkJob) -> &'static str {
    super::runs::past(&job.action)
}

/// `120 runs cancelled, 2 refused, 90 left`.
pub(crate) fn progress(job: &BulkJob) -> String {
    let mut parts = vec![format!("{} {}", words::count(job.done, "run"), past(job))];
    for (count, what) in [(job.refused, "refused"), (job.left, "left")] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    parts.join(", ")
}

/// The filter of a job as somebody would write it: `brain=invoice status=paused`.
fn filter(job: &BulkJob) -> String {
    let fields = serde_json::to_value(&job.filter).unwrap_or_default();
    let fields = fields.as_object().cloned().unwrap_or_default();
    let texts = fields.iter().map(|(name, value)| {
        let text = match (value, value.as_u64()) {
            (_, Some(millis)) => words::time(Timestamp::from_millis(millis)),
            (Value::String(text), _) => text.clone(),
            (other, _) => other.to_string(),
        };
        format!("{name}={text}")
    });
    texts.collect::<Vec<_>>().join(" ")
}

/// Says what ids of jobs look like to whoever gave one that is none.
fn explained(error: px_client::Error, id: &str) -> Error {
    let error = Error::from(error);
    let list = "`px bulk list` shows those there are";
    match (error.kind, id.parse::<BulkId>()) {
        (Kind::NotFound, Err(shape)) => error.hint(format!("{shape}; {list}")),
        (Kind::NotFound, Ok(_)) => error.hint(list),
        _ => error,
    }
}
