//! Figures about what px does: counters and histograms as plain atomics, which
//! cost an addition or two where something happens and nothing where nothing
//! does, and the text that Prometheus reads. Each stage declares those that it counts
//! itself in a file `metrics.rs`; they are the process's, not a server's. Figures
//! that are read when they are asked for are made where they are read: in
//! `px-server/api/metrics.rs`, and of the store and the log where px-cli serves.
//!
//! A library was considered: those that are well kept take a lock or a look-up
//! by name for each observation, or have to be handed to every stage.

mod counter;
mod family;
mod histogram;
mod text;

pub use counter::Counter;
pub use family::Family;
pub use histogram::{Histogram, Snapshot};
pub use text::{Kind, Metric, Text};
