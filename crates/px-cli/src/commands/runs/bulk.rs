//! What `px runs cancel`, `pause` and `resume` do with many runs: a preview, a question, and a
//! job of the server that is followed to its end.

use std::io::IsTerminal as _;
use std::time::Duration;

use px_api::{BulkAction, BulkFilter, BulkPreview, BulkState, StartBulk};

use super::filter::Filter;
use crate::commands::bulk::progress;
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::ids;
use crate::show::curl::quoted;
use crate::show::words;
use crate::ui::shown;

/// Interval at which a job is asked how far it is.
const INTERVAL: Duration = Duration::from_millis(200);

/// Several runs instead of one.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Many runs")]
pub(crate) struct Many {
    #[command(flatten)]
    filter: Filter,

    /// Do it without a question
    #[arg(long, short)]
    yes: bool,

    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

impl Many {
    /// The one run that is named, if it is not several that are meant.
    pub(super) fn one(&self, run: Option<String>, verb: &str) -> Result<Option<String>> {
        match (run, !self.filter.is_empty() || self.dry_run) {
            (Some(_), true) => Err(Error::usage("a run is named, and a filter, too")
                .hint(format!("`px runs {verb} RUN` is about one, `px runs {verb} --brain …` about many"))),
            (Some(run), false) => Ok(Some(run)),
            (None, _) if !self.filter.is_empty() => Ok(None),
            (None, _) => Err(Error::usage("no run is named")
                .hint(format!("`px runs {verb} RUN` is about one, `px runs {verb} --brain …` about many"))),
        }
    }

    /// Does it with all runs of the filter.
    pub(super) async fn all(&self, context: &Context, action: BulkAction) -> Result<()> {
        let (ui, client) = (context.ui, context.client()?);
        let filter = self.filter.query(context.now())?;
        let mut job = StartBulk { filter: BulkFilter::from(&filter), action, dry_run: false, at_most: None };
        // Whatever comes meanwhile is not meant.
        job.filter.until = job.filter.until.or(Some(context.now().as_millis()));
        let preview = client.preview_bulk(&job).await?;
        if self.dry_run {
            return if ui.json { ui.json(&preview.to_json()) } else { ui.line(said(&preview)) };
        }
        if preview.would > 0 && !self.yes {
            self.ask(context, &preview).await?;
        } else if !ui.json {
            ui.note(format_args!("{}.", said(&preview)));
        }
        job.at_most = Some(preview.would);
        let started = client.start_bulk(&job).await?;
        let id = started.id;
        let mut now = started;
        while now.state == BulkState::Running {
            ui.progress(format_args!("{}; `px bulk stop {id}` stops it", progress(&now)));
            tokio::time::sleep(INTERVAL).await;
            now = client.bulk_job(id).await?;
        }
        ui.progress("");
        if ui.json {
            ui.json(&now.to_json())?;
        } else {
            ui.note(format_args!("{}.", progress(&now)));
            for refusal in &now.refusals {
                ui.note(format_args!("  {}: {}", ids::short(refusal.brain_run_id), shown(&refusal.why)));
            }
        }
        match (now.refused, &now.state) {
            (_, BulkState::Stopped) => {
                Err(Error::new(Kind::Conflict, format!("somebody stopped bulk job {id}")))
            }
            (0, _) => Ok(()),
            (refused, _) => Err(Error::failed(format!("{} refused", words::count(refused, "run")))
                .hint("`px runs explain RUN` says how each is")),
        }
    }

    /// Asks the person at the terminal.
    async fn ask(&self, context: &Context, preview: &BulkPreview) -> Result<()> {
        let said = said(preview);
        if !std::io::stdin().is_terminal() || context.ui.json {
            let line: Vec<String> = std::env::args().skip(1).map(|word| quoted(&word).into_owned()).collect();
            return Err(Error::usage(format!("{said}, and nobody is at a terminal to be asked"))
                .hint(format!("px {} --yes", line.join(" "))));
        }
        context.ui.ask(format_args!("{said}. Go on? [y/N] "));
        let line = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).map(|_| line)
        });
        let line = tokio::select! {
            line = line => line.ok().and_then(std::io::Result::ok).unwrap_or_default(),
            _ = tokio::signal::ctrl_c() => String::new(),
        };
        match line.trim() {
            "y" | "Y" | "yes" => Ok(()),
            _ => Err(Error::failed("nothing was done")),
        }
    }
}

/// The participle of a deed.
pub(crate) fn past(action: &BulkAction) -> &'static str {
    match action {
        BulkAction::Cancel => "cancelled",
        BulkAction::Pause => "paused",
        BulkAction::Resume => "resumed",
        _ => "done",
    }
}

/// `212 runs would be cancelled, 3 cannot (over)`.
fn said(preview: &BulkPreview) -> String {
    let would = format!("{} would be {}", words::count(preview.would, "run"), past(&preview.action));
    if preview.cannot == 0 {
        return would;
    }
    let mut reasons: Vec<&str> = preview.reasons.iter().map(|reason| &*reason.text).take(3).collect();
    if preview.reasons.len() > reasons.len() {
        reasons.push("…");
    }
    format!("{would}, {} cannot ({})", preview.cannot, shown(reasons.join("; ")))
}
