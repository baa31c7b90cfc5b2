//! `GET /brains/runs/:id/watch`: a run's log as server-sent events, history
//! first, then live, without a gap: each frame is read from the store after
//! the one before it, and hints only say when to look. The stream ends after
//! the last event of the terminal commit (docs/rules.md#37).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Sse;
use axum::response::sse::Event as Frame;
use futures_util::stream::{self, Stream};
use http::HeaderMap;
use px_core::{Event, Run, RunId};
use tokio::sync::broadcast;

use super::runs::find;
use crate::app::Shared;
use crate::error::ApiError;

/// Interval at which the store is looked at when no hint comes (docs/rules.md#41).
const POLL: Duration = Duration::from_secs(1);

/// Number of events that are read at once.
const BATCH: usize = 256;

pub(super) async fn run(
    State(app): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Frame, Infallible>>>, ApiError> {
    let run = find(&app, &id).await?;
    let after = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok())
        .and_then(|id| id.parse::<u64>().ok())
        // An id that the log has not come to is none of this run's.
        .map_or(0, |id| id.min(run.seq));
    let hints = app.store().hints().runs();
    let follow = Follow { app, run, after, hints, pending: VecDeque::new(), over: false };
    Ok(Sse::new(stream::unfold(follow, |mut follow| async move {
        let frame = follow.next().await?;
        Some((Ok(frame), follow))
    })))
}

struct Follow {
    app: Shared,
    run: Run,
    after: u64,
    hints: broadcast::Receiver<RunId>,
    pending: VecDeque<Event>,
    over: bool,
}

impl Follow {
    async fn next(&mut self) -> Option<Frame> {
        let mut closing = self.app.closing.clone();
        loop {
            if let Some(event) = self.pending.pop_front() {
                self.after = event.seq;
                let shown = px_api::Event::of(&self.run, &event);
                // Every event can be written: its keys are texts.
                let data = serde_json::to_string(&shown).unwrap_or_default();
                return Some(Frame::default().id(event.seq.to_string()).data(data));
            }
            if self.over || *closing.borrow() {
                return None;
            }
            if let Err(error) = self.read().await {
                tracing::warn!(run = %self.run.id, %error, "a watch stream ends early");
                return None;
            }
            if self.pending.is_empty() && !self.over {
                tokio::select! {
                    () = self.hint() => {}
                    () = tokio::time::sleep(POLL) => {}
                    _ = closing.wait_for(|closing| *closing) => return None,
                }
            }
        }
    }

    async fn read(&mut self) -> Result<(), px_store::Error> {
        let (store, scope) = (self.app.store(), self.app.parts.scope);
        // The run first: if it has ended, its events are all there.
        if let Some(record) = store.run(scope, self.run.id).await? {
            self.run = record.run;
        }
        let events = store.events(scope, self.run.id, self.after, BATCH).await?;
        let last = events.last().map_or(self.after, |event| event.seq);
        self.over = self.run.status.is_terminal() && last >= self.run.seq;
        self.pending.extend(events);
        Ok(())
    }

    async fn hint(&mut self) {
        loop {
            match self.hints.recv().await {
                Ok(run) if run != self.run.id => {}
                // Lagged: something may have been missed, so look.
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}
