//! `px webhooks deliveries show`

use px_core::Timestamp;
use serde_json::Value;

use super::explained;
use crate::client::encode;
use crate::context::Context;
use crate::error::Result;
use crate::ui::{HEADING, Ui, paint};
use crate::words;

/// Show a delivery: headers, payload, verdict, and what became of it and why
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px webhooks deliveries show whd_0197c1f0a1b27000800000000000cafe")]
pub(crate) struct Args {
    /// The delivery's id
    delivery: String,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let id = &args.delivery;
    let path = format!("/webhooks/deliveries/{}", encode(id));
    let delivery = context.client()?.get(&path).await.map_err(|error| explained(error, id))?;
    if context.ui.json {
        return context.ui.json(&delivery);
    }
    print(context.ui, &delivery, context.now())
}

fn print(ui: Ui, delivery: &Value, now: Timestamp) -> Result<()> {
    let text = |name: &str| delivery.get(name).and_then(Value::as_str).unwrap_or("-");
    let number = |name: &str| delivery.get(name).and_then(Value::as_u64);
    let field = |name: &str, value: &str| ui.line(format_args!("{name:<10} {value}"));
    field("Delivery", text("id"))?;
    field("Webhook", text("slug"))?;
    if let Some(at) = number("receivedAt") {
        field("Received", &words::moment(Timestamp::from_millis(at), now))?;
    }
    field("From", text("remote"))?;
    field("Request", &format!("{} {}", text("method"), text("target")))?;
    field("Verdict", text("verdict"))?;
    let took = number("tookMicros").map_or(String::new(), |micros| format!(" after {micros} µs"));
    field("Answered", &format!("{}{took}", number("status").unwrap_or_default()))?;
    for event in delivery.get("events").and_then(Value::as_array).into_iter().flatten() {
        let part = |name: &str| event.get(name).and_then(Value::as_str);
        let words = [part("state"), part("identifier"), part("brainRunId"), part("providerId")];
        field("Event", &words.into_iter().flatten().collect::<Vec<_>>().join(" "))?;
    }
    field("Why", text("why"))?;
    ui.line(format_args!("\n{}", paint(HEADING, "Headers")))?;
    for (name, value) in delivery.get("headers").and_then(Value::as_object).into_iter().flatten() {
        ui.line(format_args!("  {name}: {}", value.as_str().unwrap_or_default()))?;
    }
    let payload = delivery.get("payload").unwrap_or(&Value::Null);
    ui.line(format_args!("\n{}\n{payload:#}", paint(HEADING, "Payload")))
}
