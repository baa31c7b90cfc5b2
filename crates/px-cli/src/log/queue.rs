//! The bounded queue between whoever prints and the thread that writes. Its
//! lock is held for a few moves of memory and never while something is written.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use px_metrics::Counter;

use super::stream::Stream;

/// Maximum number of lines in the queue.
pub(super) const MAX_LINES: usize = 8_192;

/// Maximum number of bytes in the queue, the line that is being written
/// included. A longer line never fits.
pub(super) const MAX_BYTES: usize = 4 * 1024 * 1024;

/// A text for one of the streams, its end of line included.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) to: Stream,
    pub(super) text: Box<[u8]>,
}

/// The next thing to write.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Work {
    Line(Line),
    /// The stream works again, and so many of its lines are missing.
    Missing {
        to: Stream,
        count: u64,
    },
}

/// Lines that wait to be written, and the number of those that are missing.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    emptied: Condvar,
    dropped: &'static Counter,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<Line>,
    bytes: usize,
    is_idle: bool,
    out: Health,
    err: Health,
}

/// The state of a stream as far as it is known.
#[derive(Debug, Default)]
struct Health {
    /// Lines that are missing and that nobody was told of.
    missing: u64,
    /// The last write failed.
    fails: bool,
}

impl State {
    fn health(&mut self, to: Stream) -> &mut Health {
        match to {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        }
    }

    fn has_work(&self) -> bool {
        let tells = |health: &Health| health.missing > 0 && !health.fails;
        !self.lines.is_empty() || tells(&self.out) || tells(&self.err)
    }
}

impl Queue {
    pub(super) fn new(dropped: &'static Counter) -> Self {
        Self { state: Mutex::default(), filled: Condvar::new(), emptied: Condvar::new(), dropped }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line, or counts it as missing if it does not fit.
    pub(super) fn push(&self, line: Line) {
        let mut state = self.state();
        let bytes = state.bytes.saturating_add(line.text.len());
        if state.lines.len() < MAX_LINES && bytes <= MAX_BYTES {
            state.bytes = bytes;
            state.lines.push_back(line);
        } else {
            state.health(line.to).missing += 1;
            self.dropped.increment();
        }
        if state.is_idle {
            self.filled.notify_one();
        }
    }

    /// Counts a line as missing that never became one.
    pub(super) fn lose(&self, to: Stream) {
        let mut state = self.state();
        state.health(to).missing += 1;
        self.dropped.increment();
        // The writer says how many are missing, and a flush waits until it has.
        if state.is_idle {
            self.filled.notify_one();
        }
    }

    /// Waits for something to write. What is missing is told when the queue is
    /// empty and the stream's last write went well, so that a sink that is too
    /// slow for its lines is not given more of them.
    pub(super) fn next(&self) -> Work {
        let mut state = self.state();
        loop {
            if let Some(line) = state.lines.pop_front() {
                return Work::Line(line);
            }
            for to in [Stream::Out, Stream::Err] {
                let health = state.health(to);
                if health.missing > 0 && !health.fails {
                    return Work::Missing { to, count: std::mem::take(&mut health.missing) };
                }
            }
            state.is_idle = true;
            self.emptied.notify_all();
            state = self
                .filled
                .wait_while(state, |state| !state.has_work())
                .unwrap_or_else(PoisonError::into_inner);
            state.is_idle = false;
        }
    }

    /// Takes note of how it went with a line.
    pub(super) fn done(&self, to: Stream, bytes: usize, is_written: bool) {
        let mut state = self.state();
        state.bytes = state.bytes.saturating_sub(bytes);
        let health = state.health(to);
        health.fails = !is_written;
        if !is_written {
            health.missing += 1;
            self.dropped.increment();
        }
    }

    /// Takes note of how it went with the word about missing lines.
    pub(super) fn told(&self, to: Stream, count: u64, is_written: bool) {
        let mut state = self.state();
        let health = state.health(to);
        health.fails = !is_written;
        if !is_written {
            health.missing += count;
        }
    }

    /// Waits until nothing is left to write; `false` if that takes longer.
    pub(super) fn flush(&self, most: Duration) -> bool {
        let is_busy = |state: &mut State| !state.is_idle || state.has_work();
        let waited = self.emptied.wait_timeout_while(self.state(), most, is_busy);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(to: Stream, bytes: usize) -> Line {
        Line { to, text: vec![b'x'; bytes].into() }
    }

    fn queue() -> (Queue, &'static Counter) {
        let dropped: &'static Counter = Box::leak(Box::default());
        (Queue::new(dropped), dropped)
    }

    #[test]
    fn a_line_too_many_is_dropped_and_counted() {
        let (queue, dropped) = queue();
        for _ in 0..MAX_LINES + 3 {
            queue.push(line(Stream::Err, 1));
        }
        assert_eq!(dropped.get(), 3);
        for _ in 0..MAX_LINES {
            assert_eq!(queue.next(), Work::Line(line(Stream::Err, 1)));
            queue.done(Stream::Err, 1, true);
        }
        assert_eq!(queue.next(), Work::Missing { to: Stream::Err, count: 3 });
    }

    #[test]
    fn a_line_that_never_became_one_wakes_the_writer_too() {
        let (queue, dropped) = queue();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| queue.next());
            while !queue.state().is_idle {
                std::thread::yield_now();
            }
            queue.lose(Stream::Err);
            assert_eq!(writer.join().unwrap(), Work::Missing { to: Stream::Err, count: 1 });
        });
        assert_eq!(dropped.get(), 1);
    }

    #[test]
    fn the_line_that_is_being_written_still_takes_its_bytes() {
        let (queue, dropped) = queue();
        queue.push(line(Stream::Out, MAX_BYTES));
        assert_eq!(queue.next(), Work::Line(line(Stream::Out, MAX_BYTES)));
        queue.push(line(Stream::Err, 1));
        assert_eq!(dropped.get(), 1);
        queue.done(Stream::Out, MAX_BYTES, true);
        queue.push(line(Stream::Err, 1));
        assert_eq!((dropped.get(), queue.next()), (1, Work::Line(line(Stream::Err, 1))));
        queue.push(line(Stream::Err, MAX_BYTES + 1));
        assert_eq!(dropped.get(), 2);
    }

    #[test]
    fn missing_lines_are_told_once_the_stream_works_again() {
        let (queue, dropped) = queue();
        for is_written in [false, false, true] {
            queue.push(line(Stream::Err, 1));
            assert_eq!(queue.next(), Work::Line(line(Stream::Err, 1)));
            queue.done(Stream::Err, 1, is_written);
        }
        assert_eq!(queue.next(), Work::Missing { to: Stream::Err, count: 2 });
        queue.told(Stream::Err, 2, false);
        queue.push(line(Stream::Err, 1));
        assert_eq!(queue.next(), Work::Line(line(Stream::Err, 1)));
        queue.done(Stream::Err, 1, true);
        assert_eq!((queue.next(), dropped.get()), (Work::Missing { to: Stream::Err, count: 2 }, 2));
    }

    #[test]
    fn a_flush_ends_when_all_is_written_and_is_given_up_when_nobody_writes() {
        let (queue, _) = queue();
        queue.push(line(Stream::Out, 1));
        assert!(!queue.flush(Duration::from_millis(1)));
        let queue = std::sync::Arc::new(queue);
        let writer = std::sync::Arc::clone(&queue);
        std::thread::spawn(move || {
            while let Work::Line(line) = writer.next() {
                writer.done(line.to, line.text.len(), true);
            }
        });
        assert!(queue.flush(Duration::from_secs(20)));
        queue.push(line(Stream::Out, 1));
        assert!(queue.flush(Duration::from_secs(20)));
    }
}
