//! `px runs export`

use std::path::PathBuf;

use serde_json::json;

use super::{fetch, log};
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::ids;

/// Write a run and its whole log as one JSON document
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The document is {\"run\": …, \"events\": […]}, each as `px runs show --json` and `px runs events --json` \
                  print it: for a report of a bug, or an archive.\n\n\
                  Examples:\n  px runs export run_0197c1f0a1b27000800000000000cafe\n  \
                  px runs export run_0197c1f0a1b27000800000000000cafe --output run.json"
)]
pub(crate) struct Args {
    /// The run: its id, the id's last digits (4 or more), or @last, @last:waiting
    run: String,

    /// Write to this file, which must not be there yet, instead of stdout
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let client = context.client()?;
    // The run first: its log may grow meanwhile, and must not be the shorter of the two.
    let id = &ids::run(&client, &args.run).await?;
    let run = fetch(&client, id).await?;
    let events = log(&client, id, 0).await?;
    let document = json!({ "run": run.to_json(), "events": events });
    let Some(file) = args.output else { return context.ui.json(&document) };
    let written = crate::private::create_new(&file)
        .and_then(|mut out| std::io::Write::write_all(&mut out, format!("{document:#}\n").as_bytes()));
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Error::new(Kind::Conflict, format!("{} is there already", file.display()))
                .hint("take another name, or remove it")
        }
        _ => Error::failed(format!("cannot write {}: {error}", file.display())),
    })?;
    if context.ui.json {
        return context.ui.json(&json!({ "file": file, "events": events.len() }));
    }
    context.ui.note(format_args!("Wrote {} and its {} events to {}.", id, events.len(), file.display()));
    Ok(())
}
