//! `px webhooks deliveries show`

use px_api::{Delivery, FormField};
use px_core::Timestamp;
use serde_json::Value;

use super::explained;
use crate::context::Context;
use crate::error::Result;
use crate::ids;
use crate::show::words;
use crate::ui::{HEADING, Ui, paint, shown};

/// Show a delivery: headers, payload, verdict, and what became of it and why
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px webhooks deliveries show whd_0197c1f0a1b27000800000000000cafe")]
pub(crate) struct Args {
    /// The delivery: its id, the id's last digits (4 or more), or @last, @last:STATE
    delivery: String,

    /// Print the body as it came, and nothing else
    #[arg(long)]
    raw: bool,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let client = context.client()?;
    let id = &ids::delivery(&client, &args.delivery).await?;
    let delivery = client.delivery(id).await.map_err(|error| explained(error, id))?;
    if args.raw {
        let body = match &delivery.payload {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        return context.ui.raw(body.as_bytes());
    }
    if context.ui.json {
        return context.ui.answer(&delivery);
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
        let unread = if file.unread == Some(true) { ", read by no step" } else { "" };
        field("File", &format!("{place} {} {bytes}, in field {}{unread}", file.name, file.field))?;
    }
    field("Why", &delivery.why)?;
    ui.line(format_args!("\n{}", paint(HEADING, "Headers")))?;
    for (name, value) in &delivery.headers {
        ui.line(shown(format_args!("  {name}: {value}")))?;
    }
    match &delivery.fields {
        Some(fields) => form(ui, fields),
        None => ui.line(format_args!("\n{}\n{:#}", paint(HEADING, "Payload"), delivery.payload)),
    }
}

/// The fields of a form, a line each.
fn form(ui: Ui, fields: &[FormField]) -> Result<()> {
    let width = fields.iter().map(|field| field.name.chars().count()).max().unwrap_or_default();
    ui.line(format_args!("\n{}", paint(HEADING, "Payload (a form; --raw prints its bytes)")))?;
    for field in fields {
        ui.line(shown(format_args!("  {:<width$}  {}", field.name, field.value)))?;
    }
    Ok(())
}
