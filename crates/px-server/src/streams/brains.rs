//! The feed of runs that have not ended: one reader of the store for all who
//! watch. It reads when a hint says that a run changed, at most four times a
//! second, and more rarely where all watchers together would get too much.
//!
//! Who begins to watch gets the runs as they are then, and shares the read with
//! all who begin meanwhile. Frames are numbered in the order in which they were
//! read, so nobody is shown an older one after a newer one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use px_api::{RunSummary, RunningBrains};
use px_core::{RunId, RunStatus, Stopwatch};
use px_store::RunFilter;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{Mutex, MutexGuard, watch};

use super::frames;
use super::subscription::Subscription;
use crate::app::{App, Shared};

/// Number of runs that a frame lists, the newest.
const MAX_RUNS: usize = 1_000;

/// Interval at which the store is looked at when no hint comes (docs/rules.md#41).
const POLL: Duration = Duration::from_secs(1);

/// Minimum time between two frames.
const PACE: Duration = Duration::from_millis(250);

/// Reads of the store until a frame that looks like the last is published again.
const READS_PER_REPETITION: u32 = 4;

/// Maximum time between two frames while runs change.
const SLOWEST_PACE: Duration = Duration::from_secs(5);

/// Time between two frames, in times of what reading one takes: the runs that it shows
/// are read with their states, and who only looks must leave the machine to webhooks.
const READ_SHARE: u32 = 4;

/// Bytes that all watchers together get in a second.
const MAX_BYTES_PER_SECOND: u64 = 8 * 1024 * 1024;

/// One frame, as it goes out.
pub(crate) struct Frame {
    pub(crate) number: u64,
    pub(crate) bytes: Bytes,
    /// The newest request for a frame that it was read after.
    asked: u64,
    runs: BTreeSet<RunId>,
}

/// A frame for all who watch.
#[derive(Clone)]
pub(crate) struct Published {
    pub(crate) frame: Arc<Frame>,
    /// The newest frame before which a run began and ended unseen. It is shown
    /// although it may look like the one before it.
    passed_by: u64,
}

impl Published {
    /// Returns whether it tells something to whom this frame was shown last.
    pub(crate) fn is_news_after(&self, shown: &Frame) -> bool {
        let is_newer = self.frame.number > shown.number;
        is_newer && (self.passed_by > shown.number || self.frame.bytes != shown.bytes)
    }
}

/// Frames that were read, and who has them.
#[derive(Default)]
struct Read {
    newest: Option<Arc<Frame>>,
    /// The bytes that all who watch have once the publisher is done with its last frame.
    of_all: Bytes,
    /// Somebody was given other bytes since then, and has to be told what follows
    /// although the publisher may see no change.
    has_unpublished: bool,
}

impl Read {
    /// Notes that a frame goes to a newcomer, who begins to watch.
    fn note_newcomer(&mut self, frame: &Frame) {
        self.has_unpublished |= frame.bytes != self.of_all;
    }

    /// Notes that the publisher decides on a frame, and returns whether somebody has
    /// bytes that were never published. A frame that is given to one after this call
    /// counts for the publisher's next, which is newer.
    fn take_unpublished(&mut self, frame: &Frame) -> bool {
        self.of_all = frame.bytes.clone();
        std::mem::take(&mut self.has_unpublished)
    }
}

/// The feed.
pub(crate) struct Feed {
    /// Requests for a frame.
    asked: AtomicU64,
    /// Held by whoever reads.
    read: Mutex<Read>,
    published: watch::Sender<Option<Published>>,
    hints: Subscription,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            asked: AtomicU64::new(0),
            read: Mutex::default(),
            published: watch::Sender::new(None),
            hints: Subscription::default(),
        }
    }
}

impl Feed {
    /// The runs as they are now, and what follows.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) async fn watch(
        &self,
        app: &App,
    ) -> Result<(Arc<Frame>, watch::Receiver<Option<Published>>), px_store::Error> {
        // Before the read, or what is published or hinted at meanwhile would be missed.
        let published = self.published.subscribe();
        self.hints.begin(app.store().hints());
        let (frame, mut read) = self.read(app).await?;
        read.note_newcomer(&frame);
        Ok((frame, published))
    }

    /// A frame for the publisher, and whether somebody has one that was never published.
    async fn read_for_all(&self, app: &App) -> Result<(Arc<Frame>, bool), px_store::Error> {
        let (frame, mut read) = self.read(app).await?;
        let has_unpublished = read.take_unpublished(&frame);
        Ok((frame, has_unpublished))
    }

    /// A frame that is read after this call, by whomever, and the lock under which
    /// it is noted who gets it.
    async fn read(&self, app: &App) -> Result<(Arc<Frame>, MutexGuard<'_, Read>), px_store::Error> {
        let ticket = self.asked.fetch_add(1, Ordering::AcqRel) + 1;
        let mut read = self.read.lock().await;
        if let Some(frame) = read.newest.as_ref().filter(|frame| frame.asked >= ticket) {
            return Ok((Arc::clone(frame), read));
        }
        let asked = self.asked.load(Ordering::Acquire);
        let statuses = vec![RunStatus::Running, RunStatus::Paused, RunStatus::Waiting];
        let filter = RunFilter { statuses, ..RunFilter::default() };
        let page = app.store().runs(app.parts.scope, &filter, None, MAX_RUNS).await?;
        let shown: Vec<RunSummary> = page.items.iter().map(|record| (&*record.run).into()).collect();
        let runs = shown.iter().map(|run| run.brain_run_id).collect();
        // Every run can be written: its keys are texts.
        let data = serde_json::to_string(&RunningBrains { running_brains: shown }).unwrap_or_default();
        let number = read.newest.as_ref().map_or(0, |frame| frame.number) + 1;
        let frame = Arc::new(Frame { number, bytes: frames::frame(None, &data), asked, runs });
        read.newest = Some(Arc::clone(&frame));
        Ok((frame, read))
    }

    /// Minimum time between a frame of so many bytes, which took so long to read, and the
    /// next one.
    fn pace(&self, bytes: usize, took: Duration) -> Duration {
        let all = (bytes as u64).saturating_mul(self.published.receiver_count() as u64);
        let by_bytes = Duration::from_millis(all.saturating_mul(1_000) / MAX_BYTES_PER_SECOND);
        by_bytes.max(took.saturating_mul(READ_SHARE)).clamp(PACE, SLOWEST_PACE)
    }
}

/// Hints since the last frame, summed up.
#[derive(Default)]
struct Hinted {
    runs: BTreeSet<RunId>,
    /// More than can be remembered.
    has_lagged: bool,
}

impl Hinted {
    fn note(&mut self, run: RunId) {
        if self.runs.len() < MAX_RUNS {
            self.runs.insert(run);
        } else {
            self.has_lagged = true;
        }
    }

    /// Notes the hints that have come, without waiting.
    fn drain(&mut self, hints: &mut Receiver<RunId>) {
        loop {
            match hints.try_recv() {
                Ok(run) => self.note(run),
                Err(TryRecvError::Lagged(_)) => self.has_lagged = true,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    async fn wait(&mut self, hints: &mut Receiver<RunId>) {
        match hints.recv().await {
            Ok(run) => self.note(run),
            Err(RecvError::Lagged(_)) => self.has_lagged = true,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }

    /// Returns whether a run changed that neither frame shows: it began and ended
    /// in between.
    fn has_passed_by(&self, before: &Frame, now: &Frame) -> bool {
        self.has_lagged || self.runs.iter().any(|run| !before.runs.contains(run) && !now.runs.contains(run))
    }
}

/// Publishes frames until the server ends, while somebody watches.
pub(crate) async fn publish(app: Shared) {
    let mut closing = app.closing.clone();
    let always = async {
        loop {
            let hints = app.streams.brains.hints.begun().await;
            publish_while_watched(&app, hints).await;
        }
    };
    tokio::select! {
        () = always => {}
        _ = closing.wait_for(|closing| *closing) => {}
    }
}

async fn publish_while_watched(app: &App, mut hints: Receiver<RunId>) {
    let feed = &app.streams.brains;
    let mut hinted = Hinted::default();
    let mut shown = Shown::default();
    while !feed.hints.ends_if(|| feed.published.receiver_count() == 0) {
        hinted.drain(&mut hints);
        let seen = std::mem::take(&mut hinted);
        let took = Stopwatch::start();
        let pace = match feed.read_for_all(app).await {
            Ok((frame, has_unpublished)) => {
                let pace = feed.pace(frame.bytes.len(), took.elapsed());
                if let Some(published) = shown.next(frame, &seen, has_unpublished) {
                    feed.published.send_replace(Some(published));
                }
                pace
            }
            Err(error) => {
                tracing::warn!(%error, "the runs could not be read for those who watch");
                hinted.has_lagged = true;
                POLL
            }
        };
        tokio::time::sleep(pace).await;
        if hints.is_empty() && !shown.is_owed {
            tokio::select! {
                () = hinted.wait(&mut hints) => {}
                () = tokio::time::sleep(POLL) => {}
                () = feed.published.closed() => {}
            }
        }
    }
}

/// The frame that all were shown last, and what is still to be told.
#[derive(Default)]
struct Shown {
    last: Option<Published>,
    /// Reads since it was published.
    reads: u32,
    /// A run began and ended unseen since then.
    is_owed: bool,
}

impl Shown {
    /// Decides whether a frame is published. One that looks like the last, since the
    /// runs that changed passed by, is worth less than it costs all watchers: it is
    /// at once after a while of quiet, and more rarely while runs keep passing by.
    /// If somebody has bytes that were never published, it is always: it costs only
    /// those to whom it is news.
    fn next(&mut self, frame: Arc<Frame>, seen: &Hinted, has_unpublished: bool) -> Option<Published> {
        self.reads = self.reads.saturating_add(1);
        self.is_owed |= self.last.as_ref().is_some_and(|last| seen.has_passed_by(&last.frame, &frame));
        let is_other = self.last.as_ref().is_none_or(|last| last.frame.bytes != frame.bytes);
        let is_due = self.is_owed && self.reads >= READS_PER_REPETITION;
        if !is_other && !is_due && !has_unpublished {
            return None;
        }
        let passed_by = match &self.last {
            _ if self.is_owed && (is_other || is_due) => frame.number,
            Some(last) => last.passed_by,
            None => 0,
        };
        if is_other || is_due {
            (self.reads, self.is_owed) = (0, false);
        }
        self.last = Some(Published { frame, passed_by });
        self.last.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_that_are_read_slowly_or_are_large_come_more_rarely() {
        let feed = Feed::default();
        let _watches = feed.published.subscribe();
        let ms = Duration::from_millis;
        assert_eq!(feed.pace(100, ms(1)), PACE);
        assert_eq!(feed.pace(100, ms(200)), ms(800), "a fifth of the time is for reading");
        assert_eq!(feed.pace(8 * 1024 * 1024, ms(1)), ms(1_000));
        assert_eq!(feed.pace(100, ms(60_000)), SLOWEST_PACE);
    }

    fn next(shown: &mut Shown, frame: Arc<Frame>, seen: &Hinted) -> Option<Published> {
        shown.next(frame, seen, false)
    }

    #[test]
    fn what_passes_by_is_told_at_once_and_then_more_rarely_and_what_changes_always() {
        let run = |number: u8| RunId::from_bytes([number; 16]);
        let mut number = 0;
        let mut frame = |text: &'static str, runs: &[RunId]| {
            number += 1;
            let runs = runs.iter().copied().collect();
            Arc::new(Frame { number, bytes: Bytes::from_static(text.as_bytes()), asked: 0, runs })
        };
        let by = |hinted: RunId| Hinted { runs: BTreeSet::from([hinted]), has_lagged: false };
        let quiet = Hinted::default();
        let mut shown = Shown::default();
        let listed = [run(1)];
        assert!(next(&mut shown, frame("a", &listed), &quiet).is_some(), "the first");
        for _ in 0..READS_PER_REPETITION {
            assert!(next(&mut shown, frame("a", &listed), &quiet).is_none(), "nothing happened");
        }
        assert!(next(&mut shown, frame("a", &listed), &by(run(1))).is_none(), "it looks as it did");
        assert!(next(&mut shown, frame("a", &listed), &by(run(2))).is_some(), "another one passed by");
        let told = (0..2 * READS_PER_REPETITION)
            .filter(|_| next(&mut shown, frame("a", &listed), &by(run(3))).is_some());
        assert_eq!(told.count(), 2, "many pass by");
        assert!(next(&mut shown, frame("a", &listed), &by(run(4))).is_none() && shown.is_owed);
        assert!(
            next(&mut shown, frame("b", &listed), &quiet).is_some() && !shown.is_owed,
            "a change is at once"
        );
    }

    #[test]
    fn who_was_given_a_frame_that_was_never_published_is_told_of_the_next_one() {
        let (mut read, mut shown) = (Read::default(), Shown::default());
        let mut number = 0;
        let mut frame = |text: &'static str| {
            number += 1;
            let bytes = Bytes::from_static(text.as_bytes());
            Arc::new(Frame { number, bytes, asked: 0, runs: BTreeSet::new() })
        };
        let mut publish = |read: &mut Read, frame: Arc<Frame>| {
            let has_unpublished = read.take_unpublished(&frame);
            shown.next(frame, &Hinted::default(), has_unpublished)
        };
        let first = frame("waiting");
        let published = publish(&mut read, Arc::clone(&first)).unwrap();
        let newcomers = frame("running");
        read.note_newcomer(&newcomers);
        let published_again = publish(&mut read, frame("waiting")).expect("the newcomer has to be told");
        assert!(published_again.is_news_after(&newcomers));
        assert!(!published_again.is_news_after(&published.frame), "others have it");
        assert!(publish(&mut read, frame("waiting")).is_none(), "it is told once");
        // Who begins with what all have needs nothing more.
        read.note_newcomer(&frame("waiting"));
        assert!(publish(&mut read, frame("waiting")).is_none());
        // One that is given away between the publisher's read and its decision counts for the next.
        let late = frame("running");
        let has_unpublished = read.take_unpublished(&first);
        read.note_newcomer(&late);
        assert!(!has_unpublished && publish(&mut read, frame("waiting")).unwrap().is_news_after(&late));
    }
}
