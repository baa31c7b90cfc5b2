//! `px webhooks deliveries bind`

use serde_json::json;

use super::explained;
use crate::client::encode;
use crate::context::Context;
use crate::error::{Kind, Result};

/// Give a queued, late or expired event to a run that waits on its webhook
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Identifier and token of the wait do not count: you say that they belong together.\n\n\
                        Examples:\n  px webhooks deliveries bind whd_0197c1f0a1b27000800000000000cafe \
                        run_0197c1f0a1b27000800000000000cafe"
)]
pub(crate) struct Args {
    /// The delivery's id
    delivery: String,

    /// The run's id
    run: String,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let (id, run) = (&args.delivery, &args.run);
    let path = format!("/webhooks/deliveries/{}/bind", encode(id));
    let answer = context.client()?.post(&path, &json!({ "brainRunId": run })).await;
    let answer = answer.map_err(|error| match error.kind {
        Kind::Conflict => {
            error.hint(format!("`px runs explain {run}` and `px webhooks deliveries show {id}` say more"))
        }
        _ => explained(error, id),
    })?;
    if context.ui.json {
        return context.ui.json(&answer);
    }
    context.ui.note(format_args!("{run} took the event of {id}."));
    Ok(())
}
