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

/// Maximum number of events that are read at once.
const MAX_BATCH: usize = 64;

/// Bytes of frames that a stream makes from one read, and holds while its client does
/// not take them, unless one event alone has more. An event may be as large as a state.
const BATCH_BYTES: usize = 1024 * 1024;

/// Number of events to read next, if that many had so many bytes: as many as have room
/// if they are like those, and at most twice as many, since they may not be.
fn next_batch(events: usize, bytes: usize) -> usize {
    let fitting = BATCH_BYTES.saturating_mul(events) / bytes.max(1);
    fitting.min(events.saturating_mul(2)).clamp(1, MAX_BATCH)
}

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
        batch: 1,
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
    /// Number of events that the next read asks for.
    batch: usize,
    /// Frames of events, by their numbers, that go out next.
    pending: VecDeque<(u64, Bytes)>,
    over: bool,
    quiet: Stopwatch,
}

impl Follow {
    async fn next(&mut self) -> Option<Bytes> {
        let mut closing = self.app.closing.clone();
        loop {
            if let Some((seq, frame)) = self.pending.pop_front() {
                self.after = seq;
                self.quiet = Stopwatch::start();
                return Some(frame);
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
        let events = store.events(scope, self.run.id, self.after, self.batch).await?;
        let last = events.last().map_or(self.after, |event| event.seq);
        self.over = self.run.status.is_terminal() && last >= self.run.seq;
        let frames = events.iter().map(|event| (event.seq, self.frame(event)));
        let frames: Vec<_> = frames.collect();
        if !frames.is_empty() {
            let bytes = frames.iter().map(|(_, frame)| frame.len()).sum();
            self.batch = next_batch(frames.len(), bytes);
        }
        self.pending.extend(frames);
        Ok(())
    }

    fn frame(&self, event: &Event) -> Bytes {
        // Every event can be written: its keys are texts.
        let data = serde_json::to_string(&px_api::Event::of(&self.run, event)).unwrap_or_default();
        frames::frame(self.knows_fields.then_some(event.seq), &data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_asks_for_no_more_than_has_room_if_events_go_on_as_they_were() {
        const STATE: usize = 4 * 1024 * 1024;
        // Small ones: twice as many each time, up to the bound.
        let asked = std::iter::successors(Some(1), |batch| Some(next_batch(*batch, batch * 500)));
        assert_eq!(asked.take(8).collect::<Vec<_>>(), [1, 2, 4, 8, 16, 32, 64, 64]);
        // Large ones: one at a time at once, and as many as fit in between.
        assert_eq!(next_batch(64, 64 * STATE), 1);
        assert_eq!(next_batch(1, STATE), 1);
        assert_eq!(next_batch(8, 8 * 100_000), 10);
        assert_eq!((next_batch(1, 0), next_batch(64, usize::MAX)), (2, 1));
    }
}
