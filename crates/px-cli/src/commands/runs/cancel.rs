//! `px runs cancel`

use serde_json::json;

use super::explained;
use crate::context::Context;
use crate::error::{Error, Kind, Result};

/// Cancel a run that has not ended
#[derive(Debug, clap::Args)]
#[command(after_help = "A waiting or paused run ends at once; what its step is doing is dropped.\n\n\
                        Examples:\n  px runs cancel run_0197c1f0a1b27000800000000000cafe")]
pub(crate) struct Args {
    /// The run's id
    run: String,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let id = &args.run;
    context.client()?.cancel_run(id).await.map_err(Error::from).map_err(|error| match error.kind {
        Kind::Conflict => error.hint(format!("`px runs show {id}` says how it ended")),
        _ => explained(error, id),
    })?;
    if context.ui.json {
        // The route answers 204, without a body.
        return context.ui.json(&json!({ "brainRunId": id, "status": "cancelled" }));
    }
    context.ui.note(format_args!("Cancelled {id}."));
    Ok(())
}
