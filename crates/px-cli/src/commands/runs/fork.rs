//! `px runs fork`

use px_api::ForkRun;

use super::{explained, fetch, step_number};
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::ids;
use crate::typed;

/// Start a new run that begins where this one was
#[derive(Debug, clap::Args)]
#[command(after_help = "The run itself is left as it is. The new run's id is printed.\n\n\
                  Examples:\n  \
                  px runs fork run_0197c1f0a1b27000800000000000cafe --from 2\n  \
                  px runs fork run_0197c1f0a1b27000800000000000cafe --from 2 --state '{\"name\": \"Ada\"}'")]
pub(crate) struct Args {
    /// The run: its id, the id's last digits (4 or more), or @last, @last:waiting
    run: String,

    /// The step to begin with: its number, from 1, or its title
    #[arg(long, value_name = "STEP")]
    from: String,

    /// The state to begin it with, as a JSON object or as @FILE, instead of the one it had
    #[arg(long, value_name = "JSON")]
    state: Option<String>,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let client = context.client()?;
    let id = &ids::run(&client, &args.run).await?;
    let run = fetch(&client, id).await?;
    let starts_at = step_number(&run, &args.from)?;
    let state = args.state.as_ref().map(|text| typed::object("--state", text)).transpose()?;
    let fork = ForkRun { state: state.map(Into::into), ..ForkRun::from_step(starts_at) };
    let answer = client.fork_run(id, &fork).await.map_err(Error::from).map_err(|error| match error.kind {
        Kind::Conflict => error.hint(format!(
            "`px runs show {id}` shows how far it came; --state gives a step that it never reached its state"
        )),
        _ => explained(error, id),
    })?;
    if context.ui.json {
        return context.ui.answer(&answer);
    }
    let forked = answer.brain_run_id;
    context.ui.line(forked)?;
    context.ui.note(format_args!("Follow it with `px runs watch {forked}`."));
    Ok(())
}
