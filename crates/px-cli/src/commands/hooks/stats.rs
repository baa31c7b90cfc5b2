//! `px hooks stats`

use px_core::Timestamp;
use serde_json::Value;

use super::{explained, path};
use crate::context::Context;
use crate::error::Result;
use crate::words;

/// Show how a hook does: counts, success, latency, the oldest that waits
#[derive(Debug, clap::Args)]
#[command(after_help = "Latency is from the commit of the event to the receiver's answer.\n\n\
                        Examples:\n  px hooks stats billing\n  px hooks stats billing --json")]
pub(crate) struct Args {
    /// The hook's id or name
    hook: String,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let client = context.client()?;
    let stats = client.get(&path(&client, &args.hook, "/stats").await?).await.map_err(explained)?;
    let ui = context.ui;
    if ui.json {
        return ui.json(&stats);
    }
    let now = context.now();
    let number = |name: &str| stats.get(name).and_then(Value::as_u64);
    let field = |name: &str, value: &str| ui.line(format_args!("{name:<12} {value}"));
    let sample = stats.get("isSample").and_then(Value::as_bool).unwrap_or(false);
    let which = if sample { " (the newest)" } else { "" };
    field("Deliveries", &format!("{}{which}", number("deliveries").unwrap_or_default()))?;
    for (state, count) in stats.get("states").and_then(Value::as_object).into_iter().flatten() {
        field(&format!("  {state}"), &count.to_string())?;
    }
    field("Attempts", &number("attempts").unwrap_or_default().to_string())?;
    if let Some(rate) = stats.get("successRate").and_then(Value::as_f64) {
        field("Success", &format!("{:.1} %", rate * 100.0))?;
    }
    for (name, key) in [("p50", "p50Ms"), ("p99", "p99Ms")] {
        if let Some(millis) = number(key) {
            field(name, &format!("{millis} ms"))?;
        }
    }
    for (name, key) in [("Oldest", "oldestPendingAt"), ("Parked until", "parkedUntil")] {
        if let Some(at) = number(key) {
            field(name, &words::moment(Timestamp::from_millis(at), now))?;
        }
    }
    Ok(())
}
