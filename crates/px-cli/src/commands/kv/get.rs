//! `px kv get`

use super::Name;
use crate::context::Context;
use crate::error::Result;

/// Show a value, as JSON
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px kv get customer-feedback answers\n  \
                        px kv get customer-feedback greeted --scope customer-7\n  \
                        px kv get customer-feedback answers --json   with its size and its time")]
pub(crate) struct Args {
    #[command(flatten)]
    name: Name,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let Name { brain, key, scope } = args.name;
    let found = context.client()?.store_value(brain, scope, key).await?;
    let shown = if context.ui.json { found.to_json() } else { found.into_value().value };
    context.ui.json(&shown)
}
