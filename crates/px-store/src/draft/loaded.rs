//! The records that a draft has read, with what it has made of them.

use std::sync::Arc;

use px_core::event::Event;
use px_core::{KeyRecord, Run};

use crate::batch::LogTail;

/// A key.
pub(super) struct DraftKey {
    pub(super) expected: u64,
    pub(super) record: KeyRecord,
    pub(super) changed: bool,
}

/// A run.
pub(super) struct DraftRun {
    pub(super) expected: u64,
    pub(super) run: Arc<Run>,
    pub(super) events: Vec<Event>,
    pub(super) tail: LogTail,
    /// The tail after these events, once somebody has asked for it.
    pub(super) next_tail: Option<LogTail>,
    /// True if the run is to be as it was read, also where the draft does not write it.
    pub(super) demanded: bool,
    /// True if a reminder of it was under way when it was read.
    pub(super) was_reminding: bool,
}

impl DraftRun {
    pub(super) fn of(expected: u64, run: Arc<Run>, tail: LogTail) -> Self {
        let was_reminding = run.reminding.is_some();
        Self { expected, run, events: Vec::new(), tail, next_tail: None, demanded: false, was_reminding }
    }
}
