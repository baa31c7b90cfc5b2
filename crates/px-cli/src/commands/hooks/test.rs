//! `px hooks test`

use super::{explained, find};
use crate::context::Context;
use crate::error::Result;

/// Send a hook an event to try it with
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px hooks test billing")]
pub(crate) struct Args {
    /// The hook's id or name
    hook: String,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let client = context.client()?;
    let hook = find(&client, &args.hook).await?;
    let sent = client.test_hook(hook).await.map_err(explained)?;
    if context.ui.json {
        return context.ui.answer(&sent);
    }
    let id = sent.delivery_id;
    context.ui.line(id)?;
    context.ui.note(format_args!("`px hooks delivery {id}` shows what became of it."));
    Ok(())
}
