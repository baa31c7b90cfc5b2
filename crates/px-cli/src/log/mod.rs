//! The side channel of a process that serves: its log, its banner, the text of
//! its panics. Lines go through a bounded queue to one thread, the only one
//! that ever waits for whoever reads stdout or stderr. A line that does not fit,
//! or cannot be written, is dropped and counted, so no request, commit or run
//! depends on that reader.
//!
//! A command that does not serve has no queue: [`crate::ui`] writes its data
//! directly and fails if that fails. Tests: unit tests in the files, and
//! `tests/cli/side_channel.rs` over real binaries.

mod entry;
pub(crate) mod escape;
mod layer;
mod panics;
mod queue;
mod readers;
mod stream;
mod writer;

use std::borrow::Cow;
use std::sync::OnceLock;
use std::time::Duration;

use px_metrics::{Counter, Kind, Metric};
use px_secrets::Redaction;
use serde_json::{Map, Value};
use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::error::{Error, Result};
use queue::{Line, Queue};
pub(crate) use stream::Stream;
use stream::Streams;

/// Time that the thread which writes is given at the end of the process.
const EXIT_GRACE: Duration = Duration::from_millis(500);

/// Number of lines that were not written, of the log and of px's other output.
static DROPPED: Counter = Counter::new();

/// Figures of the log.
pub(crate) const METRICS: &[Metric] = &[Metric {
    name: "px_log_lines_dropped_total",
    help: "Lines for stdout and stderr that did not fit into their queue, or could not be written.",
    kind: Kind::Counter(&DROPPED),
}];

/// Takes secrets out of each line. It has none before the server has started.
static REDACTION: OnceLock<Redaction> = OnceLock::new();

/// The redactor of the log, for whoever knows the secrets.
pub(crate) fn redaction() -> Redaction {
    REDACTION.get_or_init(Redaction::default).clone()
}

static RUNNING: OnceLock<&'static Log> = OnceLock::new();

/// Form of the log's lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Text {
        /// Levels and names are coloured.
        colours: bool,
    },
    /// One document a line.
    Json,
}

/// The queue of a process that serves, and the form of its lines.
#[derive(Debug)]
pub(crate) struct Log {
    format: Format,
    queue: Queue,
    streams: Streams,
    /// Colours of stdout and stderr.
    colours: [bool; 2],
}

/// Sends everything that this process prints through the queue from now on,
/// the text of panics too. Does nothing the second time.
///
/// # Errors
/// A thread cannot be started.
pub(crate) fn start(json: bool) -> Result<&'static Log> {
    if let Some(log) = running() {
        return Ok(log);
    }
    let colours = [Stream::Out, Stream::Err].map(Stream::has_colours);
    let [_, errors] = colours;
    let format = if json { Format::Json } else { Format::Text { colours: errors } };
    let log = Log { format, queue: Queue::new(&DROPPED), streams: Streams::new(), colours };
    // It is needed until the last instruction of the process.
    let log: &'static Log = Box::leak(Box::new(log));
    let failed = |error| Error::failed(format!("cannot start the thread that writes the log: {error}"));
    writer::start(log).map_err(failed)?;
    readers::start(log).map_err(failed)?;
    panics::report_to(log);
    Ok(RUNNING.get_or_init(|| log))
}

/// Makes tracing's events lines of this log. A filter that does not parse is `info`.
pub(crate) fn trace(log: &'static Log, filter: Option<String>) {
    let filter = filter.and_then(|filter| EnvFilter::try_new(filter).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new("info"));
    // Fails if the program around this one logs already, which is as good.
    let _ = tracing_subscriber::registry().with(filter).with(layer::LogLayer::new(log)).try_init();
}

/// The log, if this process has one.
pub(crate) fn running() -> Option<&'static Log> {
    RUNNING.get().copied()
}

/// Waits at most for [`EXIT_GRACE`] until every line is written. After that
/// nothing that the process still prints can make its end wait.
pub(crate) fn finish() {
    let Some(log) = running() else { return };
    // What users' `print!` left in the standard library's buffer is written at the very end.
    if !log.queue.flush(EXIT_GRACE) || !Stream::Out.takes_more() {
        log.streams.replace_all();
    }
}

/// Ends the process at once, but for what [`finish`] waits.
pub(crate) fn exit(code: i32) -> ! {
    finish();
    std::process::exit(code)
}

impl Log {
    /// Returns whether each line is one document.
    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Prints text as it is, without its colours if the stream has none. The
    /// end of the line is the caller's.
    pub(crate) fn print(&self, to: Stream, text: String) {
        let [out, err] = self.colours;
        let has_colours = if to == Stream::Out { out } else { err };
        let text = if has_colours { text } else { anstream::adapter::strip_str(&text).to_string() };
        self.push(to, text.into_bytes());
    }

    /// Prints an entry that is no event of tracing.
    pub(crate) fn say(&self, to: Stream, level: Level, message: String, fields: Map<String, Value>) {
        self.push(to, entry::own(self.format, level, message, fields).into_bytes());
    }

    fn push(&self, to: Stream, text: Vec<u8>) {
        let redactor = redaction().current();
        let redacted = match self.format {
            Format::Json => redactor.json(&text),
            Format::Text { .. } => redactor.bytes(&text),
        };
        let text = match redacted {
            Cow::Borrowed(_) => text,
            Cow::Owned(redacted) => redacted,
        };
        self.queue.push(Line { to, text: text.into_boxed_slice() });
    }
}
