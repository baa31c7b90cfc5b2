//! `px runs pause`

use px_api::SignalType;

use super::{explained, in_own_words};
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::ids;

/// Pause a run: at once if it waits, else when its step returns
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px runs pause run_0197c1f0a1b27000800000000000cafe")]
pub(crate) struct Args {
    /// The run: its id, the id's last digits (4 or more), or @last, @last:waiting
    run: String,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let client = context.client()?;
    let id = &ids::run(&client, &args.run).await?;
    let answer = client.signal_run(id, &SignalType::Pause.into()).await;
    let answer = answer.map_err(Error::from).map_err(|error| match error.kind {
        Kind::Conflict => error,
        _ => explained(error, id),
    });
    let answer = match answer {
        Err(error) if error.kind == Kind::Conflict => {
            return Err(in_own_words(context, &client, id, "paused", error).await);
        }
        answer => answer?,
    };
    if context.ui.json {
        return context.ui.answer(&answer);
    }
    context.ui.note(format_args!("{id} pauses; `px runs resume {id}` lets it go on."));
    Ok(())
}
