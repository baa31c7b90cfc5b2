//! The journal: one record a group of batches, one write and one sync a
//! record. `format` owns the bytes, `flip` what one turned bit makes of them, `disk` the calls into the operating
//! system, `segments` the files and their reuse, `water` the mark below which
//! the tree has everything, `opened` how far the journal reaches, `pages` the
//! bytes of both.

pub(crate) mod disk;
pub(crate) mod flip;
pub(crate) mod format;
pub(crate) mod high_water;
pub(crate) mod opened;
pub(crate) mod pages;
pub(crate) mod segments;

pub(crate) use disk::{Disk, RealDisk};
pub(crate) use high_water::{Known, Mark, Water};
pub(crate) use opened::{Opened, OpenedPages};
pub(crate) use segments::{AppendError, Journal, SegmentPool};
