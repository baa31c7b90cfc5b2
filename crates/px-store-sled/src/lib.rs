//! The embedded store of px: a journal with sled behind it.
//!
//! [`SledRows`] answers a commit when one record of the journal is durable, which takes one write and one
//! `fdatasync` for all who wait at that moment. Committed rows stay in memory (the overlay) until the
//! applier has written them to sled, in small chunks with a true sync after each; then the journal's
//! segments are used again. After a crash the journal is replayed over sled.
//!
//! This crate does not know the meaning of rows, which is `px-store-rows`'s layout, nor who commits them.

// In the order in which a batch meets them.
mod applier;
mod change;
mod committer;
mod creation;
mod disk_space;
mod health;
mod journal;
mod lock;
mod metrics;
mod opening;
mod options;
mod overlay;
mod pace;
mod packing;
mod place;
mod postings;
mod queue;
mod recovery;
mod shared;
mod store;
mod threads;
mod tree;
mod values;

#[cfg(test)]
mod tests;

pub use metrics::METRICS;
pub use options::Options;
pub use store::SledRows;
