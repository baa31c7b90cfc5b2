//! Files that senders post: a reference to one, as payloads, responses and states have
//! it, and the reads of its bytes by steps.
//!
//! The bytes lie in the store. This file refuses to know where, and asks the engine for
//! one piece after the other.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream, Stream, StreamExt as _};
use px_core::FileId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::cx::Cx;
use crate::error::{Error, Result};

/// A file that a sender has posted in a form: a small reference, which payloads,
/// responses and states may have. A step reads the bytes, by [`File::bytes`] or
/// [`File::stream`].
///
/// Name and content type are what the sender says. The name is a text: it may have
/// slashes, and never names a file of this machine. Whoever shows or stores the file
/// decides what it is by its bytes.
///
/// The bytes live as long as the delivery that they came with, which stays at least as
/// long as a run that it started or resumed has not ended, nor a fork or a rerun that begins
/// with the reference. A run that was given the reference by another one keeps nothing; and
/// a run that has ended keeps nothing until it is rerun. The read of a file that is gone is
/// a permanent error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(description = "A file that was posted in a form")]
pub struct File {
    #[schemars(with = "String")]
    id: FileId,
    name: String,
    size: u64,
    sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
}

/// Bounds of the files that a webhook takes: at most 10 of one request, of 25 MiB
/// together. More is not taken, since all of them are in the commit before the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Files {
    max: usize,
    bytes: u64,
}

impl Files {
    /// Maximum number of files of a request.
    pub const MAX: usize = 10;

    /// Maximum bytes of the files of a request together.
    pub const MAX_BYTES: u64 = 25 * 1024 * 1024;

    /// Takes at most so many files of a request, and never more than [`Files::MAX`].
    #[must_use]
    pub fn max(self, files: usize) -> Self {
        Self { max: files.min(Self::MAX), ..self }
    }

    /// Takes files of at most so many bytes together, and never more than
    /// [`Files::MAX_BYTES`].
    #[must_use]
    pub fn bytes(self, bytes: u64) -> Self {
        Self { bytes: bytes.min(Self::MAX_BYTES), ..self }
    }

    /// Returns the maximum number of files of a request.
    #[must_use]
    pub const fn most(&self) -> usize {
        self.max
    }

    /// Returns the maximum bytes of the files of a request together.
    #[must_use]
    pub const fn most_bytes(&self) -> u64 {
        self.bytes
    }
}

impl Default for Files {
    fn default() -> Self {
        Self { max: Self::MAX, bytes: Self::MAX_BYTES }
    }
}

impl File {
    /// The file's id: the delivery that it came with, and its place there.
    #[must_use]
    pub const fn id(&self) -> FileId {
        self.id
    }

    /// The name that the sender gave it, a text that may hold anything.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of its bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The SHA-256 of its bytes, in hexadecimal digits.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The content type that the sender says it has. Nothing has checked it.
    #[must_use]
    pub fn claimed_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// Reads the bytes one piece after the other, at most a MiB each, so that no step
    /// needs room for the whole file. The last item is an error if the bytes are not
    /// those that were sent.
    ///
    /// ```
    /// # use px_sdk::{Cx, File, Result};
    /// # async fn step(cx: Cx, invoice: File) -> Result<u64> {
    /// let mut bytes = invoice.stream(&cx);
    /// let mut lines = 0;
    /// while let Some(piece) = bytes.next().await {
    ///     lines += piece?.iter().filter(|byte| **byte == b'\n').count() as u64;
    /// }
    /// # Ok(lines)
    /// # }
    /// ```
    #[must_use]
    pub fn stream(&self, cx: &Cx) -> FileStream {
        let reading = Reading { cx: cx.clone(), file: self.clone(), piece: 0, read: 0, sum: Sha256::new() };
        FileStream(stream::try_unfold(reading, Reading::next).boxed())
    }

    /// Reads the whole file, if it has at most so many bytes.
    ///
    /// # Errors
    /// It has more; it is not kept any more, since its delivery was forgotten; the store
    /// could not be read.
    pub async fn bytes(&self, cx: &Cx, most: u64) -> Result<Bytes> {
        if self.size > most {
            return Err(Error::named(
                "FileTooLarge",
                format_args!(
                    "file '{}' has {} bytes, and the step reads at most {most}",
                    self.shown(),
                    self.size
                ),
            ));
        }
        let mut whole = BytesMut::new();
        let mut pieces = self.stream(cx);
        while let Some(piece) = pieces.next().await {
            whole.extend_from_slice(&piece?);
        }
        Ok(whole.freeze())
    }

    /// The name, for a sentence.
    fn shown(&self) -> std::str::EscapeDebug<'_> {
        self.name.escape_debug()
    }
}

/// The bytes of a file, one piece after the other: a stream.
pub struct FileStream(BoxStream<'static, Result<Bytes>>);

impl FileStream {
    /// The next piece; none at the end.
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        self.0.next().await
    }
}

impl Stream for FileStream {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx)
    }
}

impl fmt::Debug for FileStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStream").finish_non_exhaustive()
    }
}

/// The state of a read.
struct Reading {
    cx: Cx,
    file: File,
    /// The next piece.
    piece: u32,
    /// Bytes that were read.
    read: u64,
    sum: Sha256,
}

impl Reading {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>> {
        // The first piece of an empty file is asked for, too: its delivery may be gone.
        if self.piece > 0 && self.read >= self.file.size {
            let sum = hex::encode(self.sum.finalize_reset());
            if self.read == self.file.size && sum == self.file.sha256 {
                return Ok(None);
            }
            return Err(Error::named(
                "FileDamaged",
                format_args!("the bytes of file '{}' are not those that were sent", self.file.shown()),
            ));
        }
        let asked = FileRead { id: self.file.id, sha256: self.file.sha256.clone(), piece: self.piece };
        let bytes = self.cx.port().read_file(asked).await?;
        self.piece += 1;
        self.read += bytes.len() as u64;
        self.sum.update(&bytes);
        if bytes.is_empty() && self.read < self.file.size {
            // Its end is not where it should be.
            self.file.size = self.read;
            self.file.sha256.clear();
        }
        Ok(Some((bytes, self)))
    }
}

/// A read of a piece of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRead {
    /// The file.
    pub id: FileId,
    /// The digest that the reference has: no other reference is to this file, so that
    /// nobody reads what was not given to them.
    pub sha256: String,
    /// The number of the piece, from 0.
    pub piece: u32,
}
