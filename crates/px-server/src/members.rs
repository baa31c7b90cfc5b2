//! This server among the processes that serve its store: what it says of itself,
//! what it asks of the others, its end when they have ended it, and what one of
//! them does for all.

use std::sync::Arc;
use std::time::Duration;

use px_engine::Engine;
use px_outbound::operate::{self, Spec};
use px_sdk::Registry;
use px_store::cluster::{Cluster, ConfigDigest, Duty, Member, Slot};
use tokio::sync::watch;

use crate::app::{App, Shared};
use crate::error::ApiError;
use crate::options::Options;

/// Polls of the engine between two looks at what belongs to no run.
const LOOK_AFTER_POLLS: u32 = 60;

/// Returns what a process says of itself to its cluster when it joins: the brains and
/// webhooks of its binary, and the hooks of its configuration.
#[must_use]
pub fn member(id: u64, registry: &Registry, hooks: &[Spec]) -> Member {
    Member {
        id,
        brains: registry.brains().map(|brain| brain.def.title.clone()).collect(),
        slugs: registry.webhooks().map(|webhook| webhook.def.slug.clone()).collect(),
        hooks: operate::digest(hooks),
    }
}

/// Returns the digests of the hooks that the other members are configured with.
pub(crate) async fn others(cluster: &dyn Cluster) -> Result<Vec<ConfigDigest>, px_store::Error> {
    let (me, members) = (cluster.me(), cluster.members().await?);
    Ok(members.into_iter().filter(|member| member.id != me).map(|member| member.hooks).collect())
}

/// Takes no further request once the others have ended this member: what it would
/// answer is theirs to do. Its engine has stopped then, and its sender has no lane.
pub(crate) fn stop_when_fenced(engine: &Engine, closing: &watch::Sender<bool>) {
    let (fenced, closing) = (engine.fenced(), closing.clone());
    let mut closed = closing.subscribe();
    tokio::spawn(async move {
        tokio::select! {
            () = fenced => drop(closing.send_replace(true)),
            _ = closed.wait_for(|closed| *closed) => {}
        }
    });
}

/// Looks now and then after what belongs to no run, if several processes may serve
/// the store, as long as this one has the duty: the last process of a configuration
/// may have ended, and nobody starts that would delete its hooks.
pub(crate) fn look_after(app: &Shared, options: &Options, mut closing: watch::Receiver<bool>) {
    if !options.cluster.is_shared() {
        return;
    }
    let (app, specs) = (Arc::clone(app), options.hooks.hooks.clone());
    let pause: Duration = options.limits.poll.saturating_mul(LOOK_AFTER_POLLS);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = closing.wait_for(|closing| *closing) => return,
            }
            match app.delete_unnamed_hooks(&specs).await {
                Ok(0) => {}
                Ok(deleted) => tracing::info!(deleted, "hooks that no configuration names are deleted"),
                Err(error) => {
                    tracing::warn!(?error, "the hooks could not be looked after; it is tried again")
                }
            }
        }
    });
}

impl App {
    /// Returns true if this process does this for all members of the cluster.
    pub(crate) fn is_on_duty(&self, duty: Duty) -> bool {
        self.parts.cluster.slot(Slot::Duty(duty)).is_some()
    }

    async fn delete_unnamed_hooks(&self, specs: &[Spec]) -> Result<usize, ApiError> {
        if !self.is_on_duty(Duty::Upkeep) {
            return Ok(0);
        }
        let others = others(&*self.parts.cluster).await?;
        Ok(operate::delete_unnamed(&self.operator, specs, &others).await?)
    }
}
