//! `px hooks test`

use serde_json::json;

use super::{explained, path, text};
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
    let path = path(&client, &args.hook, "/test").await?;
    let sent = client.post(&path, &json!({})).await.map_err(explained)?;
    if context.ui.json {
        return context.ui.json(&sent);
    }
    let id = text(&sent, "deliveryId");
    context.ui.line(id)?;
    context.ui.note(format_args!("`px hooks delivery {id}` shows what became of it."));
    Ok(())
}
