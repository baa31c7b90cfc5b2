//! `px runs watch`, and the following of a run that `px run` shares with it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use px_core::Timestamp;
use serde_json::Value;

use super::{explained, fetch, panel, path};
use crate::client::Client;
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::sse::Parser;
use crate::ui::{FAINT, Ui, paint, reader_gone, style_of};
use crate::{event_line, words};

/// How often a stream that broke off is opened again, without anything new.
const MAX_RETRIES: u32 = 30;
/// How long between two of them.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// How often the panel is drawn anew.
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
    /// The run's id
    run: String,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let ui = context.ui;
    let client = context.client()?;
    let last = match ui.live_width() {
        Some(width) => live(context, &client, &args.run, usize::from(width)).await?,
        None => tokio::select! {
            last = follow(&client, &args.run, Until::End, |event| print(ui, event)) => last?,
            // As `head` and `grep -q` do; the next event may be weeks away.
            () = reader_gone() => return Err(Error::new(Kind::Unread, "")),
        },
    };
    if !last.as_ref().is_some_and(is_over) {
        ui.note(format_args!(
            "The stream ended before the run did; `px runs watch {}` takes it up again.",
            args.run
        ));
    }
    Ok(())
}

/// Follows a run with the panel below its events.
async fn live(context: &Context, client: &Client, id: &str, width: usize) -> Result<Option<Value>> {
    let ui = context.ui;
    let panel = Mutex::new(Drawn::default());
    let followed = follow(client, id, Until::End, |event| {
        let mut drawn = panel.lock().unwrap_or_else(PoisonError::into_inner);
        ui.erase(std::mem::take(&mut drawn.lines));
        drawn.is_old = true;
        print(ui, event)
    });
    let redraw = async {
        let mut run = Value::Null;
        loop {
            tokio::time::sleep(REDRAW).await;
            let is_old = std::mem::take(&mut panel.lock().unwrap_or_else(PoisonError::into_inner).is_old);
            if is_old {
                // Without an answer the events go on; the next look may have one.
                run = fetch(client, id).await.unwrap_or(run);
            }
            if !run.is_null() {
                let lines = panel::lines(&run, context.now(), width);
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

/// What of the panel is on the terminal.
#[derive(Debug, Default)]
struct Drawn {
    lines: usize,
    /// Something has happened since.
    is_old: bool,
}

/// How long a run is followed.
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
    mut each: impl FnMut(&Value) -> Result<()>,
) -> Result<Option<Value>> {
    let path = path(id, "/watch");
    let mut last: Option<Value> = None;
    let mut seen: Option<String> = None;
    let mut retries = 0;
    loop {
        let error = match client.stream(&path, seen.as_deref()).await {
            Ok(response) => {
                let mut parser = Parser::default();
                let mut stream = response.bytes_stream();
                loop {
                    let bytes = match stream.next().await {
                        Some(Ok(bytes)) => bytes,
                        Some(Err(error)) => break Some(client.broken(&error)),
                        None => break None,
                    };
                    for frame in parser.push(&bytes)? {
                        let Ok(event) = serde_json::from_str::<Value>(&frame.data) else { continue };
                        let number = event.get("seq").and_then(Value::as_u64).map(|seq| seq.to_string());
                        seen = frame.id.or(number).or(seen);
                        retries = 0;
                        each(&event)?;
                        let done = is_over(&event) || event_type(&event) == "brain:paused";
                        last = Some(event);
                        if until == Until::Outcome && done {
                            return Ok(last);
                        }
                    }
                }
            }
            // The first attempt fails as every command does.
            Err(error) if seen.is_none() || error.kind != Kind::Unreachable => {
                return Err(explained(error, id));
            }
            Err(error) => Some(error),
        };
        let over = last.as_ref().is_some_and(is_over);
        if over || (error.is_none() && until == Until::End) {
            return Ok(last);
        }
        retries += 1;
        if retries > MAX_RETRIES {
            return Err(error.unwrap_or_else(|| {
                Error::new(Kind::Unreachable, format!("the server keeps closing the stream of run {id}"))
            }));
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

/// Whether this event is a run's last.
fn is_over(event: &Value) -> bool {
    matches!(event_type(event), "brain:complete" | "brain:error" | "brain:cancelled")
}

fn event_type(event: &Value) -> &str {
    event.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// One event on one line.
pub(crate) fn print(ui: Ui, event: &Value) -> Result<()> {
    if ui.json {
        return ui.json_line(event);
    }
    let number = |name: &str| event.get(name).and_then(Value::as_u64).unwrap_or_default();
    let at = words::time_of_day(Timestamp::from_millis(number("timestamp")));
    let name = event_type(event);
    let status = event.get("status").and_then(Value::as_str).unwrap_or_default();
    let detail = event_line::detail(event).replace('\n', " ");
    let padded = if detail.is_empty() { name.to_owned() } else { format!("{name:<22} ") };
    let painted = if name.starts_with("brain:") { paint(style_of(status), padded) } else { padded };
    let line = format!("{:>4} {} {painted}{detail}", number("seq"), paint(FAINT, at));
    ui.line(line)
}
