//! The outbox over rows: where its records lie, what a batch means for them,
//! and how they are read.

mod read;
pub(crate) mod rows;
