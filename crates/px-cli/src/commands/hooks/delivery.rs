//! `px hooks delivery`

use super::{of_delivery, or_dash};
use crate::context::Context;
use crate::error::Result;
use crate::ids;
use crate::show::words;
use crate::ui::{HEADING, paint, shown};

/// Show a delivery with every attempt and its body
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px hooks delivery dlv_0197c1f0a1b27000800000000000cafe")]
pub(crate) struct Args {
    /// The delivery: its id, the id's last digits (4 or more), or @last, @last:STATE
    delivery: String,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let client = context.client()?;
    let id = &ids::callback(&client, &args.delivery).await?;
    let callback = client.callback(id).await.map_err(|error| of_delivery(error, id))?;
    let ui = context.ui;
    if ui.json {
        return ui.answer(&callback);
    }
    let now = context.now();
    let field = |name: &str, value: &str| ui.line(format_args!("{name:<10} {}", shown(value)));
    field("Delivery", &callback.id.to_string())?;
    field("Hook", &callback.hook_id.to_string())?;
    field("Event", &callback.event_id.to_string())?;
    field("Type", &callback.kind)?;
    field("Run", &or_dash(callback.brain_run_id))?;
    field("State", callback.state.as_str())?;
    for (name, at) in [("Next", callback.next_attempt_at), ("Parked", callback.parked_until)] {
        if let Some(at) = at {
            field(name, &words::moment(at, now))?;
        }
    }
    if let Some(reason) = &callback.reason {
        field("Why", reason)?;
    }
    for attempt in &callback.attempts {
        let status = attempt.status.map(|status| status.to_string());
        let end = status.unwrap_or_else(|| or_dash(attempt.error.as_ref()));
        let (at, took) = (words::time(attempt.at), attempt.duration_ms);
        let said = attempt.message.as_deref().unwrap_or_default();
        field("Attempt", &format!("{at}  {end} after {took} ms  {said}"))?;
    }
    ui.line(format_args!("\n{}\n{:#}", paint(HEADING, "Body"), callback.body))
}
