//! `px runs rerun`

use px_api::RerunRun;

use super::{explained, fetch, step_number};
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::ids;
use crate::ui::shown;

/// Let a run go back to one of its steps, and on from there
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The step is given the state and the response that it had then. Nothing of the run's log is \
                  deleted. What steps do outside px, and what they remember with `cx.once`, is done again.\n\n\
                  Examples:\n  \
                  px runs rerun run_0197c1f0a1b27000800000000000cafe --from 2\n  \
                  px runs rerun run_0197c1f0a1b27000800000000000cafe --from 'Ask for feedback'"
)]
pub(crate) struct Args {
    /// The run: its id, the id's last digits (4 or more), or @last, @last:waiting
    run: String,

    /// The step to go back to: its number, from 1, or its title
    #[arg(long, value_name = "STEP")]
    from: String,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let client = context.client()?;
    let id = &ids::run(&client, &args.run).await?;
    let run = fetch(&client, id).await?;
    let starts_at = step_number(&run, &args.from)?;
    let answer = client.rerun_run(&RerunRun::from_step(id, starts_at)).await;
    let answer = answer.map_err(Error::from).map_err(|error| match error.kind {
        Kind::Conflict => error.hint(format!("`px runs show {id}` shows how far it came")),
        _ => explained(error, id),
    })?;
    if context.ui.json {
        return context.ui.answer(&answer);
    }
    if let Some(files) = &answer.missing_files {
        context.ui.warn(format_args!(
            "These files are gone with their deliveries, and a step that reads one fails: {}",
            shown(files.join(", "))
        ));
    }
    context.ui.note(format_args!("{id} goes on from step {starts_at}. Follow it with `px runs watch {id}`."));
    Ok(())
}
