//! `GET /brains/runs/:id/watch`: a run's log as server-sent events, history
//! first, then live, without a gap: each frame is read from the store after
//! the one before it, and hints only say when to look. The stream ends after
//! the last event of the terminal commit (docs/rules.md#37).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{ConnectInfo, Path, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, StatusCode};
use px_core::{Event, Run, RunId, Stopwatch};
use tokio::sync::Notify;

use super::runs::find;
use crate::access::Right;
use crate::app::Shared;
use crate::connections::Connection;
use crate::error::ApiError;
use crate::streams::Place;
use crate::streams::frames::{self, Reader};

/// Interval at which the store is looked at when no hint comes (docs/rules.md#41).
const POLL: Duration = Duration::from_secs(1);

/// Number of events that are read at once.
const BATCH: usize = 64;

pub(super) async fn run(
    State(app): State<Shared>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    Extension(right): Extension<Right>,
    connection: Option<Extension<Connection>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let run = find(&app, &id).await?;
    let reader = Reader::of(&headers);
    if run.status.is_terminal() && reader.last.is_some_and(|last| last >= run.seq) {
        // Nothing will ever come, and an `EventSource` that is told so stops asking.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let address = app.urls.client(remote.ip(), &headers);
    let connection = connection.map(|Extension(connection)| connection);
    let place = app.streams.enter(right, address, connection.clone())?;
    let follow = Follow {
        // An id that the log has not come to is none of this run's.
        after: reader.last.map_or(0, |id| id.min(run.seq)),
        listening: Listening::to(&app, run.id),
        knows_fields: reader.knows_fields,
        app,
        run,
        place,
        connection,
        pending: VecDeque::new(),
        over: false,
        quiet: Stopwatch::start(),
    };
    Ok(frames::respond(stream::unfold(follow, |mut follow| async move {
        let bytes = follow.next().await?;
        Some((bytes, follow))
    })))
}

/// Hints of one run, until this is dropped.
struct Listening {
    app: Shared,
    run: RunId,
    hint: Arc<Notify>,
}

impl Listening {
    fn to(app: &Shared, run: RunId) -> Self {
        Self { hint: app.streams.runs.listen(run, app.store().hints()), app: Arc::clone(app), run }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.app.streams.runs.leave(self.run);
    }
}

struct Follow {
    app: Shared,
    run: Run,
    after: u64,
    listening: Listening,
    place: Place,
    /// `None` once the stream waits for what is not there yet.
    connection: Option<Connection>,
    knows_fields: bool,
    pending: VecDeque<Event>,
    over: bool,
    quiet: Stopwatch,
}

impl Follow {
    async fn next(&mut self) -> Option<Bytes> {
        let mut closing = self.app.closing.clone();
        loop {
            if let Some(event) = self.pending.pop_front() {
                self.after = event.seq;
                self.quiet = Stopwatch::start();
                let shown = px_api::Event::of(&self.run, &event);
                // Every event can be written: its keys are texts.
                let data = serde_json::to_string(&shown).unwrap_or_default();
                return Some(frames::frame(self.knows_fields.then_some(event.seq), &data));
            }
            if self.over || *closing.borrow() {
                return None;
            }
            // Before the read, or a hint that comes during it would be missed.
            let hint = Arc::clone(&self.listening.hint);
            let mut hint = std::pin::pin!(hint.notified());
            hint.as_mut().enable();
            if let Err(error) = self.read().await {
                tracing::warn!(run = %self.run.id, %error, "a watch stream ends early");
                return None;
            }
            if !self.pending.is_empty() || self.over {
                continue;
            }
            // Up to here the answer has an end, and who closed one side may read it.
            if let Some(connection) = self.connection.take() {
                connection.begins_stream();
            }
            tokio::select! {
                () = hint => {}
                () = tokio::time::sleep(POLL) => {}
                () = self.place.ended() => return None,
                _ = closing.wait_for(|closing| *closing) => return None,
            }
            if self.knows_fields && self.quiet.elapsed() >= frames::HEARTBEAT {
                self.quiet = Stopwatch::start();
                return Some(frames::COMMENT);
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
}
