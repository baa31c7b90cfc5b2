//! `px runs cancel`

use serde_json::json;

use super::{explained, in_own_words};
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::ids;

/// Cancel a run that has not ended
#[derive(Debug, clap::Args)]
#[command(after_help = "A waiting or paused run ends at once; what its step is doing is dropped.\n\n\
                        Examples:\n  px runs cancel run_0197c1f0a1b27000800000000000cafe")]
pub(crate) struct Args {
    /// The run: its id, the id's last digits (4 or more), or @last, @last:waiting
    run: String,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let client = context.client()?;
    let id = &ids::run(&client, &args.run).await?;
    if let Err(error) = client.cancel_run(id).await.map_err(Error::from) {
        return Err(match error.kind {
            Kind::Conflict => in_own_words(context, &client, id, "cancelled", error).await,
            _ => explained(error, id),
        });
    }
    if context.ui.json {
        // The route answers 204, without a body.
        return context.ui.json(&json!({ "brainRunId": id, "status": "cancelled" }));
    }
    context.ui.note(format_args!("Cancelled {id}."));
    Ok(())
}
