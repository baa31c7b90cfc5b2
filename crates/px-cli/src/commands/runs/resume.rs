//! `px runs resume`

use px_api::ResumeRun;

use super::{explained, in_own_words};
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::ids;

/// Resume a paused run
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px runs resume run_0197c1f0a1b27000800000000000cafe")]
pub(crate) struct Args {
    /// The run: its id, the id's last digits (4 or more), or @last, @last:waiting
    run: String,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let client = context.client()?;
    let id = &ids::run(&client, &args.run).await?;
    let answer = client.resume_run(id, &ResumeRun::default()).await;
    let answer = answer.map_err(Error::from).map_err(|error| match error.kind {
        Kind::Conflict => error,
        _ => explained(error, id),
    });
    let answer = match answer {
        Err(error) if error.kind == Kind::Conflict => {
            return Err(in_own_words(context, &client, id, "resumed", error).await);
        }
        answer => answer?,
    };
    if context.ui.json {
        return context.ui.answer(&answer);
    }
    context.ui.note(format_args!("Resumed {id}."));
    Ok(())
}
