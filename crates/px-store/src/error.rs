//! Failures of a store. A lost precondition is none of them: that is a value of a commit.

/// A failure of a store.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The committer's queue is full. Nothing was written; try again soon.
    #[error("the store is busy: its commit queue is full")]
    Busy,
    /// The disk has no room for the batch. Nothing was written.
    #[error("the store has no room: {0}")]
    Full(String),
    /// An earlier write or sync failed, so nothing more is written. Restart
    /// the process; what was acknowledged is in the journal.
    #[error("the store stopped after a failed write: {0}")]
    Poisoned(String),
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
    /// Other members of the cluster have taken over what this process had: its
    /// lease was over. It must stop; nothing that it claimed is its own any more.
    #[error("this process was taken over by other members of the cluster: its lease was over")]
    Fenced,
    /// Another process holds the data directory.
    #[error("the data directory is in use: {0}")]
    Locked(String),
    /// Stored bytes are not what was written.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// The store holds a format that this version does not read.
    #[error("the store has format {found}, this version reads up to {supported}")]
    Format {
        /// The version found.
        found: u32,
        /// The newest version known here.
        supported: u32,
    },
    /// The batch is larger than any that the store takes, however often it is tried. Nothing was written.
    #[error("the commit is too large: {what} has {found} bytes, the most is {most}")]
    TooLarge {
        /// The part that is too large, in words.
        what: String,
        /// Its bytes.
        found: usize,
        /// The most that it may have.
        most: usize,
    },
    /// A read or an open failed in the operating system.
    #[error("{context}: {message}")]
    Io {
        /// The act that failed.
        context: String,
        /// The operating system's words.
        message: String,
    },
}

impl Error {
    /// Wraps an I/O error with what was being done.
    pub fn io(context: impl Into<String>, source: &std::io::Error) -> Self {
        Self::Io { context: context.into(), message: source.to_string() }
    }

    /// Returns true if it is about the bytes of what was read, so that other rows of the
    /// store can be read all the same.
    #[must_use]
    pub fn is_about_bytes(&self) -> bool {
        matches!(self, Self::Corrupt(_) | Self::Format { .. })
    }

    /// Returns true if it is about the records that were read or written, so that a commit of
    /// other ones can do better.
    #[must_use]
    pub fn is_about_records(&self) -> bool {
        self.is_about_bytes() || matches!(self, Self::TooLarge { .. })
    }

    /// Returns true if the same call can succeed later without anybody's help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Busy | Self::Full(_))
    }
}
