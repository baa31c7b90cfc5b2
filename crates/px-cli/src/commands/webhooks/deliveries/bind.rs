//! `px webhooks deliveries bind`

use px_api::BindDelivery;

use super::explained;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::ids;

/// Give a queued, late or expired event to a run that waits on its webhook
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Identifier and token of the wait do not count: you say that they belong together.\n\n\
                        Examples:\n  px webhooks deliveries bind whd_0197c1f0a1b27000800000000000cafe \
                        run_0197c1f0a1b27000800000000000cafe"
)]
pub(crate) struct Args {
    /// The delivery: its id, the id's last digits (4 or more), or @last, @last:STATE
    delivery: String,

    /// The run: its id, the id's last digits (4 or more), or @last, @last:waiting
    run: String,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let client = context.client()?;
    let id = &ids::delivery(&client, &args.delivery).await?;
    let run = &ids::run(&client, &args.run).await?;
    let answer = client.bind_delivery(id, &BindDelivery::to(run)).await;
    let answer = answer.map_err(|error| match error.status() {
        Some(409) => Error::from(error)
            .hint(format!("`px runs explain {run}` and `px webhooks deliveries show {id}` say more")),
        _ => explained(error, id),
    })?;
    if context.ui.json {
        return context.ui.answer(&answer);
    }
    context.ui.note(format_args!("{run} took the event of {id}."));
    Ok(())
}
