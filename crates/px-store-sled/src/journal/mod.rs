//! The journal: one record a group of batches, one write and one sync a
//! record. `format` owns the bytes, `disk` the calls into the operating
//! system, `segments` the files and their reuse, `water` the mark below which
//! the tree has everything.

pub(crate) mod disk;
pub(crate) mod format;
pub(crate) mod segments;
pub(crate) mod water;

pub(crate) use disk::{Disk, RealDisk};
pub(crate) use segments::{AppendError, Journal, Pool};
pub(crate) use water::{Mark, Water};
