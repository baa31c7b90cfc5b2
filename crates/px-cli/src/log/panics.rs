//! The text of panics, as entries of the log. The hook runs where a second
//! panic would end the process, so it asks neither tracing nor users' code.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;

use serde_json::{Map, Value};
use tracing::Level;

use super::{EXIT_GRACE, Log, Stream};

/// Words of the standard library before it ends the process at once, instead
/// of unwinding.
const WITHOUT_UNWINDING: [&str; 2] =
    ["panic in a destructor during cleanup", "panic in a function that cannot unwind"];

/// Sends the text of every panic through the queue.
pub(super) fn report_to(log: &'static Log) {
    std::panic::set_hook(Box::new(move |panic| report(log, panic)));
}

fn report(log: &Log, panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("a value that is no text");
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("<unnamed>");
    let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    // Only if RUST_BACKTRACE or RUST_LIB_BACKTRACE asks for it.
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    let text = format!("thread '{name}' panicked at {place}: {message}");
    if log.is_json() {
        let backtrace = backtrace.map(|frames| ("backtrace".to_owned(), Value::from(frames)));
        let fields: Map<String, Value> =
            [("thread".to_owned(), name.into()), ("place".to_owned(), place.into())]
                .into_iter()
                .chain(backtrace)
                .collect();
        log.say(Stream::Err, Level::ERROR, text, fields);
    } else {
        log.say(Stream::Err, Level::ERROR, text, Map::new());
        if let Some(frames) = backtrace {
            log.print(Stream::Err, format!("{}\n", frames.trim_end()));
        }
    }
    if cfg!(panic = "abort") || WITHOUT_UNWINDING.contains(&message) {
        // The process ends when this returns.
        log.queue.flush(EXIT_GRACE);
    }
}
