//! `GET /brains/watch`: the runs that are running, as server-sent events: at
//! once, and again on every lifecycle change, at most four times a second
//! (docs/rules.md#37). What is shown is read from the store; hints only say when.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::Event as Frame;
use futures_util::stream::{self, Stream};
use px_api::{RunSummary, RunningBrains};
use px_core::{RunId, RunStatus};
use px_store::RunFilter;
use tokio::sync::broadcast::{Receiver, error::RecvError, error::TryRecvError};
use tokio::time::{Sleep, sleep};

use super::MAX_PAGE;
use crate::app::Shared;

/// Interval at which the store is looked at when no hint comes (docs/rules.md#41).
const POLL: Duration = Duration::from_secs(1);

/// Minimum time between two frames.
const PACE: Duration = Duration::from_millis(250);

pub(super) async fn brains(State(app): State<Shared>) -> Sse<impl Stream<Item = Result<Frame, Infallible>>> {
    let hints = app.store().hints().runs();
    let feed =
        Feed { app, hints, shown: None, pace: Box::pin(sleep(Duration::ZERO)), hinted: Hinted::default() };
    Sse::new(stream::unfold(feed, |mut feed| async move {
        let frame = feed.next().await?;
        Some((Ok(frame), feed))
    }))
}

struct Feed {
    app: Shared,
    hints: Receiver<RunId>,
    /// The runs of the last frame.
    shown: Option<Vec<RunSummary>>,
    /// Earliest time of the next frame.
    pace: Pin<Box<Sleep>>,
    hinted: Hinted,
}

/// Hints since the last frame, summed up.
#[derive(Default)]
struct Hinted {
    runs: std::collections::BTreeSet<RunId>,
    /// More than can be remembered.
    lagged: bool,
}

impl Hinted {
    fn note(&mut self, run: RunId) {
        if self.runs.len() < MAX_PAGE {
            self.runs.insert(run);
        } else {
            self.lagged = true;
        }
    }
}

impl Feed {
    async fn next(&mut self) -> Option<Frame> {
        let mut closing = self.app.closing.clone();
        loop {
            if *closing.borrow() {
                return None;
            }
            self.drain();
            let hinted = std::mem::take(&mut self.hinted);
            let runs = match self.read().await {
                Ok(runs) => runs,
                Err(error) => {
                    tracing::warn!(%error, "a watch stream ends early");
                    return None;
                }
            };
            if self.shown.as_ref() != Some(&runs) || self.has_passed_by(&hinted, &runs) {
                let frame = RunningBrains { running_brains: runs };
                // Every run can be written: its keys are texts.
                let data = serde_json::to_string(&frame).unwrap_or_default();
                self.shown = Some(frame.running_brains);
                self.pace = Box::pin(sleep(PACE));
                return Some(Frame::default().data(data));
            }
            tokio::select! {
                () = self.hint() => {}
                () = sleep(POLL) => {}
                _ = closing.wait_for(|closing| *closing) => return None,
            }
            tokio::select! {
                () = self.pace.as_mut() => self.pace = Box::pin(sleep(Duration::ZERO)),
                _ = closing.wait_for(|closing| *closing) => return None,
            }
        }
    }

    /// Returns whether a run changed that is not running now and was not before: it
    /// began and parked or ended in between, or a parked one ended.
    fn has_passed_by(&self, hinted: &Hinted, now: &[RunSummary]) -> bool {
        let ids = |runs: &[RunSummary]| -> std::collections::BTreeSet<RunId> {
            runs.iter().map(|run| run.brain_run_id).collect()
        };
        let (before, now) = (ids(self.shown.as_deref().unwrap_or_default()), ids(now));
        hinted.lagged || hinted.runs.iter().any(|run| !before.contains(run) && !now.contains(run))
    }

    async fn read(&self) -> Result<Vec<RunSummary>, px_store::Error> {
        let filter = RunFilter { statuses: vec![RunStatus::Running], ..RunFilter::default() };
        let page = self.app.store().runs(self.app.parts.scope, &filter, None, MAX_PAGE).await?;
        Ok(page.items.iter().map(|record| (&record.run).into()).collect())
    }

    /// Notes the hints that have come, without waiting.
    fn drain(&mut self) {
        loop {
            match self.hints.try_recv() {
                Ok(run) => self.hinted.note(run),
                Err(TryRecvError::Lagged(_)) => self.hinted.lagged = true,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    async fn hint(&mut self) {
        match self.hints.recv().await {
            Ok(run) => self.hinted.note(run),
            Err(RecvError::Lagged(_)) => self.hinted.lagged = true,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}
