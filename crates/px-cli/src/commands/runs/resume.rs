//! `px runs resume`

use px_api::{BulkAction, ResumeRun};

use super::bulk::Many;
use super::{explained, in_own_words};
use crate::complete;
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::ids;

/// Resume a paused run, or all that a filter has
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px runs resume run_0197c1f0a1b27000800000000000cafe\n  \
                        px runs resume --brain invoice --status paused --yes")]
pub(crate) struct Args {
    /// The run: its id, the id's last digits (4 or more), or @last, @last:waiting
    #[arg(add = complete::runs())]
    run: Option<String>,

    #[command(flatten)]
    many: Many,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let Some(run) = args.many.one(args.run, "resume")? else {
        return args.many.all(context, BulkAction::Resume).await;
    };
    let client = context.client()?;
    let id = &ids::run(&client, &run).await?;
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
