//! `px runs list`

use px_api::{ListRuns, RunSummary, Standing};
use px_core::Timestamp;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::ids;
use crate::show::{status, words};

/// Statuses that a run can have.
const STATUSES: [&str; 7] = ["pending", "running", "waiting", "paused", "complete", "error", "cancelled"];

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
                        px runs list --label order=o2\n  \
                        px runs list --since 2h --limit 100 --json=id,status"
)]
pub(crate) struct Args {
    /// Only runs in these states, with commas between them: pending, running, waiting, paused, complete, error, cancelled
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = STATUSES)]
    status: Vec<String>,

    /// Only runs of this brain
    #[arg(long, value_name = "BRAIN")]
    brain: Option<String>,

    /// Only runs that wait for this identifier, or were started for it: +15550100 or twilio:+15550100
    #[arg(long, value_name = "[WEBHOOK:]IDENTIFIER", allow_hyphen_values = true)]
    waits_for: Option<String>,

    /// Only runs whose state has this value, such as /customer/id=42
    #[arg(long = "where", value_name = "/PATH=VALUE")]
    place: Option<String>,

    /// Only runs with this label, such as order=o2
    #[arg(long, value_name = "NAME=VALUE")]
    label: Option<String>,

    /// Only runs that are at this step
    #[arg(long, value_name = "STEP")]
    step: Option<String>,

    /// Only the run that a request of this name started
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,

    /// Only runs created since then: 90s, 15m, 2h, 3d ago, or epoch milliseconds
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,

    /// Only runs created before then
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,

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
        let moment = |flag: &str, text: &Option<String>| {
            text.as_ref().map(|text| time(flag, text, now)).transpose().map(|at| at.map(Timestamp::as_millis))
        };
        let (slug, identifier) = match self.waits_for.as_deref().map(|text| (text, text.split_once(':'))) {
            // An identifier may have a colon of its own; a slug has no other letters than these.
            Some((_, Some((slug, rest)))) if !rest.is_empty() && is_slug(slug) => {
                (Some(slug.to_owned()), Some(rest.to_owned()))
            }
            Some((text, _)) => (None, Some(text.to_owned())),
            None => (None, None),
        };
        Ok(ListRuns {
            status: (!self.status.is_empty()).then(|| self.status.join(",")),
            brain: self.brain.clone(),
            since: moment("--since", &self.since)?,
            until: moment("--until", &self.until)?,
            identifier,
            slug,
            request_id: self.request_id.clone(),
            step: self.step.clone(),
            state: self.place.clone(),
            order: self.oldest.then(|| "oldest".to_owned()),
            label: self.label.clone(),
            limit: usize::try_from(self.limit).ok(),
            cursor: self.cursor.clone(),
            include: Some("standing".to_owned()),
        })
    }
}

fn is_slug(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte))
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
        let rows = page.runs.iter().map(|run| row(run, now, args.wide)).collect();
        let (head, rows) =
            without_empty(&["Run", "Brain", "Status", "Step", "Waits for", "Left", "Age", "Labels"], rows);
        ui.styled_table(&head, rows, &[0, 2], status::column(0, 2))?;
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

fn len<T>(list: &[T]) -> u64 {
    u64::try_from(list.len()).unwrap_or(u64::MAX)
}

fn row(run: &RunSummary, now: Timestamp, is_wide: bool) -> Vec<String> {
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

/// A `--since` of the command line as a point in time.
pub(crate) fn since(text: &str, now: Timestamp) -> Result<Timestamp> {
    time("--since", text, now)
}

fn time(flag: &str, text: &str, now: Timestamp) -> Result<Timestamp> {
    words::parse_since(text, now).ok_or_else(|| {
        Error::usage(format!("{flag} is '{text}', which is no time"))
            .hint("write how long ago, like 90s, 15m, 2h or 3d, or epoch milliseconds")
    })
}
