//! A run that somebody follows. All who follow it share what is read of it: the run
//! itself, which is read anew only once its `seq` says that it has changed, and pages
//! of its log. A new entry is read and written as a frame once, however many watch.
//!
//! Who begins further back reads pages of its own, and shares them with all who are at
//! the same place. What is read for any watcher is read in turn (`Turns`), so that all
//! of them together never have more than one thread at a time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use px_core::{Event, Run, RunId, Stopwatch};
use tokio::sync::{Mutex, watch};

use super::frames;
use crate::app::App;

/// Maximum number of events that are read at once.
const MAX_BATCH: usize = 64;

/// Bytes of frames that are made from one read, unless one event alone has more. An
/// event may be as large as a state.
const BATCH_BYTES: usize = 1024 * 1024;

/// Pages that are held for those who come to the same place.
const MAX_PAGES: usize = 2;

/// A read of so much time is followed by no pause.
const SHORT_READ: Duration = Duration::from_millis(1);

/// The longest pause after a read.
const MAX_PAUSE: Duration = Duration::from_millis(250);

/// Number of events to read next, if that many had so many bytes: as many as have room
/// if they are like those, and at most twice as many, since they may not be.
fn next_batch(events: usize, bytes: usize) -> usize {
    let fitting = BATCH_BYTES.saturating_mul(events) / bytes.max(1);
    fitting.min(events.saturating_mul(2)).clamp(1, MAX_BATCH)
}

/// Turns of those who read for watchers: one at a time, each followed by a pause as long
/// as its read took. So watchers of large runs have half of a thread at most, and what
/// webhooks need of the machine stays theirs (docs/rules.md#66).
#[derive(Default)]
pub(super) struct Turns(Mutex<()>);

impl Turns {
    async fn take<T>(&self, read: impl Future<Output = T>) -> T {
        let _turn = self.0.lock().await;
        // A store that has its rows at hand never waits, and so lets nobody else go first.
        tokio::task::yield_now().await;
        let took = Stopwatch::start();
        let found = read.await;
        let took = took.elapsed();
        if took > SHORT_READ {
            tokio::time::sleep(took.min(MAX_PAUSE)).await;
        }
        found
    }
}

/// An entry of a log as it goes out.
struct Frame {
    seq: u64,
    /// With its `id` line.
    bytes: Bytes,
    /// The place behind the `id` line.
    data_at: usize,
}

impl Frame {
    fn of(run: &Run, event: &Event) -> Self {
        // Every event can be written: its keys are texts.
        let data = serde_json::to_string(&px_api::Event::of(run, event)).unwrap_or_default();
        let bytes = frames::frame(Some(event.seq), &data);
        let data_at = bytes.len() - frames::length(&data);
        Self { seq: event.seq, bytes, data_at }
    }
}

/// Entries of a log that follow each other.
pub(crate) struct Page {
    /// The number of the last entry before it.
    after: u64,
    /// At least one.
    frames: Vec<Frame>,
    /// Number of events that a read behind it asks for.
    next_batch: usize,
}

impl Page {
    /// The entry after another one: its number, and its bytes with or without it.
    pub(crate) fn next(&self, after: u64, with_id: bool) -> Option<(u64, Bytes)> {
        let frame = self.frames.iter().find(|frame| frame.seq > after)?;
        let from = if with_id { 0 } else { frame.data_at };
        Some((frame.seq, frame.bytes.slice(from..)))
    }

    pub(crate) const fn next_batch(&self) -> usize {
        self.next_batch
    }

    fn has_what_follows(&self, seq: u64) -> bool {
        self.after <= seq && self.frames.last().is_some_and(|last| seq < last.seq)
    }
}

/// A run as those who follow it know it.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    /// As it was read last. `None` until it was read for the first time.
    pub(crate) run: Option<Arc<Run>>,
    /// Number of times that it could not be read.
    pub(crate) failures: u64,
}

/// A run that is followed.
pub(crate) struct Followed {
    id: RunId,
    seen: watch::Sender<Seen>,
    /// Held by whoever reads. The page that was read last is the last.
    pages: Mutex<Vec<Arc<Page>>>,
}

impl Followed {
    pub(super) fn new(id: RunId) -> Self {
        Self { id, seen: watch::Sender::default(), pages: Mutex::default() }
    }

    /// Returns the run as it is, and what becomes of it; `None` if there is no such run.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) async fn begin(
        &self,
        app: &App,
    ) -> Result<Option<(Arc<Run>, watch::Receiver<Seen>)>, px_store::Error> {
        // Before the look, or what it does not see could be missed.
        let seen = self.seen.subscribe();
        Ok(self.look(app).await?.map(|run| (run, seen)))
    }

    /// Looks whether the run has changed, and tells those who follow it.
    pub(super) async fn look_for_all(&self, app: &App) {
        if let Err(error) = self.look(app).await {
            tracing::warn!(run = %self.id, %error, "the watch streams of a run end early");
            self.seen.send_modify(|seen| seen.failures += 1);
        }
    }

    async fn look(&self, app: &App) -> Result<Option<Arc<Run>>, px_store::Error> {
        let _reads = self.pages.lock().await;
        let (store, scope) = (app.store(), app.parts.scope);
        let Some(seq) = store.run_seq(scope, self.id).await? else { return Ok(None) };
        let known = self.seen.borrow().run.clone();
        if known.as_ref().is_some_and(|run| run.seq == seq) {
            return Ok(known);
        }
        let read = app.streams.runs.turns().take(store.run(scope, self.id));
        let run = read.await?.map(|record| record.run);
        if run.is_some() {
            self.seen.send_modify(|seen| seen.run.clone_from(&run));
        }
        Ok(run)
    }

    /// Entries after one that is not the last, as many as `batch` if they are not held
    /// already.
    ///
    /// # Errors
    /// The store cannot be read, or the log ends before its run says so.
    pub(crate) async fn page(
        &self,
        app: &App,
        after: u64,
        batch: usize,
    ) -> Result<Arc<Page>, px_store::Error> {
        let mut pages = self.pages.lock().await;
        if let Some(page) = pages.iter().rev().find(|page| page.has_what_follows(after)) {
            return Ok(Arc::clone(page));
        }
        let Some(run) = self.seen.borrow().run.clone() else { return Err(ends_early(self.id, after)) };
        let made = app.streams.runs.turns().take(async {
            let events = app.store().events(app.parts.scope, self.id, after, batch).await?;
            // Later ones are shown by the run as it is then.
            let shown = events.iter().take_while(|event| event.seq <= run.seq);
            Ok::<_, px_store::Error>(shown.map(|event| Frame::of(&run, event)).collect::<Vec<_>>())
        });
        let frames = made.await?;
        if frames.is_empty() {
            return Err(ends_early(self.id, after));
        }
        let next_batch = next_batch(frames.len(), frames.iter().map(|frame| frame.bytes.len()).sum());
        let page = Arc::new(Page { after, frames, next_batch });
        if pages.len() == MAX_PAGES {
            pages.remove(0);
        }
        pages.push(Arc::clone(&page));
        Ok(page)
    }
}

fn ends_early(run: RunId, after: u64) -> px_store::Error {
    px_store::Error::Corrupt(format!("the log of {run} ends at {after}, before its run says so"))
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

    #[test]
    fn a_page_gives_what_follows_a_place_in_it_and_nothing_else() {
        let frame = |seq| {
            let bytes = frames::frame(Some(seq), "{}");
            Frame { seq, data_at: bytes.len() - frames::length("{}"), bytes }
        };
        let page = Page { after: 3, frames: vec![frame(4), frame(5)], next_batch: 1 };
        assert_eq!([2, 3, 4, 5].map(|seq| page.has_what_follows(seq)), [false, true, true, false]);
        assert_eq!(page.next(3, true), Some((4, Bytes::from("id: 4\ndata: {}\n\n"))));
        assert_eq!(page.next(4, false), Some((5, Bytes::from("data: {}\n\n"))));
        assert_eq!(page.next(5, true), None);
    }
}
