//! `px hooks stats`

use std::collections::BTreeMap;

use super::{explained, find};
use crate::context::Context;
use crate::error::Result;
use crate::show::words;
use crate::ui::shown;

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
    let stats = client.hook_stats(find(&client, &args.hook).await?).await.map_err(explained)?;
    let ui = context.ui;
    if ui.json {
        return ui.answer(&stats);
    }
    let now = context.now();
    let field = |name: &str, value: &str| ui.line(format_args!("{name:<12} {}", shown(value)));
    let which = if stats.is_sample { " (the newest)" } else { "" };
    field("Deliveries", &format!("{}{which}", stats.deliveries))?;
    // In the order of their names.
    let counts: BTreeMap<&str, u64> =
        stats.states.iter().map(|(state, count)| (state.as_str(), *count)).collect();
    let is_parked = stats.parked_until.is_some_and(|until| until > now);
    for (state, count) in counts {
        // One word for one state: lists call what is due and not sent now parked, too.
        let state = if state == "pending" && is_parked { "parked" } else { state };
        field(&format!("  {state}"), &count.to_string())?;
    }
    field("Attempts", &stats.attempts.to_string())?;
    if let Some(rate) = stats.success_rate {
        field("Success", &format!("{:.1} %", rate * 100.0))?;
    }
    for (name, millis) in [("p50", stats.p50_ms), ("p99", stats.p99_ms)] {
        if let Some(millis) = millis {
            field(name, &format!("{millis} ms"))?;
        }
    }
    for (name, at) in [("Oldest", stats.oldest_pending_at), ("Parked until", stats.parked_until)] {
        if let Some(at) = at {
            field(name, &words::moment(at, now))?;
        }
    }
    Ok(())
}
