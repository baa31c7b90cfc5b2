//! Faults of commits, and the operations that a test can hold up.

/// Fault that a test plans for a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing was written; the caller is told so.
    Refused,
    /// The disk has no room: nothing was written, and the store says so until a
    /// commit that meets no fault.
    Full,
    /// It takes this long, on tokio's clock.
    Slow(std::time::Duration),
    /// Nothing was written, and the process is dead from here on.
    DiesBefore,
    /// It is durable, and the process is dead from here on.
    DiesAfter,
}

/// Operation on a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A read, by the name of the store's method.
    Read(&'static str),
    /// A commit.
    Commit,
}
