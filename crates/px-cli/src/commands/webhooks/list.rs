//! `px webhooks list`

use serde_json::{Value, json};

use super::stored;
use crate::context::Context;
use crate::error::Result;
use crate::show::listing;

/// List the webhooks and their URLs
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Needs no server. The URLs begin with public_url from px.toml or PX_PUBLIC_URL, else with the \
                  bind address. A `!` marks a webhook whose senders are not verified, or which refuses every request, as a \
                  server that runs says.\n\n\
                  Examples:\n  px webhooks list\n  px webhooks list --json"
)]
pub(crate) struct Args {}

pub(crate) async fn run(context: &Context, _: &Args) -> Result<()> {
    stored::learn(context).await;
    let registry = context.configured()?;
    let base = context.config()?.webhook_base();
    if context.ui.json {
        let webhooks: Vec<Value> = registry.webhooks().map(|webhook| listing::json(&base, webhook)).collect();
        return context.ui.json(&json!({ "count": webhooks.len(), "webhooks": webhooks }));
    }
    listing::table(context.ui, &base, &registry)?;
    for webhook in registry.webhooks() {
        if let Some(warning) = listing::Verified::of(&webhook.def).warning(&webhook.def.slug) {
            context.ui.note(format_args!("! {warning}"));
        }
    }
    Ok(())
}
