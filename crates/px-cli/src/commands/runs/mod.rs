//! `px runs …`: asks the server.

mod cancel;
mod events;
mod explain;
mod export;
mod fork;
mod list;
mod panel;
mod pause;
mod rerun;
mod resume;
mod show;
pub(crate) mod watch;

pub(crate) use list::since;

use clap::Subcommand;
use px_core::RunId;
use serde_json::Value;

use crate::client::{Client, encode};
use crate::context::Context;
use crate::error::{Error, Kind, Result};

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

/// The path of a run, with what comes after it.
pub(crate) fn path(id: &str, tail: &str) -> String {
    format!("/brains/runs/{}{tail}", encode(id))
}

/// A run as the server shows it.
pub(crate) async fn fetch(client: &Client, id: &str) -> Result<Value> {
    client.get(&path(id, "")).await.map_err(|error| explained(error, id))
}

/// The log of a run after a `seq`, page by page.
pub(crate) async fn log(client: &Client, id: &str, mut after: u64) -> Result<Vec<Value>> {
    let mut events = Vec::new();
    loop {
        let page = client.get(&path(id, &format!("/events?after={after}"))).await;
        let mut page = page.map_err(|error| explained(error, id))?;
        let Some(Value::Array(more)) = page.get_mut("events").map(Value::take) else { break };
        let last = more.last().and_then(|event| event.get("seq")?.as_u64()).unwrap_or(after);
        events.extend(more);
        if last <= after {
            break;
        }
        after = last;
    }
    Ok(events)
}

/// Says what ids look like if this is none, else where they are found (RULES 40).
pub(crate) fn explained(error: Error, id: &str) -> Error {
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

/// The number of a step of a run that is named by its number or its title.
pub(crate) fn step_number(run: &Value, named: &str) -> Result<usize> {
    let steps = run.get("steps").and_then(Value::as_array);
    let titles: Vec<&str> =
        steps.into_iter().flatten().filter_map(|step| step.get("title")?.as_str()).collect();
    if let Some(index) = titles.iter().position(|title| title.eq_ignore_ascii_case(named)) {
        return Ok(index + 1);
    }
    match named.parse() {
        Ok(number) if (1..=titles.len()).contains(&number) => Ok(number),
        _ => {
            let known: Vec<String> =
                titles.iter().enumerate().map(|(index, title)| format!("{} '{title}'", index + 1)).collect();
            Err(Error::new(Kind::Usage, format!("the run has no step '{named}'"))
                .hint(format!("its steps are {}", known.join(", "))))
        }
    }
}
