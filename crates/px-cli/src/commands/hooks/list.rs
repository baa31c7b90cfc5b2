//! `px hooks list`

use serde_json::Value;

use super::{names, text};
use crate::context::Context;
use crate::error::Result;

/// List the hooks that are told of many runs
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px hooks list\n  px hooks list --json")]
pub(crate) struct Args {}

pub(crate) async fn run(context: &Context, _args: Args) -> Result<()> {
    let listed = context.client()?.get("/hooks").await?;
    if context.ui.json {
        return context.ui.json(&listed);
    }
    let hooks = listed.get("hooks").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if hooks.is_empty() {
        context.ui.note("No hooks. `px hooks create <URL>` makes one; [[hooks]] in px.toml, too.");
        return Ok(());
    }
    let row = |hook: &Value| {
        let enabled = hook.get("enabled").and_then(Value::as_bool).unwrap_or(false);
        let state = if enabled { "enabled" } else { "disabled" };
        let name = Some(text(hook, "name")).filter(|name| !name.is_empty()).unwrap_or("-");
        vec![
            text(hook, "id").to_owned(),
            name.to_owned(),
            text(hook, "url").to_owned(),
            names(hook, "events"),
            names(hook, "brains"),
            state.to_owned(),
        ]
    };
    let rows = hooks.iter().map(row).collect();
    context.ui.table(&["Hook", "Name", "URL", "Events", "Brains", "State"], rows, &[0])
}
