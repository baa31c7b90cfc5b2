//! `px webhooks list`

use std::time::Duration;

use px_api::Webhooks;
use serde_json::{Value, json};

use super::stored;
use crate::context::Context;
use crate::error::Result;
use crate::show::listing;

/// Time in which a server has to answer, or the configuration counts.
const PATIENCE: Duration = Duration::from_millis(500);

/// List the webhooks and their URLs
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The URLs are the server's, if it answers. Without one they begin with public_url from px.toml or \
                  PX_PUBLIC_URL, else with the bind address. A `!` marks a webhook whose senders are not verified, or which \
                  refuses every request, as a server that runs says.\n\n\
                  Examples:\n  px webhooks list\n  px webhooks list --json"
)]
pub(crate) struct Args {}

/// The base of webhooks' URLs: the server's own if it answers, else the configuration's.
pub(super) async fn base(context: &Context) -> Result<String> {
    let configured = context.config()?.webhook_base();
    let Ok(client) = context.client() else { return Ok(configured) };
    let listed = tokio::time::timeout(PATIENCE, client.webhooks()).await;
    let reported = listed.ok().and_then(std::result::Result::ok).and_then(|listed| {
        let webhook = listed.into_value().webhooks.into_iter().next()?;
        webhook.url.strip_suffix(&format!("/webhooks/{}", webhook.slug)).map(str::to_owned)
    });
    match reported {
        Some(base) => Ok(base),
        None => {
            if !context.ui.json {
                let url = client.base();
                context.ui.note(format_args!(
                    "(no server answers at {url}: these are the URLs of the configuration)"
                ));
            }
            Ok(configured)
        }
    }
}

pub(crate) async fn run(context: &Context, _: &Args) -> Result<()> {
    stored::learn(context).await;
    let registry = context.configured()?;
    let base = base(context).await?;
    if context.ui.json {
        let webhooks: Vec<Value> = registry.webhooks().map(|webhook| listing::json(&base, webhook)).collect();
        return context.ui.json_of::<Webhooks>(&json!({ "count": webhooks.len(), "webhooks": webhooks }));
    }
    listing::table(context.ui, &base, &registry)?;
    for webhook in registry.webhooks() {
        if let Some(warning) = listing::Verified::of(&webhook.def).warning(&webhook.def.slug) {
            context.ui.note(format_args!("! {warning}"));
        }
    }
    Ok(())
}
