//! `px hooks delivery`

use px_core::Timestamp;
use serde_json::Value;

use super::{of_delivery, text};
use crate::client::encode;
use crate::context::Context;
use crate::error::Result;
use crate::ui::{HEADING, paint};
use crate::words;

/// Show a delivery with every attempt and its body
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px hooks delivery dlv_0197c1f0a1b27000800000000000cafe")]
pub(crate) struct Args {
    /// The delivery's id
    delivery: String,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let id = &args.delivery;
    let path = format!("/deliveries/{}", encode(id));
    let delivery = context.client()?.get(&path).await.map_err(|error| of_delivery(error, id))?;
    let ui = context.ui;
    if ui.json {
        return ui.json(&delivery);
    }
    let now = context.now();
    let field = |name: &str, value: &str| ui.line(format_args!("{name:<10} {value}"));
    for (name, key) in [("Delivery", "id"), ("Hook", "hookId"), ("Event", "eventId"), ("Type", "type")] {
        field(name, text(&delivery, key))?;
    }
    field("Run", text(&delivery, "brainRunId"))?;
    field("State", text(&delivery, "state"))?;
    for (name, key) in [("Next", "nextAttemptAt"), ("Parked", "parkedUntil")] {
        if let Some(at) = delivery.get(key).and_then(Value::as_u64) {
            field(name, &words::moment(Timestamp::from_millis(at), now))?;
        }
    }
    if let Some(reason) = delivery.get("reason").and_then(Value::as_str) {
        field("Why", reason)?;
    }
    for attempt in delivery.get("attempts").and_then(Value::as_array).into_iter().flatten() {
        let number = |name: &str| attempt.get(name).and_then(Value::as_u64);
        let at = number("at").map_or(String::new(), |at| words::time(Timestamp::from_millis(at)));
        let status = number("status").map(|status| status.to_string());
        let end = status.unwrap_or_else(|| text(attempt, "error").to_owned());
        let took = number("durationMs").unwrap_or_default();
        let said = attempt.get("message").and_then(Value::as_str).unwrap_or_default();
        field("Attempt", &format!("{at}  {end} after {took} ms  {said}"))?;
    }
    let body = delivery.get("body").unwrap_or(&Value::Null);
    ui.line(format_args!("\n{}\n{body:#}", paint(HEADING, "Body")))
}
