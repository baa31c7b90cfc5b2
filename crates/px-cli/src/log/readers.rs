//! The readers of stdout and stderr: a thread that learns when one goes away,
//! also of a stream to which px itself has nothing to write. Without it the
//! first to find out would be a user's `println!` in a step, which panics.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::Log;
use super::stream::Stream;

/// Starts the thread. It ends when no stream is left that can lose its reader.
pub(super) fn start(log: &'static Log) -> std::io::Result<()> {
    std::thread::Builder::new().name("px-log-readers".to_owned()).spawn(move || watch(log)).map(drop)
}

fn watch(log: &Log) {
    let mut watched = vec![Stream::Out, Stream::Err];
    loop {
        watched.retain(|stream| !log.streams.is_gone(*stream));
        if watched.is_empty() {
            return;
        }
        // No event is asked for: what ends a pipe, a socket or a terminal is told
        // unasked, and a file or the null device tells nothing.
        let fds = watched.iter().map(|stream| PollFd::from_borrowed_fd(stream.fd(), PollFlags::empty()));
        let mut fds: Vec<_> = fds.collect();
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return,
        }
        let told: Vec<_> = fds.iter().map(PollFd::revents).collect();
        let mut told = told.into_iter();
        watched.retain(|stream| {
            let told = told.next().unwrap_or(PollFlags::empty());
            if told.intersects(PollFlags::ERR | PollFlags::HUP) {
                log.lost_reader(*stream);
            }
            told.is_empty()
        });
    }
}
