//! `px hooks show`

use px_core::Timestamp;
use serde_json::Value;

use super::{explained, names, path, text};
use crate::context::Context;
use crate::error::Result;
use crate::ui::Ui;
use crate::words;

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
    let hook = client.get(&path(&client, &args.hook, "").await?).await.map_err(explained)?;
    if context.ui.json {
        return context.ui.json(&hook);
    }
    print(context.ui, &hook, context.now())
}

/// A hook, a line a property.
pub(super) fn print(ui: Ui, hook: &Value, now: Timestamp) -> Result<()> {
    let field = |name: &str, value: &str| ui.line(format_args!("{name:<10} {value}"));
    let plain = |name: &str| match hook.get(name) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    field("Hook", text(hook, "id"))?;
    field("Name", &plain("name"))?;
    field("URL", text(hook, "url"))?;
    field("Events", &names(hook, "events"))?;
    field("Brains", &names(hook, "brains"))?;
    field("Format", text(hook, "format"))?;
    field("Signature", &plain("signature"))?;
    field("Retry", &plain("retry"))?;
    field("Timeout", &format!("{} ms", plain("timeoutMs")))?;
    field("In flight", &plain("maxInFlight"))?;
    field("Rate", &plain("rate"))?;
    field("Ordered", &plain("ordered"))?;
    field("Source", &plain("source"))?;
    field("Private", &plain("allowPrivate"))?;
    if hook.get("publicKey").is_some() {
        field("Public key", text(hook, "publicKey"))?;
    }
    field("Enabled", &plain("enabled"))?;
    if let Some(disabled) = hook.get("disabled") {
        let at = disabled.get("at").and_then(Value::as_u64).map(Timestamp::from_millis);
        let since = at.map_or(String::new(), |at| format!(", {}", words::moment(at, now)));
        field("Disabled", &format!("by {}{since}", text(disabled, "by")))?;
    }
    Ok(())
}
