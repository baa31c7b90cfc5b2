//! `px hooks deliveries`

use px_api::{CallbackSummary, ListCallbacks};
use px_core::{CallbackId, Timestamp};
use px_store::outbox::CallbackState;

use super::{explained, find, or_dash};
use crate::commands::runs::since;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::ids;
use crate::show::{status, words};

/// The states of deliveries, and what one that is pending is called while its
/// endpoint is left alone.
const STATES: [&str; 6] = {
    let [pending, delivered, dead, held, discarded] = CallbackState::ALL;
    [pending.as_str(), delivered.as_str(), dead.as_str(), held.as_str(), discarded.as_str(), "parked"]
};

/// List deliveries, newest first: of a hook, of a run, or all
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  px hooks deliveries\n  px hooks deliveries billing --state dead --since 1d\n  \
                        px hooks deliveries --run run_0197c1f0a1b27000800000000000cafe --json"
)]
pub(crate) struct Args {
    /// The hook's id or name
    hook: Option<String>,

    /// Only of this run
    #[arg(long, value_name = "RUN")]
    run: Option<String>,

    /// Only in this state
    #[arg(long, value_name = "STATE", value_parser = STATES)]
    state: Option<String>,

    /// Only written since then: 90s, 15m, 2h, 3d ago, or epoch milliseconds
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,

    /// At most this many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,

    /// Cursor at which the page before this one ended
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,

    /// Show whole ids
    #[arg(long)]
    wide: bool,

    /// Print the ids and nothing else, one a line
    #[arg(long, short)]
    quiet: bool,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let now = context.now();
    let client = context.client()?;
    let cursor = args.cursor.map(|text| text.parse::<CallbackId>());
    let cursor = cursor.transpose().map_err(|error| Error::failed(format!("Bad cursor: {error}")))?;
    let query = ListCallbacks {
        hook: None,
        brain_run_id: match args.run {
            Some(run) => Some(ids::run(&client, &run).await?),
            None => None,
        },
        state: args.state,
        since: args.since.map(|text| since(&text, now)).transpose()?.map(Timestamp::as_millis),
        limit: usize::try_from(args.limit).ok(),
        cursor,
    };
    let page = match &args.hook {
        Some(hook) => client.hook_callbacks(find(&client, hook).await?, &query).await,
        None => client.callbacks(&query).await,
    };
    let page = page.map_err(explained)?;
    if context.ui.json {
        return context.ui.answer(&page);
    }
    if args.quiet {
        return page.deliveries.iter().try_for_each(|callback| context.ui.line(callback.id));
    }
    let id = |id: String| if args.wide { id } else { ids::short(id) };
    let row = |callback: &CallbackSummary| {
        let next = callback.next_attempt_at.map(|at| match at > now {
            true => format!("in {}", words::age(at.since(now))),
            false => "now".to_owned(),
        });
        vec![
            id(callback.id.to_string()),
            callback.kind.clone(),
            or_dash(callback.brain_run_id.map(|run| id(run.to_string()))),
            callback.state.to_string(),
            callback.attempts.len().to_string(),
            or_dash(next),
            words::age(now.since(callback.created_at)),
        ]
    };
    let rows: Vec<_> = page.deliveries.iter().map(row).collect();
    if rows.is_empty() {
        context.ui.note("No deliveries.");
    } else {
        let header = ["Delivery", "Type", "Run", "State", "Attempts", "Next", "Age"];
        context.ui.styled_table(&header, rows, &[0, 3], status::column(0, 3))?;
    }
    if let Some(cursor) = &page.next_cursor {
        context.ui.note(format_args!("There may be more: --cursor {cursor}"));
    }
    Ok(())
}
