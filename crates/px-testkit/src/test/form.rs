//! Forms with files in a test: what a sender's form would be, field by field.

use bytes::Bytes;
use px_inbound::verify::FormWriter;

use super::process::Request;
use super::world::{Answered, World};

/// A form that is going to be sent to a webhook: see [`World::form`].
#[derive(Debug)]
#[must_use = "a form is sent by `send`"]
pub struct SentForm<'a> {
    world: &'a World,
    slug: String,
    form: FormWriter,
}

impl SentForm<'_> {
    /// Adds a text.
    pub fn text(mut self, field: &str, text: &str) -> Self {
        self.form = self.form.text(field, text);
        self
    }

    /// Adds a file, under the name that the sender gives it.
    pub fn file(mut self, field: &str, name: &str, content: impl Into<Bytes>) -> Self {
        self.form = self.form.file(field, name, "application/octet-stream", content);
        self
    }

    /// Sends it, and runs what follows.
    #[track_caller]
    pub fn send(self) -> Answered {
        let (content_type, body) = self.form.finish();
        self.world.send(&Request::typed(&self.slug, &content_type, body))
    }
}

impl World {
    /// A form with files for a webhook, which has to take them:
    /// `world.form("claims").text("number", "7").file("photo", "a.jpg", bytes).send()`.
    pub fn form(&self, slug: &str) -> SentForm<'_> {
        SentForm { world: self, slug: slug.to_owned(), form: FormWriter::default() }
    }
}
