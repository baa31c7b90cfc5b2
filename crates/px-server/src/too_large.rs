//! Bodies that were refused as too large (413). Nobody has read them to their end, so none of
//! them leaves a record in the inbox: each is counted by its webhook, and the log has a
//! line about it while there are not too many.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use px_core::Timestamp;
use px_core::key::{FORM_SLUG, LINK_SLUG};
use px_metrics::{Family, Kind, Metric};

use crate::app::App;
use crate::body_limit::BodyLimit;

static REFUSED: Family = Family::new(["webhook", "body"], 2_000);

/// The figures of the way in.
pub(crate) const METRICS: &[Metric] = &[Metric {
    name: "px_webhook_too_large_total",
    help: "Requests to webhooks that were refused with 413 before they were read, by webhook and form of the body.",
    kind: Kind::Family(&REFUSED),
}];

/// Maximum number of lines in a minute: whoever sends many hides nobody else's trouble.
const LINES: u32 = 60;

/// The length of the window.
const WINDOW: Duration = Duration::from_secs(60);

/// The lines of the current minute.
#[derive(Debug, Default)]
pub(crate) struct TooLarge(Mutex<(Timestamp, u32)>);

impl TooLarge {
    /// Counts a refused body. `declared` is its length, where its head said one.
    pub(crate) fn note(
        app: &App,
        slug: &str,
        limit: &BodyLimit,
        declared: Option<usize>,
        (remote, at): (SocketAddr, Timestamp),
    ) {
        // Names that strangers make up get no counter of their own.
        let is_known = [FORM_SLUG, LINK_SLUG].contains(&slug)
            || app.stage.endpoints().any(|endpoint| endpoint.def.slug == slug);
        let slug = if is_known { slug } else { "unknown" };
        REFUSED.increment([slug, if limit.files.is_some() { "form with files" } else { "other" }]);
        if app.too_large.may_log(at) {
            let (bytes, most) = (declared.map(|bytes| bytes as u64), limit.bytes() as u64);
            tracing::warn!(slug, %remote, bytes, most, "a request is refused (413): its body is too large, and nothing of it is kept");
        }
    }

    fn may_log(&self, at: Timestamp) -> bool {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if at.since(lines.0) >= WINDOW {
            *lines = (at, 0);
        }
        lines.1 = lines.1.saturating_add(1);
        lines.1 <= LINES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_has_so_many_lines_a_minute() {
        let lines = TooLarge::default();
        let at = |secs: u64| Timestamp::from_millis(1_000_000 + secs * 1_000);
        let logged = |secs| (0..100).filter(|_| lines.may_log(at(secs))).count();
        assert_eq!([logged(0), logged(59), logged(60)], [60, 0, 60]);
    }
}
