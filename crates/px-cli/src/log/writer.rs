//! The thread that writes, the only one that waits for a slow reader.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::io::Errno;
use serde_json::Map;
use tracing::Level;

use super::queue::{Queue, Work};
use super::stream::{self, Stream};
use super::{Log, entry};

/// Starts the thread. It lives as long as the process.
pub(super) fn start(log: &'static Log) -> std::io::Result<()> {
    let write = move |to: Stream, text: &[u8]| match log.streams.write(to, text) {
        Ok(()) => true,
        Err(error) => {
            log.failed(to, error);
            false
        }
    };
    let live = move || {
        loop {
            // Nothing in it panics; if something does, the next line has a writer all the same.
            let step = AssertUnwindSafe(|| turn(&log.queue, write, |count| log.missing(count)));
            let _ = catch_unwind(step);
        }
    };
    std::thread::Builder::new().name("px-log".to_owned()).spawn(live).map(drop)
}

/// Waits for one thing to write, and writes it.
fn turn(queue: &Queue, write: impl Fn(Stream, &[u8]) -> bool, missing: impl Fn(u64) -> Vec<u8>) {
    match queue.next() {
        Work::Line(line) => {
            let is_written = write(line.to, &line.text);
            queue.done(line.to, line.text.len(), is_written);
        }
        Work::Missing { to, count } => {
            let is_written = write(to, &missing(count));
            queue.told(to, count, is_written);
        }
    }
}

impl Log {
    /// A stream answered with an error.
    fn failed(&self, to: Stream, error: Errno) {
        if stream::is_loss_of_reader(to, error) {
            self.lost_reader(to);
        }
    }

    /// Nobody reads a stream any more: it becomes the null device, and the other
    /// one says so, once.
    pub(super) fn lost_reader(&self, which: Stream) {
        if self.streams.replace(which) {
            let name = which.name();
            let text = format!("nobody reads {name} any more: what px writes there is dropped from now on");
            self.say(which.other(), Level::WARN, text, Map::new());
        }
    }

    /// The line about so many missing ones.
    fn missing(&self, count: u64) -> Vec<u8> {
        let lines = if count == 1 { "line was" } else { "lines were" };
        let text = format!("{count} {lines} dropped: the reader was too slow, or writing failed");
        entry::own(self.format, Level::WARN, text, Map::new()).into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use px_metrics::Counter;

    use super::super::queue::Line;
    use super::*;

    #[test]
    fn a_sink_that_fails_for_a_while_is_told_how_much_it_missed() {
        let dropped: &'static Counter = Box::leak(Box::default());
        let queue = Queue::new(dropped);
        let written = RefCell::new(Vec::new());
        let mut attempt = 0;
        let mut one = |text: &str| {
            queue.push(Line { to: Stream::Err, text: text.as_bytes().into() });
            attempt += 1;
            let works = !(2..=4).contains(&attempt);
            let write = |_: Stream, text: &[u8]| {
                if works {
                    written.borrow_mut().push(String::from_utf8_lossy(text).into_owned());
                }
                works
            };
            turn(&queue, write, |count| format!("{count} missing").into_bytes());
        };
        for text in ["a", "b", "c", "d", "e"] {
            one(text);
        }
        let write = |_: Stream, text: &[u8]| {
            written.borrow_mut().push(String::from_utf8_lossy(text).into_owned());
            true
        };
        turn(&queue, write, |count| format!("{count} missing").into_bytes());
        assert_eq!(
            (written.into_inner(), dropped.get()),
            (vec!["a".to_owned(), "e".into(), "3 missing".into()], 3)
        );
    }
}
