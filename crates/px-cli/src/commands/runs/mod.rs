//! `px runs …`: asks the server.

mod bulk;
mod cancel;
mod events;
mod explain;
mod export;
mod filter;
mod fork;
mod list;
mod panel;
mod pause;
mod rerun;
mod resume;
mod show;
pub(crate) mod watch;

pub(crate) use bulk::past;
pub(crate) use filter::since;
pub(crate) use list::row;

use clap::Subcommand;
use px_api::{Event, Run, RunEvents};
use px_client::{Answer, Client};
use px_core::RunId;

use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::ids;
use crate::show::words;

/// List, show, follow, explain, steer, rerun and fork runs
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(list::Args),
    Show(show::Args),
    Events(events::Args),
    Watch(watch::Args),
    Cancel(cancel::Args),
    Pause(pause::Args),
    Resume(resume::Args),
    Rerun(rerun::Args),
    Fork(fork::Args),
    Explain(explain::Args),
    Export(export::Args),
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::List(args) => list::run(context, args).await,
            Self::Show(args) => show::run(context, args).await,
            Self::Events(args) => events::run(context, args).await,
            Self::Watch(args) => watch::run(context, args).await,
            Self::Cancel(args) => cancel::run(context, args).await,
            Self::Pause(args) => pause::run(context, args).await,
            Self::Resume(args) => resume::run(context, args).await,
            Self::Rerun(args) => rerun::run(context, args).await,
            Self::Fork(args) => fork::run(context, args).await,
            Self::Explain(args) => explain::run(context, args).await,
            Self::Export(args) => export::run(context, args).await,
        }
    }
}

/// The URL of a run's page, at the server of this URL.
fn page(base: &str, run: impl std::fmt::Display) -> String {
    format!("{base}/ui/runs/{run}")
}

/// A run as the server shows it.
pub(crate) async fn fetch(client: &Client, id: &str) -> Result<Answer<Run>> {
    client.run(id).await.map_err(|error| explained(error, id))
}

/// The log of a run after a `seq`, page by page.
pub(crate) async fn log(client: &Client, id: &str, after: u64) -> Result<Vec<Event>> {
    let mut query = RunEvents { after: Some(after), ..RunEvents::default() };
    let mut events: Vec<Event> = Vec::new();
    loop {
        let page = client.run_events(id, &query).await.map_err(|error| explained(error, id))?;
        events.extend(page.into_value().events);
        let last = events.last().map(|event| event.seq);
        if last.is_none() || last <= query.after {
            return Ok(events);
        }
        query.after = last;
    }
}

/// Says what ids look like if this is none, else where they are found (docs/rules.md#40).
pub(crate) fn explained(error: impl Into<Error>, id: &str) -> Error {
    let error = error.into();
    if error.kind != Kind::NotFound {
        return error;
    }
    match id.parse::<RunId>() {
        Ok(_) if error.message.contains("has no event") => {
            error.hint(format!("`px runs events {id}` shows them"))
        }
        Ok(_) => error.hint("`px runs list` shows the runs there are"),
        Err(shape) => error.hint(format!("{shape}; `px runs list` shows the runs there are")),
    }
}

/// A refusal to move a run, told by what the run does. `--json` keeps the wire's own text.
pub(crate) async fn in_own_words(
    context: &Context,
    client: &Client,
    id: &str,
    done: &str,
    error: Error,
) -> Error {
    let run = if context.ui.json { None } else { client.run(id).await.ok() };
    let Some(run) = run else {
        return error.hint(format!("`px runs explain {id}` says what would move it"));
    };
    let (short, now) = (ids::short(id), context.now());
    let (message, hint) = if run.status.is_terminal() {
        let since = run.completed_at.map_or(String::new(), |at| format!(" since {}", words::moment(at, now)));
        (
            format!("{short} is {}{since}; a run that is over cannot be {done}", run.status),
            format!("`px runs rerun {short} --from STEP` goes back to a step"),
        )
    } else {
        (
            format!("{short} is {}, and cannot be {done} now", run.status),
            format!("`px runs explain {short}` says what would move it"),
        )
    };
    Error::new(error.kind, message).hint(hint)
}

/// The number of a step of a run that is named by its number or its title.
pub(crate) fn step_number(run: &Run, named: &str) -> Result<u32> {
    let titles: Vec<&str> = run.steps.iter().map(|step| &*step.title).collect();
    let named_as = titles.iter().position(|title| title.eq_ignore_ascii_case(named)).map(|index| index + 1);
    let number = named_as.or_else(|| named.parse().ok().filter(|number| (1..=titles.len()).contains(number)));
    match number.and_then(|number| u32::try_from(number).ok()) {
        Some(number) => Ok(number),
        _ => {
            let known: Vec<String> =
                titles.iter().enumerate().map(|(index, title)| format!("{} '{title}'", index + 1)).collect();
            Err(Error::new(Kind::Usage, format!("the run has no step '{named}'"))
                .hint(format!("its steps are {}", known.join(", "))))
        }
    }
}
