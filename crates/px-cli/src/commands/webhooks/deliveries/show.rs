//! `px webhooks deliveries show`

use px_api::Delivery;
use px_core::Timestamp;

use super::explained;
use crate::context::Context;
use crate::error::Result;
use crate::show::words;
use crate::ui::{HEADING, Ui, paint, shown};

/// Show a delivery: headers, payload, verdict, and what became of it and why
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px webhooks deliveries show whd_0197c1f0a1b27000800000000000cafe")]
pub(crate) struct Args {
    /// The delivery's id
    delivery: String,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let id = &args.delivery;
    let delivery = context.client()?.delivery(id).await.map_err(|error| explained(error, id))?;
    if context.ui.json {
        return context.ui.json(&delivery.to_json());
    }
    print(context.ui, &delivery, context.now())
}

fn print(ui: Ui, delivery: &Delivery, now: Timestamp) -> Result<()> {
    let field = |name: &str, value: &str| ui.line(format_args!("{name:<10} {}", shown(value)));
    field("Delivery", &delivery.id.to_string())?;
    field("Webhook", &delivery.slug)?;
    field("Received", &words::moment(delivery.received_at, now))?;
    field("From", &delivery.remote)?;
    field("Request", &format!("{} {}", delivery.method, delivery.target))?;
    field("Verdict", &delivery.verdict)?;
    field("Answered", &format!("{} after {} µs", delivery.status, delivery.took_micros))?;
    for event in &delivery.events {
        let run = event.brain_run_id.map(|run| run.to_string());
        let words = [
            Some(event.state.as_str()),
            event.identifier.as_deref(),
            run.as_deref(),
            event.provider_id.as_deref(),
        ];
        field("Event", &words.into_iter().flatten().collect::<Vec<_>>().join(" "))?;
    }
    for (place, file) in delivery.files.iter().enumerate() {
        let bytes = words::count(file.size, "byte");
        field("File", &format!("{place} {} {bytes}, in field {}", file.name, file.field))?;
    }
    field("Why", &delivery.why)?;
    ui.line(format_args!("\n{}", paint(HEADING, "Headers")))?;
    for (name, value) in &delivery.headers {
        ui.line(shown(format_args!("  {name}: {value}")))?;
    }
    ui.line(format_args!("\n{}\n{:#}", paint(HEADING, "Payload"), delivery.payload))
}
