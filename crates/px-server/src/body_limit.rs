//! The largest body of a request to a door, and what its sender is told who sends more.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use http_body_util::LengthLimitError;
use px_core::Code;
use px_inbound::verify::is_form_data;
use px_sdk::Files;

use crate::app::App;
use crate::error::ApiError;
use crate::ingress::Door;
use crate::links;

/// Slowest pace of a form with files, bytes a second: about 1 Mbit a second, which a poor
/// line has.
const SLOWEST: u64 = 128 * 1024;

/// The largest body of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimit {
    door: Door,
    /// Bytes of everything but files.
    max_body: usize,
    /// Bounds of its files, if it says that it is a form with files for a webhook that
    /// takes them.
    pub(crate) files: Option<Files>,
}

impl BodyLimit {
    pub(crate) fn of(app: &App, slug: &str, door: Door, headers: &HeaderMap) -> Self {
        let takes_files = |_: &Files| door == Door::Webhook && is_form_data(headers);
        let max_body = match door {
            Door::Webhook | Door::Form => app.max_body,
            Door::Link => app.max_body.min(links::MAX_BODY),
        };
        Self { door, max_body, files: app.files.get(slug).copied().filter(takes_files) }
    }

    pub(crate) fn bytes(&self) -> usize {
        let files = self.files.map_or(0, |files| files.most_bytes());
        self.max_body.saturating_add(usize::try_from(files).unwrap_or(usize::MAX))
    }

    /// Limits of a form with files.
    #[cfg(test)]
    pub(crate) fn of_files(files: Files) -> Self {
        Self { door: Door::Webhook, max_body: 1024 * 1024, files: Some(files) }
    }

    /// The time that a form has beyond that of other bodies once so many bytes are there: its
    /// sender needs a line of a slow pace and not of a fast one, and cannot stand still.
    pub(crate) fn more_time(&self, came: usize) -> Duration {
        self.files.map_or(Duration::ZERO, |_| Duration::from_secs(came as u64 / SLOWEST))
    }

    /// The time that the largest body may take, if `patience` is that of one without files.
    pub(crate) fn longest(&self, patience: Duration) -> Duration {
        patience.saturating_add(self.more_time(self.bytes()))
    }

    /// Returns what the sender of a body is told that could not be read.
    pub(crate) fn unread(&self, error: &(dyn std::error::Error + Send + Sync + 'static)) -> Response {
        if error.is::<LengthLimitError>() {
            return self.exceeded();
        }
        ApiError::bad_request(format!("The request's body could not be read: {error}")).into_response()
    }

    pub(crate) fn exceeded(&self) -> Response {
        let (most, max_body) = (self.bytes(), self.max_body);
        let text = match self.files {
            None if self.door == Door::Link => format!("The request's body is larger than {most} bytes"),
            None => format!("The request's body is larger than {most} bytes (server.max_body_bytes)"),
            Some(files) => format!(
                "The request's body is larger than {most} bytes: this webhook takes {} bytes of files, and {max_body} \
                 bytes beside them (server.max_body_bytes)",
                files.most_bytes()
            ),
        };
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, Code::TooLarge, text).into_response()
    }
}
