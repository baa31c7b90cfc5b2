//! Context of the engine: the store, the registry and the other parts that each of its files needs.

use std::sync::Arc;
use std::time::Duration;

use px_core::wait::Registration;
use px_core::{Clock, Ids, Scope};
use px_pool::Pool;
use px_sdk::{Provided, Registry, StandIn};
use px_store::cluster::Cluster;
use px_store::{BornClaimed, Bound, Claimer, Conflict, Draft, Round, RoundError, Store};
use serde_json::Value;

use crate::outcomes::Outcomes;
use crate::places::Places;

/// Maximum number of rounds that a commit is tried anew after a conflict before the engine leaves it to the
/// next poll.
pub(crate) const ROUNDS: Bound = Bound::waiting(100);

/// Maximum number of rounds for a commit whose caller waits for the answer, and can come back.
pub(crate) const ROUNDS_OF_CALLERS: Bound = Bound::refusing(100);

/// The parts that the engine works with.
#[derive(Clone)]
pub struct Parts {
    /// Store that holds the runs.
    pub store: Arc<dyn Store>,
    /// Brains and webhooks of this binary.
    pub registry: Arc<Registry>,
    /// Source of the time.
    pub clock: Arc<dyn Clock>,
    /// Source of ids.
    pub ids: Arc<Ids>,
    /// Scope whose runs it executes.
    pub scope: Scope,
    /// This process among all that serve the store.
    pub cluster: Arc<dyn Cluster>,
    /// Runs that this process executes, and the places for more.
    pub places: Arc<Places>,
    /// The threads that users' code runs on.
    pub pool: Pool,
    /// Tells which answers that were given by hand before there was a wait fit one.
    pub fits: FitsKey,
    /// Resources that steps share.
    pub resources: Provided,
    /// Answers for the effects of steps where a test does; they are made if absent.
    pub stand_in: Option<Arc<dyn StandIn>>,
}

/// Check of a response for what a step waits for: true if it fits.
pub type FitsKey = Arc<dyn Fn(&Registration, &Value) -> bool + Send + Sync>;

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl Parts {
    /// A draft as of now. Boxed, since it is moved about between the futures of a commit.
    pub(crate) fn draft(&self) -> Box<Draft<'_>> {
        Box::new(Draft::new(&*self.store, &*self.registry, &self.ids, self.scope, self.clock.now()))
    }

    /// The round that commits this draft. Runs that it makes ready are born claimed
    /// by this process, as far as it has places for them.
    pub(crate) fn round<T>(&self, draft: Box<Draft<'_>>, value: T) -> Round<BornClaimed<T>> {
        let claimer: Arc<dyn Claimer> = Arc::clone(&self.places) as _;
        draft.into_claiming_round(Some(&claimer), value)
    }

    /// Drafts and commits until a commit meets no conflict. Once it is durable, what
    /// it made ready and claimed begins, and the log is told which runs have ended.
    pub(crate) async fn transact<T, E, F>(
        &self,
        bound: Bound,
        mut round: impl FnMut(Option<Conflict>) -> F,
    ) -> Result<T, E>
    where
        F: Future<Output = Result<Round<BornClaimed<T>>, E>>,
        E: RoundError,
    {
        let round = |lost| {
            let drafted = round(lost);
            async move {
                Ok::<_, E>(match drafted.await? {
                    Round::Commit(batch, value) => {
                        let outcomes = Outcomes::of(&batch);
                        Round::Commit(batch, (value, outcomes))
                    }
                    Round::Done(value) => Round::Done((value, Outcomes::default())),
                    Round::Again => Round::Again,
                })
            }
        };
        // Boxed: it is large, and callers hold it beside what they do themselves.
        let (value, outcomes) = Box::pin(self.store.transact(bound, round)).await?;
        outcomes.tell();
        Ok(value.committed())
    }
}

/// The engine's bounds.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Maximum number of steps that run at once.
    pub max_concurrent_steps: usize,
    /// Interval at which the engine looks for work that no hint told of.
    pub poll: Duration,
    /// Time that a step runs before its start is committed on its own, so that watchers see it. A shorter
    /// step saves that commit.
    pub visible_after: Duration,
    /// Number of processes that may die in one execution of a step before its run is paused, so that a step
    /// that kills its process does not kill one after the other (docs/rules.md#36).
    pub max_deaths: u32,
    /// Bytes of JSON that a step's state, and each value that it hands over to be
    /// kept, may take. A state that takes more already may stay or shrink.
    pub max_state_bytes: usize,
    /// Bytes of JSON that a value which outlives runs may take.
    pub max_kv_value_bytes: usize,
    /// Values which outlive runs that a brain may have, in all scopes.
    pub max_kv_keys: u64,
    /// Time that a step of a cancelled run has for cleaning up before it is dropped.
    pub cancel_grace: Duration,
    /// Time that the migrations of a run's stored states have: they compute, and do nothing else. The run is
    /// paused then.
    pub migration_timeout: Duration,
}

impl Limits {
    /// Returns true if a run with so many deaths has to wait for a turn: one more would pause it.
    pub(crate) const fn is_suspect(&self, deaths: u32) -> bool {
        deaths > 1 && deaths < self.max_deaths && deaths + 1 >= self.max_deaths
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_concurrent_steps: 512,
            poll: Duration::from_secs(1),
            visible_after: Duration::from_millis(100),
            max_deaths: 3,
            max_state_bytes: 4 * 1024 * 1024,
            max_kv_value_bytes: 64 * 1024,
            max_kv_keys: 10_000,
            cancel_grace: Duration::from_secs(5),
            migration_timeout: Duration::from_secs(10),
        }
    }
}
