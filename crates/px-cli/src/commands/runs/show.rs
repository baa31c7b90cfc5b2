//! `px runs show`

use px_core::Timestamp;
use serde_json::Value;

use super::{explained, fetch, path};
use crate::context::Context;
use crate::error::Result;
use crate::ui::{self, HEADING, Ui, paint};
use crate::words;

/// Show a run: where it is, what it waits for, its state
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px runs show run_0197c1f0a1b27000800000000000cafe\n  \
                        px runs show run_0197c1f0a1b27000800000000000cafe --json\n  \
                        px runs show run_0197c1f0a1b27000800000000000cafe --at 5")]
pub(crate) struct Args {
    /// The run's id
    run: String,

    /// As it was after the event of this number
    #[arg(long, value_name = "SEQ", value_parser = clap::value_parser!(u64).range(1..))]
    at: Option<u64>,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let client = context.client()?;
    let run = match args.at {
        None => fetch(&client, &args.run).await?,
        Some(seq) => {
            let shown = client.get(&path(&args.run, &format!("?at={seq}"))).await;
            shown.map_err(|error| explained(error, &args.run))?
        }
    };
    if context.ui.json {
        return context.ui.json(&run);
    }
    print(context.ui, &run, context.now())
}

fn print(ui: Ui, run: &Value, now: Timestamp) -> Result<()> {
    let text = |name: &str| run.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let field = |name: &str, value: &str| ui.line(format_args!("{name:<10} {value}"));
    field("Run", text("brainRunId").unwrap_or("-"))?;
    field("Brain", text("brainTitle").unwrap_or("-"))?;
    if let Some(description) = text("brainDescription") {
        field("", description)?;
    }
    let status = text("status").unwrap_or("-");
    field("Status", &paint(ui::style_of(status), status))?;
    if let Some(message) = run.pointer("/error/message").and_then(Value::as_str) {
        field("Error", message)?;
    }
    for (name, key) in [("Created", "createdAt"), ("Started", "startedAt"), ("Ended", "completedAt")] {
        if let Some(at) = run.get(key).and_then(Value::as_u64) {
            field(name, &words::moment(Timestamp::from_millis(at), now))?;
        }
    }
    for (name, key) in [("Step", "step"), ("Reason", "reason")] {
        if let Some(value) = text(key) {
            field(name, value)?;
        }
    }
    let waits = run.get("waitingFor").and_then(Value::as_array).into_iter().flatten();
    let places = waits.filter_map(|wait| wait.get("waitFor")?.as_array()).flatten();
    for (index, place) in places.enumerate() {
        let part = |name: &str| place.get(name).and_then(Value::as_str).unwrap_or("-");
        let what = format!("webhook '{}' with identifier '{}'", part("slug"), part("identifier"));
        field(if index == 0 { "Waits for" } else { "" }, &what)?;
    }
    let is_there = |value: &&Value| value.as_object().is_some_and(|fields| !fields.is_empty());
    if let Some(options) = run.get("options").filter(is_there) {
        field("Options", &options.to_string())?;
    }
    if let Some(state) = run.get("state").filter(|state| !state.is_null()) {
        ui.line(format_args!("\n{}\n{state:#}", paint(HEADING, "State")))?;
    }
    Ok(())
}
