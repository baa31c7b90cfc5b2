//! `px hooks redeliver`

use super::of_delivery;
use crate::context::Context;
use crate::error::Result;
use crate::ids;

/// Send one delivery again, with the same event and the same bytes
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px hooks redeliver dlv_0197c1f0a1b27000800000000000cafe")]
pub(crate) struct Args {
    /// The delivery: its id, the id's last digits (4 or more), or @last, @last:STATE
    delivery: String,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let client = context.client()?;
    let id = &ids::callback(&client, &args.delivery).await?;
    let sent = client.redeliver(id).await.map_err(|error| of_delivery(error, id))?;
    if context.ui.json {
        return context.ui.answer(&sent);
    }
    let until = match sent.parked_until {
        Some(until) => format!(" until {until}, since its endpoint did not answer"),
        None => String::new(),
    };
    let state = &sent.state;
    context
        .ui
        .note(format_args!("{id} is {state}{until}; `px hooks delivery {id}` shows what becomes of it."));
    Ok(())
}
