//! `px runs events`

use px_core::Timestamp;
use serde_json::{Value, json};

use super::log;
use crate::context::Context;
use crate::error::Result;
use crate::event_line;
use crate::words;

/// Show the log of a run
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px runs events run_0197c1f0a1b27000800000000000cafe\n  \
                        px runs events run_0197c1f0a1b27000800000000000cafe --after 12 --json")]
pub(crate) struct Args {
    /// The run's id
    run: String,

    /// Only what comes after the event of this number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    after: u64,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let events = log(&context.client()?, &args.run, args.after).await?;
    if context.ui.json {
        return context.ui.json(&json!({ "count": events.len(), "events": events }));
    }
    if events.is_empty() {
        context.ui.note("No events.");
        return Ok(());
    }
    let rows = events.iter().map(|event| {
        let number = |name: &str| event.get(name).and_then(Value::as_u64).unwrap_or_default();
        let name = event.get("type").and_then(Value::as_str).unwrap_or("-");
        vec![
            number("seq").to_string(),
            words::time_of_day(Timestamp::from_millis(number("timestamp"))),
            name.to_owned(),
            event_line::detail(event),
        ]
    });
    context.ui.table(&["Seq", "Time", "Event", "Detail"], rows.collect(), &[0, 1, 2])
}
