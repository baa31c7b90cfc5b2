//! Stores of rows: what px-store's batches and reads mean for keys and values in
//! one ordered space. A [`Backing`] keeps the rows; [`Embedded`] makes a store of
//! it. The backing in memory is here, the one on disk is px-store-sled.

// From what a batch means down to where rows lie.
mod apart;
mod decide;
mod delivery_row;
mod embedded;
mod emptiness;
mod event_row;
mod file_row;
#[cfg(test)]
mod golden;
mod inbox;
mod kv;
mod labels;
mod layout;
mod line;
mod lists;
mod looks;
mod memory;
mod outbox;
mod queries;
mod recent;
mod rows;
mod run_row;
mod scan;
mod secrets;
mod transfer;
mod translation;

pub use decide::{Committed, Group, NewValue, Verdict};
pub use embedded::Embedded;
pub use memory::MemoryRows;
pub use rows::{BATCH, Backing, Check, Expect, Order, RowBatch, RowKey, RowOp, RowOutcome, version_of};
pub use transfer::{RawRow, letter_of, table_of};
