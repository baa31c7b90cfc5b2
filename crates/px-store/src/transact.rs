//! The conflict loop: what was drafted from reads is committed, and where a
//! precondition did not hold it is drafted anew from fresh reads, for a bounded
//! number of rounds. Stages differ in what they read and in what a conflict
//! tells them; how rounds are counted is the same for all of them.
//!
//! It refuses to try again where the store itself fails: whether [`Error::Busy`]
//! may be waited for is what [`Admission`] says.

use crate::batch::{Batch, Conflict, Outcome};
use crate::error::Error;
use crate::store::{Admission, Store};

/// The bounds of a conflict loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// Commits that are tried, each of them drafted anew.
    pub rounds: u32,
    /// The conduct of a commit when the store's queue is full.
    pub admission: Admission,
}

impl Bound {
    /// So many rounds, of commits that wait for a place in the queue.
    #[must_use]
    pub const fn waiting(rounds: u32) -> Self {
        Self { rounds, admission: Admission::Wait }
    }

    /// So many rounds, of commits that are refused when the queue is full.
    #[must_use]
    pub const fn refusing(rounds: u32) -> Self {
        Self { rounds, admission: Admission::Refuse }
    }
}

/// The end of one round of a conflict loop.
#[derive(Debug)]
pub enum Round<T> {
    /// This is to be committed; once it is, the loop ends with the value. Boxed, since each future that a
    /// round passes through would have room for it.
    Commit(Box<Batch>, T),
    /// The loop ends with the value, and nothing is committed.
    Done(T),
    /// The records that were read fit together no more; the next round reads them anew.
    Again,
}

/// The rounds were used up: others changed the same records in each of them.
/// Nothing was written, and the same call may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("others changed the same records {rounds} times meanwhile; try again")]
pub struct Contended {
    /// Number of rounds.
    pub rounds: u32,
}

impl From<Contended> for Error {
    /// Both are answered alike where nobody can do anything but come back.
    fn from(_: Contended) -> Self {
        Self::Busy
    }
}

/// The failures of a round of a conflict loop.
pub trait RoundError: From<Error> + From<Contended> {
    /// Returns true if the records that the round has read may not fit together, since another
    /// commit came between two reads: the next round reads them anew.
    fn may_be_stale(&self) -> bool {
        false
    }
}

impl RoundError for Error {}

impl dyn Store + '_ {
    /// Drafts and commits until a commit meets no conflict. Each round is given
    /// the conflict that the round before it ended with, if it did, and reads
    /// what it needs anew; what follows from the commit is done by the caller. The
    /// value of a round is held while its batch is committed.
    ///
    /// # Errors
    /// The failure of a round or of a commit; [`Contended`] if the
    /// rounds are used up. Nothing was written then.
    pub async fn transact<T, E, F>(
        &self,
        bound: Bound,
        // No `AsyncFnMut`: a future that lends the closure is not seen to be `Send`
        // where it is spawned.
        mut round: impl FnMut(Option<Conflict>) -> F,
    ) -> Result<T, E>
    where
        F: Future<Output = Result<Round<T>, E>>,
        E: RoundError,
    {
        let mut lost = None;
        for left in (0..=bound.rounds).rev() {
            lost = match round(lost.take()).await {
                Ok(Round::Done(value)) => return Ok(value),
                Err(error) if left == 0 || !error.may_be_stale() => return Err(error),
                // What the last conflict means may still be an answer.
                Ok(_) if left == 0 => break,
                Ok(Round::Again) | Err(_) => None,
                Ok(Round::Commit(batch, value)) => match self.commit(*batch, bound.admission).await? {
                    Outcome::Committed { .. } => return Ok(value),
                    Outcome::Conflict(conflict) => Some(conflict),
                },
            };
        }
        Err(Contended { rounds: bound.rounds }.into())
    }
}
