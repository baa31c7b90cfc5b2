//! `px bulk list`

use super::{filter, progress};
use crate::context::Context;
use crate::error::Result;
use crate::show::words;

/// List the jobs, newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "`px runs cancel`, `pause` and `resume` start them.\n\n\
                        Examples:\n  px bulk list\n  px bulk list --json")]
pub(crate) struct Args {}

pub(crate) async fn run(context: &Context, _: &Args) -> Result<()> {
    let (ui, now) = (context.ui, context.now());
    let listed = context.client()?.bulk_jobs().await?;
    if ui.json {
        return ui.json(&listed.to_json());
    }
    if listed.jobs.is_empty() {
        ui.note("No bulk jobs. `px runs cancel --brain …` starts one.");
        return Ok(());
    }
    let rows = listed.jobs.iter().map(|job| {
        vec![
            job.id.to_string(),
            job.state.to_string(),
            progress(job),
            filter(job),
            job.by.clone(),
            words::age(now.since(job.created_at)),
        ]
    });
    ui.table(&["Job", "State", "So far", "Filter", "By", "Age"], rows.collect(), &[0])
}
