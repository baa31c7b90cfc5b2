//! Claims of ready runs that nobody was born owner of: the process that made
//! them ready had no free place, gave them back, or died. Runs that are born
//! claimed need none of this ([`crate::Claimer`]).
//!
//! A claim is won by exactly one member, and is durable before its step begins.
//! A row with another owner is never taken, however old it is: only a takeover
//! frees it ([`crate::cluster`]).

use std::collections::BTreeSet;

use px_core::{RunId, Scope};

use crate::batch::{Batch, RunRecord, WorkChange, WorkWrite};
use crate::error::Error;
use crate::model::Work;
use crate::store::Store;
use crate::transact::{Bound, Round};

/// Maximum number of commits that one claim tries, each from fresh reads.
const ROUNDS: Bound = Bound::waiting(100);

/// A member's request for ready runs.
#[derive(Clone, Copy)]
pub struct ClaimRequest<'a> {
    /// The scope of the runs.
    pub scope: Scope,
    /// The member that is to own them.
    pub owner: u64,
    /// The runs that it asks for. One that is the member's own already gets a new
    /// fence, so that an execution that was left behind can commit nothing.
    pub runs: &'a [RunId],
    /// Maximum number of them that it gets.
    pub at_most: usize,
    /// The brains whose runs are left to members of another build.
    pub except: &'a BTreeSet<String>,
    /// Makes a fence that was never used before.
    pub fences: &'a (dyn Fn() -> u64 + Send + Sync),
}

impl std::fmt::Debug for ClaimRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("ClaimRequest");
        debug.field("owner", &self.owner).field("runs", &self.runs).finish_non_exhaustive()
    }
}

impl ClaimRequest<'_> {
    /// Returns true if this row may become the member's.
    #[must_use]
    pub fn takes(&self, row: &Work) -> bool {
        row.owner.is_none_or(|owner| owner == self.owner)
    }

    /// Returns true if the run of such a row is one to be executed here.
    #[must_use]
    pub fn suits(&self, record: &RunRecord) -> bool {
        record.run.is_executable() && !self.except.contains(&record.run.brain)
    }

    /// Returns the claim of a row that [`ClaimRequest::takes`] and
    /// [`ClaimRequest::suits`] let pass, under a new fence.
    #[must_use]
    pub fn claim(&self, row: Work, record: RunRecord) -> Claimed {
        Claimed { fence: (self.fences)(), work: Work { owner: Some(self.owner), ..row }, record }
    }
}

/// A run that was claimed.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// The fence that every commit of its step has to demand.
    pub fence: u64,
    /// The row of the ready run, as it is now.
    pub work: Work,
    /// The run, as it was when it was claimed or a little before: what changed
    /// it meanwhile is a conflict of the step's first commit.
    pub record: RunRecord,
}

/// Carries out [`Store::claim`] by reads and one commit: for stores that have no
/// shorter way.
///
/// # Errors
/// As for [`Store::claim`].
pub async fn claim_by_commit(store: &dyn Store, request: ClaimRequest<'_>) -> Result<Vec<Claimed>, Error> {
    let request = &request;
    let claimed = store.transact(ROUNDS, |_| async move {
        let found = find(store, request).await?;
        let claims: Vec<Claimed> = found.iter().map(|(_, claimed)| claimed.clone()).collect();
        if claims.is_empty() {
            return Ok(Round::Done(claims));
        }
        let work = found.into_iter().map(|(before, claimed)| WorkWrite {
            run: claimed.record.run.id,
            expected: Some(before),
            change: WorkChange::Put(claimed.fence, claimed.work),
            cuts_short: false,
        });
        let batch = Batch { scope: request.scope, work: work.collect(), ..Batch::default() };
        Ok::<_, Error>(Round::Commit(Box::new(batch), claims))
    });
    claimed.await
}

/// Returns the claims of the runs that may be claimed, each with the fence that is there.
async fn find(store: &dyn Store, request: &ClaimRequest<'_>) -> Result<Vec<(u64, Claimed)>, Error> {
    let mut found = Vec::new();
    for run in request.runs {
        if found.len() == request.at_most {
            break;
        }
        match find_one(store, request, *run).await {
            Ok(claim) => found.extend(claim),
            // It holds up none of the others.
            Err(error) if error.is_about_bytes() => {
                tracing::error!(%run, %error, "a ready run cannot be read, and is not claimed");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

async fn find_one(
    store: &dyn Store,
    request: &ClaimRequest<'_>,
    run: RunId,
) -> Result<Option<(u64, Claimed)>, Error> {
    let row = store.work_of(request.scope, run).await?;
    let Some(row) = row.filter(|row| request.takes(&row.record)) else { return Ok(None) };
    let record = store.run(request.scope, run).await?;
    let suits = record.filter(|record| request.suits(record));
    Ok(suits.map(|record| (row.version, request.claim(row.record, record))))
}
