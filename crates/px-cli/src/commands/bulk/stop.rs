//! `px bulk stop`

use super::{explained, progress};
use crate::context::Context;
use crate::error::Result;

/// Stop a job where it is; what it has done stays done
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px bulk stop blk_0197c1f0a1b27000800000000000cafe")]
pub(crate) struct Args {
    /// The job's id
    job: String,
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let stopped = context.client()?.stop_bulk(&args.job).await;
    let job = stopped.map_err(|error| explained(error, &args.job))?;
    if context.ui.json {
        return context.ui.json(&job.to_json());
    }
    context.ui.note(format_args!("Stopped: {}.", progress(&job)));
    Ok(())
}
