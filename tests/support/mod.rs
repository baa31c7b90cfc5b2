//! What the end-to-end tests share: the real binary on a directory of its own
//! ([`Project`], [`Px`]), a small HTTP client, and what providers post, signed
//! as they sign it.
//!
//! Nothing here sleeps: a test waits for something that it can observe, and
//! gives up at [`PATIENCE`].

#![allow(dead_code, unused_imports, reason = "each test uses a part of this")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub,
    reason = "test code: what is unexpected fails the test"
)]

mod http;
pub mod power;
mod process;
mod providers;
mod receiver;

use std::time::{Duration, Instant};

pub use http::{Connection, Frame, Reply, Watch};
pub use process::{Project, Px};
pub use providers::{
    GITHUB_SECRET, Request, SLACK_SECRET, TWILIO_TOKEN, github, hmac_sha256_hex, pull_request,
    pull_request_titled,
};
pub use providers::{slack, slack_at, twilio};
pub use receiver::{Answer, Callback, Receiver};

/// How long anything may take that a test waits for.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Says something that is seen though the test passes: what `eprintln!` says
/// is kept back then.
pub fn aloud(text: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Looks until `found` finds something, at most for [`PATIENCE`].
pub fn within_patience<T>(mut found: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(thing) = found() {
            return Some(thing);
        }
        if Instant::now() > deadline {
            return None;
        }
        // Only to leave the processor to whom it is waited for.
        std::thread::park_timeout(Duration::from_millis(3));
    }
}

/// Looks until `found` finds something.
#[track_caller]
pub fn eventually<T>(what: &str, found: impl FnMut() -> Option<T>) -> T {
    within_patience(found).unwrap_or_else(|| panic!("waited {PATIENCE:?} for {what}"))
}
