//! Bodies, as the store asks for them while a commit is drafted.

use bytes::Bytes;
use px_core::hook::Format;
use px_core::lifecycle::Envelope;
use px_store::outbox::Render;

use crate::format::{self, Links};

/// Renders bodies with links below one base.
#[derive(Debug, Clone)]
pub struct Bodies(Links);

impl Bodies {
    /// With these links.
    #[must_use]
    pub const fn new(links: Links) -> Self {
        Self(links)
    }
}

impl Render for Bodies {
    fn render(&self, format: Format, event: &Envelope) -> Bytes {
        // An envelope is texts, numbers and JSON that was JSON before.
        format::body(format, event, &self.0).unwrap_or_else(|error| {
            tracing::error!(event = %event.id, %error, "an event could not be rendered");
            Bytes::from_static(b"{}")
        })
    }
}
