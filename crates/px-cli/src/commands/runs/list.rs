//! `px runs list`

use px_api::ListRuns;
use px_core::Timestamp;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::show::words;

/// List runs, newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px runs list\n  px runs list --status waiting --brain pr-review\n  \
                        px runs list --label order=o2\n  \
                        px runs list --since 2h --limit 100 --json")]
pub(crate) struct Args {
    /// Only runs in this state: pending, running, waiting, paused, complete, error, cancelled
    #[arg(long, value_name = "STATUS", value_parser = ["pending", "running", "waiting", "paused", "complete", "error", "cancelled"])]
    status: Option<String>,

    /// Only runs of this brain
    #[arg(long, value_name = "BRAIN")]
    brain: Option<String>,

    /// Only runs with this label, such as order=o2
    #[arg(long, value_name = "NAME=VALUE")]
    label: Option<String>,

    /// Only runs created since then: 90s, 15m, 2h, 3d ago, or epoch milliseconds
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,

    /// At most this many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,

    /// Cursor at which the page before this one ended
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let now = context.now();
    let query = ListRuns {
        status: args.status,
        brain: args.brain,
        label: args.label,
        since: args.since.map(|text| since(&text, now)).transpose()?.map(Timestamp::as_millis),
        limit: usize::try_from(args.limit).ok(),
        cursor: args.cursor,
        include: None,
    };
    let page = context.client()?.runs(&query).await?;
    if context.ui.json {
        return context.ui.json(&page.to_json());
    }
    let rows = page.runs.iter().map(|run| {
        let age = words::age(now.since(run.created_at));
        vec![
            run.brain_run_id.to_string(),
            run.brain_title.clone(),
            run.status.to_string(),
            age,
            words::labels(&run.labels),
        ]
    });
    let mut rows: Vec<_> = rows.collect();
    let mut head = vec!["Run", "Brain", "Status", "Age", "Labels"];
    if page.runs.iter().all(|run| run.labels.is_empty()) {
        head.pop();
        rows.iter_mut().for_each(|row| row.truncate(head.len()));
    }
    if rows.is_empty() {
        context.ui.note("No runs.");
    } else {
        context.ui.table(&head, rows, &[0, 2])?;
    }
    if let Some(cursor) = &page.next_cursor {
        context.ui.note(format_args!("There may be more: --cursor {cursor}"));
    }
    Ok(())
}

/// A `since` of the command line as a point in time.
pub(crate) fn since(text: &str, now: Timestamp) -> Result<Timestamp> {
    words::parse_since(text, now).ok_or_else(|| {
        Error::usage(format!("--since is '{text}', which is no time"))
            .hint("write how long ago, like 90s, 15m, 2h or 3d, or epoch milliseconds")
    })
}
