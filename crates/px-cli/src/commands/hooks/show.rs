//! `px hooks show`

use px_api::Hook;
use px_core::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{explained, find, names, or_dash};
use crate::context::Context;
use crate::error::Result;
use crate::show::words;
use crate::ui::{Ui, shown};

/// Show a hook; its secret is never shown
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  px hooks show billing\n  px hooks show hok_0197c1f0a1b27000800000000000cafe"
)]
pub(crate) struct Args {
    /// The hook's id or name
    hook: String,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let client = context.client()?;
    let hook = client.hook(find(&client, &args.hook).await?).await.map_err(explained)?;
    if context.ui.json {
        return context.ui.answer(&hook);
    }
    print(context.ui, &hook, context.now())
}

/// A hook, a line a property.
pub(super) fn print(ui: Ui, hook: &Hook, now: Timestamp) -> Result<()> {
    let field = |name: &str, value: &str| ui.line(format_args!("{name:<10} {}", shown(value)));
    field("Hook", &hook.id.to_string())?;
    field("Name", &hook.name)?;
    field("URL", &hook.url)?;
    field("Events", &names(&hook.events))?;
    field("Brains", &names(&hook.brains))?;
    field("Format", &hook.format)?;
    field("Signature", &plain(&hook.signature))?;
    field("Retry", &plain(&hook.retry))?;
    field("Timeout", &format!("{} ms", hook.timeout_ms))?;
    field("In flight", &hook.max_in_flight.to_string())?;
    field("Rate", &or_dash(hook.rate))?;
    field("Ordered", &hook.ordered.to_string())?;
    field("Source", &hook.source)?;
    field("Private", &hook.allow_private.to_string())?;
    if let Some(key) = &hook.public_key {
        field("Public key", key)?;
    }
    field("Enabled", &hook.enabled.to_string())?;
    if let Some(disabled) = &hook.disabled {
        field("Disabled", &format!("by {}, {}", disabled.by, words::moment(disabled.at, now)))?;
    }
    hook.warnings.iter().flatten().for_each(|warning| ui.warn(shown(warning)));
    Ok(())
}

/// A name as it is, and anything else as JSON.
fn plain(value: &impl Serialize) -> String {
    match serde_json::to_value(value).unwrap_or_default() {
        Value::String(text) => text,
        other => other.to_string(),
    }
}
