//! `px runs list`

use px_api::{ListRuns, RunSummary, Standing};
use px_core::Timestamp;

use super::filter::{Filter, millis};
use crate::context::Context;
use crate::error::Result;
use crate::ids;
use crate::show::{status, words};

/// Registrations of a run that its row names.
const MAX_AWAITED: usize = 2;

/// Characters of a reason or of an error that a row shows.
const MAX_REASON: usize = 60;

/// List runs, newest first
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A run is named by the last digits of its id, at least 4 of them; every command takes them.\n\n\
                        Examples:\n  px runs list\n  px runs list --status waiting,paused --brain pr-review\n  \
                        px runs list --waits-for twilio:+15550100\n  \
                        px runs list --where /customer/id=42 --until 1d --oldest\n  \
                        px runs list --label order=o2 --label outcome=refused\n  \
                        px runs list --since 2h --limit 100 --json=id,status"
)]
pub(crate) struct Args {
    #[command(flatten)]
    filter: Filter,

    /// Only the run that a request of this name started
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,

    /// Only runs that ended since then
    #[arg(long, value_name = "WHEN")]
    ended_since: Option<String>,

    /// The oldest first
    #[arg(long)]
    oldest: bool,

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

impl Args {
    fn query(&self, now: Timestamp) -> Result<ListRuns> {
        Ok(ListRuns {
            ended_since: millis("--ended-since", self.ended_since.as_deref(), now)?,
            request_id: self.request_id.clone(),
            order: self.oldest.then(|| "oldest".to_owned()),
            limit: usize::try_from(self.limit).ok(),
            cursor: self.cursor.clone(),
            include: Some("standing".to_owned()),
            ..self.filter.query(now)?
        })
    }
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let (ui, now) = (context.ui, context.now());
    let page = context.client()?.runs(&args.query(now)?).await?;
    if ui.json {
        return ui.answer(&page);
    }
    if args.quiet {
        return page.runs.iter().try_for_each(|run| ui.line(run.brain_run_id));
    }
    if page.runs.is_empty() {
        ui.note("No runs.");
    } else {
        table(context, &page.runs, now, args.wide)?;
    }
    if let Some(looked) = page.looked {
        let (looked, found) = (words::count(looked, "run"), words::count(len(&page.runs), "run"));
        ui.note(format_args!("Looked at {looked}; {found} fit."));
    }
    if let Some(cursor) = &page.next_cursor {
        ui.note(format_args!("There may be more: --cursor {cursor}"));
    }
    Ok(())
}

/// Runs in a table, without the columns in which nothing stands.
fn table(context: &Context, runs: &[RunSummary], now: Timestamp, is_wide: bool) -> Result<()> {
    let rows = runs.iter().map(|run| row(run, now, is_wide)).collect();
    let (head, rows) =
        without_empty(&["Run", "Brain", "Status", "Step", "Waits for", "Left", "Age", "Labels"], rows);
    let base = context.server_url()?;
    let page = |column: usize, text: &str| {
        let is_it = |run: &&RunSummary| {
            let id = run.brain_run_id;
            text == id.to_string() || text == ids::short(id)
        };
        runs.iter().filter(|_| column == 0).find(is_it).map(|run| super::page(&base, run.brain_run_id))
    };
    context.ui.linked_table(&head, rows, &[0, 2], status::column(0, 2), page)
}

fn len<T>(list: &[T]) -> u64 {
    u64::try_from(list.len()).unwrap_or(u64::MAX)
}

/// A run in the columns of a list: its id, brain, status, step, what it waits for, the time
/// left, its age and labels.
pub(crate) fn row(run: &RunSummary, now: Timestamp, is_wide: bool) -> Vec<String> {
    let standing = run.standing.as_ref();
    let left = standing.and_then(|standing| standing.until).filter(|_| !run.status.is_terminal());
    vec![
        if is_wide { run.brain_run_id.to_string() } else { ids::short(run.brain_run_id) },
        run.brain_title.clone(),
        status::signed(&run.status),
        standing.and_then(|standing| standing.step.clone()).unwrap_or_default(),
        standing.map(awaited).unwrap_or_default(),
        left.map_or(String::new(), |at| words::left(at, now)),
        words::age(now.since(run.created_at)),
        words::labels(&run.labels),
    ]
}

/// Whatever a run waits for, or why it stands still.
fn awaited(standing: &Standing) -> String {
    if let Some(why) = standing.error.as_ref().or(standing.reason.as_ref()) {
        return words::cut(why, MAX_REASON);
    }
    let named = standing.awaits.iter().take(MAX_AWAITED);
    let mut places: Vec<String> = named.map(|place| format!("{} {}", place.slug, place.identifier)).collect();
    let named = u32::try_from(places.len()).unwrap_or(u32::MAX);
    if standing.awaits_count > named {
        places.push(format!("{} more", standing.awaits_count - named));
    }
    places.join(" | ")
}

/// A table without the columns in which nothing stands.
fn without_empty<'a>(head: &[&'a str], rows: Vec<Vec<String>>) -> (Vec<&'a str>, Vec<Vec<String>>) {
    let is_used = |column: usize| rows.iter().any(|row| row.get(column).is_some_and(|text| !text.is_empty()));
    let used: Vec<usize> = (0..head.len()).filter(|column| *column < 3 || is_used(*column)).collect();
    let of = |row: &[String]| used.iter().filter_map(|column| row.get(*column).cloned()).collect::<Vec<_>>();
    let rows = rows.iter().map(|row| of(row)).collect();
    (used.iter().filter_map(|column| head.get(*column).copied()).collect(), rows)
}
