//! The thread that writes: what waits becomes one batch, one write, one sync.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot, watch};

use super::format;
use super::memory::Memory;
use crate::{Event, Recorded, Unavailable};

/// The most events of one batch: what a sync makes durable together.
const MAX_BATCH: usize = 256;
/// The most bytes of bodies in one batch.
const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;

/// An event that somebody waits for.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) event: Event,
    pub(super) answer: oneshot::Sender<Result<Recorded, Unavailable>>,
}

/// Target of writes: the file, or a test's.
pub(super) trait Log: Send + 'static {
    /// Appends, and returns when it is durable.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
}

impl Log for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)?;
        self.sync_data()
    }
}

/// Runs until nobody can send any more, or until something failed.
pub(super) fn run(
    mut log: impl Log,
    mut queue: mpsc::Receiver<Job>,
    memory: &Mutex<Memory>,
    told: &watch::Sender<u64>,
) {
    while let Some(first) = queue.blocking_recv() {
        let jobs = waiting(first, &mut queue);
        if let Err(error) = write(&mut log, jobs, memory, told) {
            // What the file holds now is not known: the ids of this batch may
            // be in it or not. Whoever waits is told by the closed channel.
            tracing::error!("the journal of received events stops: {error}");
            return;
        }
    }
}

/// Returns what waits already, up to the bounds of a batch.
fn waiting(first: Job, queue: &mut mpsc::Receiver<Job>) -> Vec<Job> {
    let mut bytes = first.event.body.len();
    let mut jobs = vec![first];
    while jobs.len() < MAX_BATCH && bytes < MAX_BATCH_BYTES {
        let Ok(job) = queue.try_recv() else { break };
        bytes += job.event.body.len();
        jobs.push(job);
    }
    jobs
}

fn write(
    log: &mut impl Log,
    jobs: Vec<Job>,
    memory: &Mutex<Memory>,
    told: &watch::Sender<u64>,
) -> io::Result<()> {
    let held = |event: &Event| memory.lock().unwrap_or_else(PoisonError::into_inner).holds(&event.id);
    let mut ids = HashSet::new();
    let (new, copies): (Vec<Job>, Vec<Job>) =
        jobs.into_iter().partition(|job| !held(&job.event) && ids.insert(job.event.id.clone()));
    if !new.is_empty() {
        let bytes = format::batch(new.iter().map(|job| &job.event))?;
        if let Err(error) = log.append(&bytes) {
            let why = Unavailable(error.to_string());
            for job in new.into_iter().chain(copies) {
                let _ = job.answer.send(Err(why.clone()));
            }
            return Err(error);
        }
    }
    // Durable: only now it is remembered, told and answered. Nobody may be left
    // to hear an answer; the event is stored all the same.
    for Job { event, answer } in new {
        let position = memory.lock().unwrap_or_else(PoisonError::into_inner).add(event);
        told.send_replace(position);
        let _ = answer.send(Ok(Recorded::First(position)));
    }
    for job in copies {
        let _ = job.answer.send(Ok(Recorded::Duplicate));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc as gate;

    use bytes::Bytes;
    use px_core::Timestamp;

    use super::super::Journal;
    use super::*;
    use crate::Seen as _;

    /// A log whose appends wait to be let through, with a result.
    struct Gated(gate::Receiver<io::Result<()>>, Arc<AtomicUsize>);

    impl Log for Gated {
        fn append(&mut self, _: &[u8]) -> io::Result<()> {
            let result = self.0.recv().unwrap_or(Ok(()));
            self.1.fetch_add(1, Ordering::SeqCst);
            result
        }
    }

    fn gated() -> (Journal, gate::Sender<io::Result<()>>, Arc<AtomicUsize>) {
        let (open, wait) = gate::channel();
        let appends = Arc::new(AtomicUsize::new(0));
        let journal = Journal::start(Gated(wait, Arc::clone(&appends)), Memory::default()).unwrap();
        (journal, open, appends)
    }

    fn event(id: &str) -> Event {
        Event { id: id.to_owned(), kind: None, at: Timestamp::EPOCH, body: Bytes::from_static(b"{}") }
    }

    #[tokio::test]
    async fn hooks_6_seen_marks_set_before_the_event_is_stored() {
        let (journal, open, appends) = gated();
        let first = tokio::spawn({
            let journal = journal.clone();
            async move { journal.record(event("evt_1")).await }
        });
        let copy = tokio::spawn({
            let journal = journal.clone();
            async move { journal.record(event("evt_1")).await }
        });
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!first.is_finished() && !copy.is_finished(), "nobody is answered before the sync");
        assert_eq!(journal.recent(0), [], "and nothing is remembered");
        open.send(Ok(())).unwrap();
        let mut answers = [first.await.unwrap().unwrap(), copy.await.unwrap().unwrap()];
        answers.sort_by_key(|answer| *answer == Recorded::Duplicate);
        assert_eq!(answers, [Recorded::First(1), Recorded::Duplicate]);
        assert_eq!(appends.load(Ordering::SeqCst), 1, "a copy is not written");
    }

    #[tokio::test]
    async fn a_write_that_fails_leaves_no_mark_and_stops_the_journal() {
        let (journal, open, _) = gated();
        open.send(Err(io::Error::other("the disk is full"))).unwrap();
        let error = journal.record(event("evt_1")).await.unwrap_err();
        assert!(error.to_string().contains("the disk is full"), "{error}");
        assert_eq!(journal.recent(0), []);
        let error = journal.record(event("evt_1")).await.unwrap_err();
        assert!(error.to_string().contains("stopped"), "{error}");
    }
}
