//! `px runs show`

use px_api::Run;
use px_core::Timestamp;

use super::{explained, fetch};
use crate::context::Context;
use crate::error::Result;
use crate::ids;
use crate::show::words;
use crate::ui::{self, HEADING, Ui, paint, shown};

/// Show a run: where it is, what it waits for, its state
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px runs show run_0197c1f0a1b27000800000000000cafe\n  \
                        px runs show run_0197c1f0a1b27000800000000000cafe --json\n  \
                        px runs show run_0197c1f0a1b27000800000000000cafe --at 5")]
pub(crate) struct Args {
    /// The run: its id, the id's last digits (4 or more), or @last, @last:waiting
    run: String,

    /// As it was after the event of this number
    #[arg(long, value_name = "SEQ", value_parser = clap::value_parser!(u64).range(1..))]
    at: Option<u64>,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let client = context.client()?;
    let id = &ids::run(&client, &args.run).await?;
    let run = match args.at {
        None => fetch(&client, id).await?,
        Some(seq) => client.run_at(id, seq).await.map_err(|error| explained(error, id))?,
    };
    if context.ui.json {
        return context.ui.answer(&run);
    }
    print(context.ui, &run, context.now())
}

fn print(ui: Ui, run: &Run, now: Timestamp) -> Result<()> {
    let field = |name: &str, value: &str| ui.line(format_args!("{name:<10} {}", shown(value)));
    field("Run", &run.brain_run_id.to_string())?;
    field("Brain", &run.brain_title)?;
    if let Some(description) = said(run.brain_description.as_ref()) {
        field("", description)?;
    }
    field("Status", &paint(ui::style_of(run.status.as_str()), &run.status))?;
    if let Some(error) = &run.error {
        field("Error", &error.message)?;
    }
    let times = [("Created", Some(run.created_at)), ("Started", run.started_at), ("Ended", run.completed_at)];
    for (name, at) in times {
        if let Some(at) = at {
            field(name, &words::moment(at, now))?;
        }
    }
    for (name, value) in [("Step", run.step_id().as_ref()), ("Reason", run.reason.as_ref())] {
        if let Some(value) = said(value) {
            field(name, value)?;
        }
    }
    if !run.labels.is_empty() {
        field("Labels", &words::labels(&run.labels))?;
    }
    let (came, open): (Vec<_>, Vec<_>) = run.registrations().partition(|place| place.is_answered());
    for (name, places) in [("Waits for", open), ("Came", came)] {
        for (index, place) in places.iter().enumerate() {
            let what = format!("webhook '{}' with identifier '{}'", place.slug, place.identifier);
            field(if index == 0 { name } else { "" }, &what)?;
        }
    }
    let reminders: Vec<_> = run.waiting_for.iter().flat_map(|wait| wait.reminders.iter().flatten()).collect();
    for (index, reminder) in reminders.iter().enumerate() {
        let what = format!("'{}' {}", reminder.name, reminder.in_words(now));
        field(if index == 0 { "Reminders" } else { "" }, &what)?;
    }
    if run.options.as_object().is_some_and(|options| !options.is_empty()) {
        field("Options", &run.options.to_string())?;
    }
    if !run.state.is_null() {
        ui.line(format_args!("\n{}\n{:#}", paint(HEADING, "State"), run.state))?;
    }
    Ok(())
}

/// A text, if there is something in it.
fn said(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}
