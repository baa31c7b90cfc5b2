//! Values that outlive runs in the commits of a session, and the reads that they rest on.

use std::sync::Arc;

use px_core::KvId;
use px_core::run::{Command, Start};
use px_sdk::KvRead;
use px_store::{BornClaimed, KvFull, Round};

use super::{Committed, Drafted, Session, SessionError};
use crate::kv::Change;

/// End of a commit that changes values which outlive runs.
#[derive(Debug)]
pub(crate) enum Written {
    /// It is made, or the claim is gone.
    Committed(Committed),
    /// One of the values is another than was read: nothing was committed.
    Changed,
    /// A brain may have no more values: nothing was committed.
    Full(KvFull),
}

impl Session {
    /// Commits a command with changes of values, of which a brain may have `most`.
    pub(crate) async fn commit_values(
        &mut self,
        command: Command,
        changes: &[Change],
        most: u64,
    ) -> Result<Written, SessionError> {
        let with = With { changes, most, start: None };
        Ok(match self.commit_with(Some(command), with).await? {
            Ok((done, _)) => Written::Committed(done),
            Err(unwritten) => unwritten,
        })
    }

    /// A value that outlives runs, as it was last committed.
    pub(crate) async fn read_kv(&self, id: &KvId) -> Result<KvRead, px_store::Error> {
        let read = self.parts.store.kv().value(self.parts.scope, id).await?;
        let whole = read.map(|read| KvRead { version: read.version, value: Some(read.record.value) });
        Ok(whole.unwrap_or_default())
    }

    /// Reads the run anew, for another execution of its step. Returns false if the claim is gone.
    pub(crate) async fn refresh(&mut self) -> Result<bool, SessionError> {
        let record = self.parts.store.run(self.parts.scope, self.run).await?;
        self.is_revoked = record.is_none() || !self.holds_claim().await?;
        if let Some(record) = record {
            self.record = Arc::new(record);
        }
        Ok(!self.is_revoked)
    }
}

/// Everything that a commit has beside its command.
#[derive(Clone, Copy, Default)]
pub(super) struct With<'a> {
    /// A run that is started.
    pub(super) start: Option<&'a Start>,
    /// Changes of values that outlive runs.
    pub(super) changes: &'a [Change],
    /// Values that a brain may have.
    pub(super) most: u64,
}

/// The round that ends a commit whose values could not be written.
pub(super) fn unwritten(why: Written) -> Round<BornClaimed<Result<Drafted, Written>>> {
    Round::Done(BornClaimed::none(Err(why)))
}

/// The round that ends a commit whose claim is gone.
pub(super) fn revoked() -> Round<BornClaimed<Result<Drafted, Written>>> {
    unwritten(Written::Committed(Committed::Revoked))
}
