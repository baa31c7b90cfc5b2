//! The surroundings of the inbound stage: store, clock, ids and the threads of
//! users' code. Every part of the stage works over this context and nothing
//! else, and every commit of the stage is made here.

use std::sync::Arc;

use px_core::run::Catalog;
use px_core::{Clock, Ids, Scope, Timestamp};
use px_pool::Pool;
use px_sdk::Provided;
use px_store::cluster::{Cluster, Member};
use px_store::{Admission, Batch, Bound, Claimer, Conflict, Draft, Outcome, Round, RoundError, Store};

use crate::links::LinkKeys;
use crate::verify::UrlView;

/// The least bound of a response: whatever the bound of a request's body is, a
/// handler may make as much of it.
pub const LEAST_RESPONSE_BYTES: usize = 4 * 1024 * 1024;

/// Number of events that one request may bring if nothing else is configured.
pub const USUAL_BATCH_EVENTS: usize = 2_000;

/// The surroundings of an inbound stage.
#[derive(Clone)]
pub struct InboundContext {
    /// Durable storage of everything that is accepted.
    pub store: Arc<dyn Store>,
    /// The brains that a handler may start.
    pub catalog: Arc<dyn Catalog>,
    /// The time of every decision.
    pub clock: Arc<dyn Clock>,
    /// The source of ids and versions.
    pub ids: Arc<Ids>,
    /// The scope that every row belongs to.
    pub scope: Scope,
    /// The threads that handlers and users' own verifiers run on.
    pub pool: Pool,
    /// The proxies and URLs by which senders know this server.
    pub urls: UrlView,
    /// The engine of this process, which gets the runs that a delivery makes ready
    /// as far as it has places for them.
    pub claimer: Option<Arc<dyn Claimer>>,
    /// Bytes of JSON that a response, or the input of a run, may take that a
    /// handler makes of a request: at least [`LEAST_RESPONSE_BYTES`].
    pub max_response_bytes: usize,
    /// Maximum number of events that one request may bring: all of them are in one
    /// commit.
    pub max_batch_events: usize,
    /// The processes that serve the store with this one.
    pub cluster: Arc<dyn Cluster>,
    /// Resources that handlers share with steps.
    pub resources: Provided,
    /// Keys of signed links.
    pub links: LinkKeys,
}

impl std::fmt::Debug for InboundContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InboundContext").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl InboundContext {
    /// Returns an empty draft as of `now`. Boxed, since it is moved about between the futures of a request.
    pub(crate) fn draft(&self, now: Timestamp) -> Box<Draft<'_>> {
        Box::new(Draft::new(&*self.store, &*self.catalog, &self.ids, self.scope, now))
    }

    /// Commits a draft. A full queue is an error: every sender can come back.
    pub(crate) async fn commit(&self, mut draft: Box<Draft<'_>>) -> Result<Outcome, px_store::Error> {
        let born_claimed = draft.claim_ready(self.claimer.as_ref());
        let outcome = self.commit_batch(draft.into_batch()).await?;
        if matches!(outcome, Outcome::Committed { .. }) {
            born_claimed.committed();
        }
        Ok(outcome)
    }

    /// Returns true if another member of the cluster has what this one lacks: it is
    /// of another build.
    pub(crate) async fn is_elsewhere(&self, has: impl Fn(&Member) -> bool) -> Result<bool, px_store::Error> {
        if !self.cluster.is_shared() {
            return Ok(false);
        }
        let me = self.cluster.me();
        Ok(self.cluster.members().await?.iter().any(|member| member.id != me && has(member)))
    }

    /// Drafts and commits until a commit meets no conflict, in at most so many
    /// rounds. A full queue is an error, as for [`Self::commit`].
    pub(crate) async fn transact<T, E, F>(
        &self,
        rounds: u32,
        round: impl FnMut(Option<Conflict>) -> F,
    ) -> Result<T, E>
    where
        F: Future<Output = Result<Round<T>, E>>,
        E: RoundError,
    {
        self.store.transact(Bound::refusing(rounds), round).await
    }

    /// Commits a batch that no draft made.
    pub(crate) async fn commit_batch(&self, batch: Batch) -> Result<Outcome, px_store::Error> {
        self.store.commit(batch, Admission::Refuse).await
    }
}
