//! `px runs events`

use px_api::Events;
use serde_json::json;

use super::log;
use crate::context::Context;
use crate::error::Result;
use crate::ids;
use crate::show::event_line;
use crate::show::{steps, words};

/// Show the log of a run
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px runs events run_0197c1f0a1b27000800000000000cafe\n  \
                        px runs events @last --all\n  \
                        px runs events run_0197c1f0a1b27000800000000000cafe --after 12 --json")]
pub(crate) struct Args {
    /// The run: its id, the id's last digits (4 or more), or @last, @last:waiting
    run: String,

    /// Only what comes after the event of this number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    after: u64,

    /// A line for each event, instead of one for each step and each wait
    #[arg(long)]
    all: bool,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let client = context.client()?;
    let id = &ids::run(&client, &args.run).await?;
    let events = log(&client, id, args.after).await?;
    if context.ui.json {
        return context.ui.json_of::<Events>(&json!(Events::from(events)));
    }
    if events.is_empty() {
        context.ui.note("No events.");
        return Ok(());
    }
    if !args.all {
        let rows = steps::lines(&events).into_iter().map(|line| {
            vec![line.numbers(), words::time_of_day(line.at), line.title, line.took, line.detail]
        });
        return context.ui.table(&["Events", "Time", "What", "Took", "Detail"], rows.collect(), &[0, 1]);
    }
    let rows = events.iter().map(|event| {
        vec![
            event.seq.to_string(),
            words::time_of_day(event.timestamp),
            event.kind.clone(),
            event_line::detail(event),
        ]
    });
    context.ui.table(&["Seq", "Time", "Event", "Detail"], rows.collect(), &[0, 1, 2])
}
