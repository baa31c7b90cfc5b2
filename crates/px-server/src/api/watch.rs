//! `GET /brains/runs/:id/watch`: a run's log as server-sent events, history
//! first, then live, without a gap: each frame is taken behind the one before it,
//! from pages that all who watch the run share (`streams/followed.rs`). The stream
//! ends after the last event of the terminal commit (docs/rules.md#37).

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{ConnectInfo, Path, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, StatusCode};
use px_core::{RunId, Stopwatch};
use tokio::sync::watch;

use super::runs::missing;
use crate::access::Right;
use crate::app::Shared;
use crate::connections::Connection;
use crate::error::ApiError;
use crate::streams::Place;
use crate::streams::followed::{Page, Seen};
use crate::streams::frames::{self, Reader};
use crate::streams::runs::{Following, Watchers};

pub(super) async fn run(
    State(app): State<Shared>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    Extension(right): Extension<Right>,
    connection: Option<Extension<Connection>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    // A text that is no id is one that is not found (docs/rules.md#40).
    let run_id: RunId = id.parse().map_err(|_| missing(&id))?;
    let following = Watchers::follow(&app, run_id);
    let (run, seen) = following.begin(&app).await?.ok_or_else(|| missing(&id))?;
    let reader = Reader::of(&headers);
    if run.status.is_terminal() && reader.last.is_some_and(|last| last >= run.seq) {
        // Nothing will ever come, and an `EventSource` that is told so stops asking.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let address = app.urls.client(remote.ip(), &headers);
    let connection = connection.map(|Extension(connection)| connection);
    let place = app.streams.enter(right, address, connection.clone())?;
    let failures = seen.borrow().failures;
    let follow = Follow {
        // An id that the log has not come to is none of this run's.
        after: reader.last.map_or(0, |id| id.min(run.seq)),
        failures,
        knows_fields: reader.knows_fields,
        closing: app.closing.clone(),
        app,
        run: run_id,
        following,
        seen,
        place,
        connection,
        page: None,
        quiet: Stopwatch::start(),
    };
    Ok(frames::respond(stream::unfold(follow, |mut follow| async move {
        let bytes = follow.next().await?;
        Some((bytes, follow))
    })))
}

struct Follow {
    app: Shared,
    run: RunId,
    following: Following,
    seen: watch::Receiver<Seen>,
    /// Failures that were seen by others, before this one began.
    failures: u64,
    /// The number of the last event that went out.
    after: u64,
    /// The page of that event, and perhaps of more.
    page: Option<Arc<Page>>,
    place: Place,
    closing: watch::Receiver<bool>,
    /// `None` once the stream waits for what is not there yet.
    connection: Option<Connection>,
    knows_fields: bool,
    quiet: Stopwatch,
}

impl Follow {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let next = self.page.as_ref().and_then(|page| page.next(self.after, self.knows_fields));
            if let Some((seq, frame)) = next {
                self.after = seq;
                self.quiet = Stopwatch::start();
                return Some(frame);
            }
            if *self.closing.borrow() {
                return None;
            }
            let Seen { run, failures } = self.seen.borrow_and_update().clone();
            let run = run.filter(|_| failures == self.failures)?;
            if self.after < run.seq {
                self.page = Some(self.next_page().await?);
                continue;
            }
            if run.status.is_terminal() {
                return None;
            }
            // Up to here the answer has an end, and who closed one side may read it.
            if let Some(connection) = self.connection.take() {
                connection.begins_stream();
            }
            // What was shown is nothing to hold on to.
            self.page = None;
            tokio::select! {
                changed = self.seen.changed() => changed.ok()?,
                () = tokio::time::sleep(frames::HEARTBEAT.saturating_sub(self.quiet.elapsed())),
                    if self.knows_fields =>
                {
                    self.quiet = Stopwatch::start();
                    return Some(frames::COMMENT);
                }
                () = self.place.ended() => return None,
                _ = self.closing.wait_for(|closing| *closing) => return None,
            }
        }
    }

    /// The page behind the last event; `None` if the stream ends before it comes.
    async fn next_page(&mut self) -> Option<Arc<Page>> {
        let batch = self.page.as_ref().map_or(1, |page| page.next_batch());
        tokio::select! {
            page = self.following.page(&self.app, self.after, batch) => match page {
                Ok(page) => Some(page),
                Err(error) => {
                    tracing::warn!(run = %self.run, %error, "a watch stream ends early");
                    None
                }
            },
            () = self.place.ended() => None,
            _ = self.closing.wait_for(|closing| *closing) => None,
        }
    }
}
