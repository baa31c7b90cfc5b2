//! `px runs resume`

use px_api::ResumeRun;

use super::explained;
use crate::context::Context;
use crate::error::{Error, Kind, Result};

/// Resume a paused run
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px runs resume run_0197c1f0a1b27000800000000000cafe")]
pub(crate) struct Args {
    /// The run's id
    run: String,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let id = &args.run;
    let answer = context.client()?.resume_run(id, &ResumeRun::default()).await;
    let answer = answer.map_err(Error::from).map_err(|error| match error.kind {
        Kind::Conflict => error.hint(format!("`px runs explain {id}` says what would move it")),
        _ => explained(error, id),
    })?;
    if context.ui.json {
        return context.ui.json(&answer.to_json());
    }
    context.ui.note(format_args!("Resumed {id}."));
    Ok(())
}
