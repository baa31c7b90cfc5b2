//! `px runs watch`, and the following of a run that `px run` shares with it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use px_api::Event;
use px_client::{Answer, Client};

use super::{explained, fetch, panel};
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::ids;
use crate::show::{event_line, words};
use crate::ui::{FAINT, Ui, paint, reader_gone, shown, style_of};

/// Interval at which the panel is drawn anew.
const REDRAW: Duration = Duration::from_millis(250);

/// Follow a run: its events so far, and then each as it happens
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Ends when the run does. On a terminal its steps, its waits with the time that is left, and its \
                        state are shown below the events. Needs none: one line is one event, with --json one JSON \
                        document.\n\nExamples:\n  px runs watch run_0197c1f0a1b27000800000000000cafe\n  \
                        px runs watch run_0197c1f0a1b27000800000000000cafe --json | jq .type"
)]
pub(crate) struct Args {
    /// The run: its id, the id's last digits (4 or more), or @last, @last:waiting
    run: String,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let ui = context.ui;
    let client = context.client()?;
    let id = &ids::run(&client, &args.run).await?;
    let last = match ui.live_width() {
        Some(width) => live(context, &client, id, usize::from(width)).await?,
        None => tokio::select! {
            last = follow(&client, id, Until::End, |event| print(ui, event)) => last?,
            // As `head` and `grep -q` do; the next event may be weeks away.
            () = reader_gone() => return Err(Error::new(Kind::Unread, "")),
        },
    };
    if !last.as_ref().is_some_and(|event| event.is_end()) {
        ui.note(format_args!("The stream ended before the run did; `px runs watch {id}` takes it up again."));
    }
    Ok(())
}

/// Follows a run with the panel below its events.
async fn live(context: &Context, client: &Client, id: &str, width: usize) -> Result<Option<Answer<Event>>> {
    let ui = context.ui;
    let panel = Mutex::new(Drawn::default());
    let followed = follow(client, id, Until::End, |event| {
        let mut drawn = panel.lock().unwrap_or_else(PoisonError::into_inner);
        ui.erase(std::mem::take(&mut drawn.lines));
        drawn.is_old = true;
        print(ui, event)
    });
    let redraw = async {
        let mut run = None;
        loop {
            tokio::time::sleep(REDRAW).await;
            let is_old = std::mem::take(&mut panel.lock().unwrap_or_else(PoisonError::into_inner).is_old);
            if is_old {
                // Without an answer the events go on; the next look may have one.
                run = fetch(client, id).await.ok().or(run);
            }
            if let Some(run) = &run {
                let lines = panel::lines(run, context.now(), width);
                let mut drawn = panel.lock().unwrap_or_else(PoisonError::into_inner);
                ui.erase(std::mem::replace(&mut drawn.lines, lines.len()));
                lines.iter().for_each(|line| ui.note(line));
            }
        }
    };
    let last = tokio::select! {
        last = followed => last,
        () = redraw => Ok(None),
    };
    ui.erase(panel.into_inner().unwrap_or_else(PoisonError::into_inner).lines);
    if let Ok(run) = fetch(client, id).await {
        panel::lines(&run, context.now(), width).iter().for_each(|line| ui.note(line));
    }
    last
}

/// Part of the panel that is on the terminal.
#[derive(Debug, Default)]
struct Drawn {
    lines: usize,
    /// Something has happened since.
    is_old: bool,
}

/// Time that a run is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Until the server ends the stream.
    End,
    /// Until the run ends or is paused, across restarts of the server.
    Outcome,
}

/// Gives each event of a run to `each`, and returns the last one. A stream
/// that breaks off is taken up where it was.
pub(crate) async fn follow(
    client: &Client,
    id: &str,
    until: Until,
    mut each: impl FnMut(&Answer<Event>) -> Result<()>,
) -> Result<Option<Answer<Event>>> {
    let watch = client.watch_run(id);
    let watch = if until == Until::Outcome { watch.across_restarts() } else { watch };
    let mut events = watch.events();
    let mut last = None;
    while let Some(event) = events.next().await {
        let event = event.map_err(|error| explained(error, id))?;
        each(&event)?;
        let has_outcome = event.is_end() || event.kind == "brain:paused";
        last = Some(event);
        if until == Until::Outcome && has_outcome {
            break;
        }
    }
    Ok(last)
}

/// One event on one line.
pub(crate) fn print(ui: Ui, event: &Answer<Event>) -> Result<()> {
    if ui.json {
        return ui.json_line(&event.to_json());
    }
    let at = words::time_of_day(event.timestamp);
    let name = &*event.kind;
    let status = event.status.as_ref().map_or("", |status| status.as_str());
    let detail = shown(event_line::detail(event).replace('\n', " "));
    let padded = if detail.is_empty() { name.to_owned() } else { format!("{name:<22} ") };
    let painted = if name.starts_with("brain:") { paint(style_of(status), padded) } else { padded };
    let line = format!("{:>4} {} {painted}{detail}", event.seq, paint(FAINT, at));
    ui.line(line)
}
