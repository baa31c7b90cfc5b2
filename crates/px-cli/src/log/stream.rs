//! stdout and stderr as file descriptors: whole lines are written past the
//! standard library's locks and buffers, and a stream whose reader is gone
//! becomes the null device.

use std::fs::OpenOptions;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// Time that a line for stdout waits for its reader, 500 ms. Only the banner goes
/// there, and the log on stderr waits behind it.
const OUT_PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 500_000_000 };

/// No time at all.
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// One of the two streams that a process prints to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// stdout.
    Out,
    /// stderr.
    Err,
}

impl Stream {
    /// Returns whether colours may be written to it (`NO_COLOR`, `TERM=dumb`: anstream decides).
    pub(super) fn has_colours(self) -> bool {
        let choice = match self {
            Self::Out => anstream::AutoStream::choice(&std::io::stdout()),
            Self::Err => anstream::AutoStream::choice(&std::io::stderr()),
        };
        choice != anstream::ColorChoice::Never
    }

    /// The other one.
    pub(super) fn other(self) -> Self {
        match self {
            Self::Out => Self::Err,
            Self::Err => Self::Out,
        }
    }

    /// Its name for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Out => "stdout",
            Self::Err => "stderr",
        }
    }

    /// Returns whether a small write would not wait.
    pub(super) fn takes_more(self) -> bool {
        self.tells(PollFlags::OUT, AT_ONCE).intersects(PollFlags::OUT)
    }

    /// Returns what poll(2) says of it within this time.
    fn tells(self, asked: PollFlags, within: Timespec) -> PollFlags {
        let mut fds = [PollFd::from_borrowed_fd(self.fd(), asked)];
        match poll(&mut fds, Some(&within)) {
            Ok(_) => {
                let [fd] = fds;
                fd.revents()
            }
            Err(_) => PollFlags::empty(),
        }
    }

    pub(super) fn fd(self) -> BorrowedFd<'static> {
        match self {
            Self::Out => rustix::stdio::stdout(),
            Self::Err => rustix::stdio::stderr(),
        }
    }
}

/// The two streams, and which of them nobody reads any more.
#[derive(Debug)]
pub(super) struct Streams {
    /// Opened at the start: later there may be no descriptor to be had.
    null: Option<OwnedFd>,
    out: State,
    err: State,
}

#[derive(Debug, Default)]
struct State {
    is_gone: AtomicBool,
    /// The last line was written in part.
    is_torn: AtomicBool,
}

impl Streams {
    pub(super) fn new() -> Self {
        let null = OpenOptions::new().write(true).open("/dev/null").ok().map(OwnedFd::from);
        Self { null, out: State::default(), err: State::default() }
    }

    fn state(&self, stream: Stream) -> &State {
        match stream {
            Stream::Out => &self.out,
            Stream::Err => &self.err,
        }
    }

    /// Returns whether nobody reads the stream any more.
    pub(super) fn is_gone(&self, stream: Stream) -> bool {
        self.state(stream).is_gone.load(SeqCst)
    }

    /// Writes a whole line, to stderr for as long as its reader takes. A line whose
    /// beginning was written when the stream failed is ended before the next one.
    ///
    /// # Errors
    /// The line was not written, or in part only.
    pub(super) fn write(&self, to: Stream, text: &[u8]) -> Result<(), Errno> {
        let state = self.state(to);
        if self.is_gone(to) {
            return Err(Errno::PIPE);
        }
        if to == Stream::Out && to.tells(PollFlags::OUT, OUT_PATIENCE).is_empty() {
            return Err(Errno::AGAIN);
        }
        if state.is_torn.load(SeqCst) {
            write_all(to, b"\n").map_err(|(_, error)| error)?;
            state.is_torn.store(false, SeqCst);
        }
        write_all(to, text).map_err(|(written, error)| {
            state.is_torn.store(written > 0, SeqCst);
            error
        })
    }

    /// Makes the stream the null device, so that users' own `println!` finds
    /// one that works. Returns whether it was another one before.
    pub(super) fn replace(&self, stream: Stream) -> bool {
        let is_first = !self.state(stream).is_gone.swap(true, SeqCst);
        if is_first && let Some(null) = &self.null {
            // Without it, lines for this stream are still not written.
            let _ = match stream {
                Stream::Out => rustix::stdio::dup2_stdout(null),
                Stream::Err => rustix::stdio::dup2_stderr(null),
            };
        }
        is_first
    }

    /// Makes both the null device.
    pub(super) fn replace_all(&self) {
        self.replace(Stream::Out);
        self.replace(Stream::Err);
    }
}

/// Returns whether an error says that the stream has lost its reader for good: a pipe
/// or socket whose other end is closed, a terminal that was hung up.
pub(super) fn is_loss_of_reader(to: Stream, error: Errno) -> bool {
    match error {
        Errno::PIPE | Errno::CONNRESET => true,
        // A hung-up terminal; a disk says so too, and may work again.
        Errno::IO => to.tells(PollFlags::empty(), AT_ONCE).intersects(PollFlags::HUP | PollFlags::ERR),
        _ => false,
    }
}

/// Writes all of it; else the error, and how many bytes went out before it.
fn write_all(to: Stream, text: &[u8]) -> Result<(), (usize, Errno)> {
    let mut written = 0;
    while let Some(rest) = text.get(written..).filter(|rest| !rest.is_empty()) {
        match rustix::io::write(to.fd(), rest) {
            Ok(0) => return Err((written, Errno::IO)),
            Ok(count) => written += count,
            Err(Errno::INTR) => {}
            // Whoever started px made its streams non-blocking.
            Err(Errno::AGAIN) => until_writable(to).map_err(|error| (written, error))?,
            Err(error) => return Err((written, error)),
        }
    }
    Ok(())
}

fn until_writable(stream: Stream) -> Result<(), Errno> {
    let mut fds = [PollFd::from_borrowed_fd(stream.fd(), PollFlags::OUT)];
    match poll(&mut fds, None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error),
    }
}
