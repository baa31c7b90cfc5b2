//! The line in front of the committer: one vector behind a mutex, bounded in
//! number and bytes. The committer takes a whole group in one go, so a caller
//! holds the lock for one push only.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use px_store::{Admission, Error};
use px_store_rows::{BATCH, RowKey, RowOutcome};
use tokio::sync::oneshot;

use crate::change::{Change, Changes};
use crate::options::Options;
use crate::tree::KEY_BYTES;

/// Bytes that a row takes beside its key and value, in the journal and in memory.
const OP_BYTES: usize = 16;

/// A key that no row has.
const PROBE_KEY: &[u8] = b"\xff\xffprobe";

/// A batch that waits, and who waits for it.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) batch: Changes,
    pub(crate) bytes: usize,
    pub(crate) reply: oneshot::Sender<Result<RowOutcome, Error>>,
}

impl Job {
    /// A batch that changes nothing and that nobody waits for: it is written and
    /// synced like any other.
    pub(crate) fn probe() -> Self {
        let nothing = Change::Remove { key: RowKey::from_slice(PROBE_KEY) };
        let batch = Changes { changes: vec![nothing], ..Changes::default() };
        Self { bytes: weight(&batch), batch, reply: oneshot::channel().0 }
    }

    /// Answers the caller; one that went away does not mind.
    pub(crate) fn answer(self, outcome: Result<RowOutcome, Error>) {
        let _ = self.reply.send(outcome);
    }
}

#[derive(Debug, Default)]
struct Line {
    jobs: VecDeque<Job>,
    bytes: usize,
    /// The committer waits for the condition variable; else a push need not wake it.
    idle: bool,
    closed: bool,
}

/// Shared by the callers and the committer.
#[derive(Debug)]
pub(crate) struct Queue {
    line: Mutex<Line>,
    filled: Condvar,
    bounds: Bounds,
}

#[derive(Debug)]
struct Bounds {
    queue_batches: usize,
    queue_bytes: usize,
    waiting_batches: usize,
    waiting_bytes: usize,
    group_batches: usize,
    group_bytes: usize,
    batch_bytes: usize,
}

/// Result of the committer's look at the queue.
#[derive(Debug)]
pub(crate) enum Taken {
    /// Batches, in the order in which they were handed over.
    Group(Vec<Job>),
    /// The queue is closed and empty.
    Closed,
    /// No batch came in time.
    Nothing,
}

impl Queue {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            line: Mutex::default(),
            filled: Condvar::new(),
            bounds: Bounds {
                queue_batches: options.queue_batches.max(1),
                queue_bytes: options.queue_bytes.max(1),
                waiting_batches: options.waiting_batches.max(1),
                waiting_bytes: options.waiting_bytes.max(1),
                group_batches: options.group_batches.max(1),
                group_bytes: options.group_bytes.max(1),
                batch_bytes: options.batch_bytes,
            },
        }
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        // Nothing below can panic between two changes of the line.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a batch at the end of the line.
    pub(crate) fn push(
        &self,
        batch: Changes,
        admission: Admission,
    ) -> Result<oneshot::Receiver<Result<RowOutcome, Error>>, Error> {
        let bytes = weight(&batch);
        let bounds = [(BATCH, bytes, self.bounds.batch_bytes), ("a key", longest_key(&batch), ROW_KEY_BYTES)];
        for (what, found, most) in bounds {
            if found > most {
                return Err(Error::TooLarge { what: what.to_owned(), found, most });
            }
        }
        let (reply, answer) = oneshot::channel();
        let mut line = self.lock();
        if line.closed {
            return Err(Error::Closed);
        }
        let (most, most_bytes) = match admission {
            Admission::Refuse => (self.bounds.queue_batches, self.bounds.queue_bytes),
            Admission::Wait => (self.bounds.waiting_batches, self.bounds.waiting_bytes),
        };
        // A full line is one that is at its bound already, so that the largest
        // batch finds a place in an empty one.
        if line.jobs.len() >= most || line.bytes >= most_bytes {
            return Err(Error::Busy);
        }
        line.bytes += bytes;
        line.jobs.push_back(Job { batch, bytes, reply });
        let wake = std::mem::take(&mut line.idle);
        drop(line);
        if wake {
            self.filled.notify_one();
        }
        Ok(answer)
    }

    /// Waits for batches, at most for `patience` if it is given, and takes a group
    /// of them.
    pub(crate) fn take(&self, patience: Option<Duration>) -> Taken {
        let deadline = patience.map(|patience| Instant::now() + patience);
        let mut line = self.lock();
        loop {
            if !line.jobs.is_empty() {
                return Taken::Group(self.split(&mut line));
            }
            if line.closed {
                return Taken::Closed;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Taken::Nothing;
            }
            line.idle = true;
            line = match left {
                Some(left) => self.filled.wait_timeout(line, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.filled.wait(line).unwrap_or_else(PoisonError::into_inner),
            };
            line.idle = false;
        }
    }

    fn split(&self, line: &mut Line) -> Vec<Job> {
        let (mut count, mut bytes) = (0, 0);
        for job in line.jobs.iter().take(self.bounds.group_batches) {
            if count > 0 && bytes + job.bytes > self.bounds.group_bytes {
                break;
            }
            count += 1;
            bytes += job.bytes;
        }
        line.bytes -= bytes;
        if count == line.jobs.len() {
            Vec::from(std::mem::take(&mut line.jobs))
        } else {
            line.jobs.drain(..count).collect()
        }
    }

    /// Lets the committer rest until `deadline`, or until the queue is closed.
    pub(crate) fn rest_until(&self, deadline: Instant) {
        let mut line = self.lock();
        while !line.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                return;
            }
            line = self.filled.wait_timeout(line, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes no further batch; what waits is still served.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
    }

    /// Takes no further batch and gives up what waits.
    pub(crate) fn abandon(&self, why: &Error) {
        let mut line = self.lock();
        line.closed = true;
        line.bytes = 0;
        let jobs = std::mem::take(&mut line.jobs);
        drop(line);
        self.filled.notify_all();
        for job in jobs {
            job.answer(Err(why.clone()));
        }
    }
}

/// The longest key or list name, as a caller may give it: the tree adds at
/// most a prefix, a length and an id.
const ROW_KEY_BYTES: usize = KEY_BYTES - 32; // 1,504, as `SledRows` documents

fn longest_key(batch: &Changes) -> usize {
    batch.changes.iter().map(|change| change.key().len()).max().unwrap_or(0)
}

/// The bytes of a batch as the bounds count them.
pub(crate) fn weight(batch: &Changes) -> usize {
    let changes = batch.changes.iter().map(|change| OP_BYTES + change.key().len() + change.value_bytes());
    let checks = batch.checks.iter().map(|check| OP_BYTES + check.key.len());
    changes.sum::<usize>() + checks.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packing::Stored;

    fn batch(bytes: usize) -> Changes {
        let value = Stored::Whole(vec![0; bytes].into());
        Changes { changes: vec![Change::Put { key: RowKey::new(), value }], ..Changes::default() }
    }

    #[test]
    fn refuse_is_answered_at_once_and_wait_has_the_farther_bound() {
        let queue = Queue::new(&Options { queue_batches: 2, waiting_batches: 3, ..Options::default() });
        let _first = queue.push(batch(1), Admission::Refuse).unwrap();
        let _second = queue.push(batch(1), Admission::Refuse).unwrap();
        assert!(matches!(queue.push(batch(1), Admission::Refuse), Err(Error::Busy)));
        let _third = queue.push(batch(1), Admission::Wait).unwrap();
        assert!(matches!(queue.push(batch(1), Admission::Wait), Err(Error::Busy)));
    }

    #[test]
    fn groups_are_bounded_in_number_and_bytes_and_keep_the_order() {
        let options = Options { group_batches: 3, group_bytes: 1000, ..Options::default() };
        let queue = Queue::new(&options);
        let answers: Vec<_> = [10, 20, 30, 40, 900, 2000, 5]
            .map(|size| queue.push(batch(size), Admission::Wait).unwrap())
            .into();
        queue.close();
        let mut sizes = Vec::new();
        while let Taken::Group(jobs) = queue.take(None) {
            sizes.push(jobs.iter().map(|job| job.bytes - OP_BYTES).collect::<Vec<_>>());
        }
        assert_eq!(sizes, [vec![10, 20, 30], vec![40, 900], vec![2000], vec![5]]);
        drop(answers);
    }

    #[test]
    fn bytes_are_bounded_too_and_one_large_batch_still_finds_a_place() {
        let queue = Queue::new(&Options { queue_bytes: 100, batch_bytes: 5000, ..Options::default() });
        let _large = queue.push(batch(4000), Admission::Refuse).unwrap();
        assert!(matches!(queue.push(batch(1), Admission::Refuse), Err(Error::Busy)));
        let refused = queue.push(batch(6000), Admission::Wait);
        assert!(matches!(refused, Err(Error::TooLarge { most: 5000, .. })), "{refused:?}");
    }
}
