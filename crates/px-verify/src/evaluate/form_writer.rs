//! Writing of forms with files: for `px webhooks send` and for tests. What is written here
//! is read by [`FormData`](super::FormData) as it was meant; of names line ends excepted, which
//! cannot be in one.

use std::fmt::Write as _;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::parameters::escaped;

/// A form in the making.
#[derive(Debug, Clone, Default)]
pub struct FormWriter {
    /// Heads and contents of its parts.
    parts: Vec<(String, Bytes)>,
}

impl FormWriter {
    /// Adds a text.
    #[must_use]
    pub fn text(mut self, field: &str, text: &str) -> Self {
        let head = format!("Content-Disposition: form-data; name=\"{}\"\r\n", escaped(field));
        self.parts.push((head, Bytes::copy_from_slice(text.as_bytes())));
        self
    }

    /// Adds a file, with the content type that the sender says it has.
    #[must_use]
    pub fn file(mut self, field: &str, name: &str, content_type: &str, content: impl Into<Bytes>) -> Self {
        let mut head = format!(
            "Content-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\n",
            escaped(field),
            escaped(name)
        );
        if !content_type.is_empty() {
            // Writing into a text cannot fail.
            let _ = write!(head, "Content-Type: {}\r\n", content_type.replace(['\r', '\n'], " "));
        }
        self.parts.push((head, content.into()));
        self
    }

    /// The content type and the body. The boundary is a digest of what is in the form, so
    /// equal forms are equal bytes, and no content has it.
    #[must_use]
    pub fn finish(self) -> (String, Bytes) {
        let mut sum = Sha256::new();
        for (head, content) in &self.parts {
            sum.update((head.len() as u64).to_be_bytes());
            sum.update(head);
            sum.update((content.len() as u64).to_be_bytes());
            sum.update(content);
        }
        let mut boundary = format!("px-{}", hex::encode(sum.finalize()));
        boundary.truncate(40);
        let mut body = Vec::new();
        for (head, content) in &self.parts {
            body.extend_from_slice(format!("--{boundary}\r\n{head}\r\n").as_bytes());
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        (format!("multipart/form-data; boundary={boundary}"), body.into())
    }
}
