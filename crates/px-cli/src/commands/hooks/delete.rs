//! `px hooks delete`

use serde_json::json;

use super::{explained, find};
use crate::complete;
use crate::context::Context;
use crate::error::Result;

/// Delete a hook; what is still due for it is discarded
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px hooks delete billing")]
pub(crate) struct Args {
    /// The hook's id or name
    #[arg(add = complete::hooks())]
    hook: String,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let client = context.client()?;
    client.delete_hook(find(&client, &args.hook).await?).await.map_err(explained)?;
    if context.ui.json {
        // The route answers 204, without a body.
        return context.ui.json(&json!({ "hook": args.hook, "deleted": true }));
    }
    context.ui.note(format_args!("Deleted {}.", args.hook));
    Ok(())
}
