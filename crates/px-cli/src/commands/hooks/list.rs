//! `px hooks list`

use px_api::Hook;

use super::{names, or_dash};
use crate::context::Context;
use crate::error::Result;

/// List the hooks that are told of many runs
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px hooks list\n  px hooks list --json")]
pub(crate) struct Args {}

pub(crate) async fn run(context: &Context, _args: Args) -> Result<()> {
    let listed = context.client()?.hooks().await?;
    if context.ui.json {
        return context.ui.json(&listed.to_json());
    }
    if listed.hooks.is_empty() {
        context.ui.note("No hooks. `px hooks create <URL>` makes one; [[hooks]] in px.toml, too.");
        return Ok(());
    }
    let row = |hook: &Hook| {
        let state = if hook.enabled { "enabled" } else { "disabled" };
        let name = Some(&hook.name).filter(|name| !name.is_empty());
        vec![
            hook.id.to_string(),
            or_dash(name),
            hook.url.clone(),
            names(&hook.events),
            names(&hook.brains),
            state.to_owned(),
        ]
    };
    let rows = listed.hooks.iter().map(row).collect();
    context.ui.table(&["Hook", "Name", "URL", "Events", "Brains", "State"], rows, &[0])
}
