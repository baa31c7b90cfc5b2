//! `px bulk show`

use super::{explained, filter, progress};
use crate::context::Context;
use crate::error::Result;
use crate::ids;
use crate::show::words;
use crate::ui::shown;

/// Show a job: how far it is, and which runs refused
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px bulk show blk_0197c1f0a1b27000800000000000cafe")]
pub(crate) struct Args {
    /// The job's id
    job: String,
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<()> {
    let (ui, now) = (context.ui, context.now());
    let shown_job = context.client()?.bulk_job(&args.job).await;
    let job = shown_job.map_err(|error| explained(error, &args.job))?;
    if ui.json {
        return ui.json(&job.to_json());
    }
    let ended = job.ended_at.map(|at| words::moment(at, now));
    let fields = [
        ("Job", Some(job.id.to_string())),
        ("State", Some(job.state.to_string())),
        ("So far", Some(progress(&job))),
        ("Filter", Some(filter(&job))),
        ("By", Some(job.by.clone())),
        ("Started", Some(words::moment(job.created_at, now))),
        ("Ended", ended),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            ui.line(format_args!("{name:<10} {}", shown(value)))?;
        }
    }
    for refusal in &job.refusals {
        let run = ids::short(refusal.brain_run_id);
        ui.line(format_args!("{:<10} {run}: {}", "Refused", shown(&refusal.why)))?;
    }
    Ok(())
}
