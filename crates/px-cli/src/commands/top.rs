//! `px top`: the overview and the runs that have not ended, drawn anew while they change.

use std::time::Duration;

use px_api::{ListRuns, RunPage};
use px_client::Client;
use px_core::Timestamp;

use super::runs::row;
use super::status;
use crate::complete;
use crate::context::Context;
use crate::error::Result;
use crate::show::words;
use crate::ui::{FAINT, HEADING, paint, shown, style_of};

/// Interval at which the server is asked.
const INTERVAL: Duration = Duration::from_secs(1);

/// Runs that one look lists, at most.
const MAX_RUNS: u32 = 1_000;

/// Watch a server: what needs somebody, its pace, and the runs that have not ended
#[derive(Debug, clap::Args)]
#[command(
    after_help = "On a terminal it is drawn anew each second until it is stopped; else it is printed once.\n\n\
                        Examples:\n  px top\n  px top --brain invoice --limit 30"
)]
pub(crate) struct Args {
    /// Only runs of this brain
    #[arg(long, value_name = "BRAIN", add = complete::brains())]
    brain: Option<String>,

    /// At most this many runs
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_RUNS)))]
    limit: u32,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let (ui, client) = (context.ui, context.client()?);
    let query = ListRuns {
        status: Some("running,pending,waiting,paused".to_owned()),
        brain: args.brain,
        limit: usize::try_from(args.limit).ok(),
        include: Some("standing".to_owned()),
        ..ListRuns::default()
    };
    let url = context.server_url()?;
    let Some(_) = ui.live_width().filter(|_| ui.is_for_people()) else {
        if ui.json {
            return ui.json(&client.runs(&query).await?.to_json());
        }
        let frame = frame(&client, &query, &url, context.now(), usize::MAX).await?;
        return frame.into_iter().try_for_each(|line| ui.line(line));
    };
    let (mut drawn, mut is_lost) = (0, false);
    loop {
        let width = usize::from(ui.live_width().unwrap_or(u16::MAX));
        match frame(&client, &query, &url, context.now(), width).await {
            Ok(lines) => {
                ui.erase(std::mem::replace(&mut drawn, lines.len()));
                lines.iter().for_each(|line| ui.note(line));
                is_lost = false;
            }
            // The first look says why there is nothing to watch.
            Err(error) if drawn == 0 => return Err(error),
            Err(_) if !is_lost => {
                ui.note("The server does not answer; trying again.");
                (drawn, is_lost) = (drawn + 1, true);
            }
            Err(_) => {}
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// The lines of one look, none of them wider than the terminal.
async fn frame(
    client: &Client,
    query: &ListRuns,
    url: &str,
    now: Timestamp,
    width: usize,
) -> Result<Vec<String>> {
    let overview = client.overview().await?;
    let page = client.runs(query).await?;
    let mut lines = status::lines(&overview, url, width);
    lines.push(String::new());
    lines.extend(run_lines(&page, now, width));
    Ok(lines)
}

/// A line for each run: its columns under each other, and no more of the last ones than there
/// is room for.
fn run_lines(page: &RunPage, now: Timestamp, width: usize) -> Vec<String> {
    if page.runs.is_empty() {
        return vec!["No run that has not ended.".to_owned()];
    }
    let head = ["Run", "Brain", "Status", "Step", "Waits for", "Left", "Age"].map(str::to_owned);
    let rows = page.runs.iter().map(|run| row(run, now, false).into_iter().take(head.len()).map(shown));
    let rows: Vec<Vec<String>> = rows.map(Iterator::collect).collect();
    let longest = |column: usize, name: &String| {
        let cells = rows.iter().filter_map(|row| row.get(column)).chain([name]);
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = head.iter().enumerate().map(|(column, name)| longest(column, name)).collect();
    let line = |row: &[String]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        words::cut(cells.collect::<Vec<_>>().join("  ").trim_end(), width.saturating_sub(1))
    };
    let mut lines = vec![paint(HEADING, line(&head))];
    for (run, row) in page.runs.iter().zip(&rows) {
        let status = run.status.as_str();
        lines.push(line(row).replacen(status, &paint(style_of(status), status), 1));
    }
    if page.next_cursor.is_some() {
        lines.push(paint(FAINT, "… and more; `px runs list` shows them"));
    }
    lines
}
