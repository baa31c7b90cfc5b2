//! The hook set of hooks: what a commit needs to know to tell them what happens,
//! without a read. It holds the hooks that are told of many runs; those of one
//! run are kept with the run.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use px_core::lifecycle::{Envelope, Kind};
use px_core::{CallbackId, HookId};
use serde::{Deserialize, Serialize};

use crate::epoch::Watched;
use crate::error::Error;
use crate::model::Versioned;
use px_core::hook::{Format, Hook};

/// Maximum number of hooks beside those of single runs.
pub const MAX_HOOKS: usize = 1_000;

/// Makes the body of a delivery. Called while a commit is drafted, so that
/// every attempt sends the same bytes; it neither waits nor fails.
pub trait Render: Send + Sync + 'static {
    /// The body of an event in a format.
    fn render(&self, format: Format, event: &Envelope) -> Bytes;
}

/// The hooks at one moment, and how their bodies are made.
pub struct HookSet {
    hooks: Vec<Arc<Versioned<Hook>>>,
    render: Arc<dyn Render>,
    epoch: u64,
}

impl std::fmt::Debug for HookSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HookSet").field("hooks", &self.hooks.len()).finish_non_exhaustive()
    }
}

impl HookSet {
    /// The hooks that a store read, none of them deleted, and how their bodies
    /// are made.
    #[must_use]
    pub fn new(hooks: Vec<Versioned<Hook>>, render: Arc<dyn Render>) -> Self {
        Self { hooks: hooks.into_iter().map(Arc::new).collect(), render, epoch: 0 }
    }

    /// The epoch of the hooks that it was read at: whoever tells, or tells nobody,
    /// from this hook set demands it.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The hooks that are not of one run.
    #[must_use]
    pub fn hooks(&self) -> &[Arc<Versioned<Hook>>] {
        &self.hooks
    }

    /// One of them.
    #[must_use]
    pub fn hook(&self, id: HookId) -> Option<&Arc<Versioned<Hook>>> {
        self.hooks.iter().find(|hook| hook.record.id == id)
    }

    /// Those that are to be told of this.
    pub fn told(&self, kind: Kind, brain: Option<&str>) -> impl Iterator<Item = &Hook> {
        self.hooks
            .iter()
            .map(|hook| &hook.record)
            .filter(move |hook| hook.listens() && hook.matches(kind, brain))
    }

    /// The body of an event.
    #[must_use]
    pub fn render(&self, format: Format, event: &Envelope) -> Bytes {
        self.render.render(format, event)
    }
}

/// The hook of one run, as the run's own row remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnHook {
    /// Its id.
    pub id: HookId,
    /// Its endpoint's lane.
    pub lane: u64,
    /// The format of bodies.
    pub format: Format,
    /// True if deliveries wait for each other.
    pub ordered: bool,
}

/// The progress of hooks in a run: it lies in the run's own row, so that
/// `seq` is gap-free by the run's own precondition, without a row or a read
/// more.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HookProgress {
    /// The run's own hook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<OwnHook>,
    /// The newest delivery to each hook, and its `seq`.
    pub last: BTreeMap<HookId, (u64, CallbackId)>,
}

/// The whole envelope as JSON, for stores that nobody sends from.
struct Plain;

impl Render for Plain {
    fn render(&self, _format: Format, event: &Envelope) -> Bytes {
        let body = serde_json::json!({
            "id": event.id, "type": event.kind, "seq": event.seq, "timestamp": event.at.to_string(),
            "isFinal": event.is_final, "run": event.run, "data": event.data,
        });
        Bytes::from(body.to_string())
    }
}

/// Keeps the newest [`HookSet`] of a store, which reads it anew when hooks have changed.
pub struct HookCache {
    render: RwLock<Arc<dyn Render>>,
    hook_set: Watched<HookSet>,
}

impl std::fmt::Debug for HookCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HookCache").finish_non_exhaustive()
    }
}

impl Default for HookCache {
    fn default() -> Self {
        Self { render: RwLock::new(Arc::new(Plain)), hook_set: Watched::default() }
    }
}

impl HookCache {
    /// Sets how bodies are made from here on.
    pub fn render_with(&self, render: Arc<dyn Render>) {
        *self.render.write().unwrap_or_else(PoisonError::into_inner) = render;
        self.hook_set.forget();
    }

    /// The hook set as of an epoch of the hooks, which is taken before `read` is
    /// called, so that a change in between is read again: the one that the store
    /// keeps, or the count of changes in this process
    /// ([`HintBus::hook_changes`](crate::HintBus::hook_changes)).
    ///
    /// # Errors
    /// They have changed and could not be read.
    pub fn hook_set(
        &self,
        epoch: u64,
        read: impl FnOnce() -> Result<Vec<Versioned<Hook>>, Error>,
    ) -> Result<Arc<HookSet>, Error> {
        self.hook_set.at(epoch, || {
            let render = Arc::clone(&self.render.read().unwrap_or_else(PoisonError::into_inner));
            Ok(HookSet { epoch, ..HookSet::new(read()?, render) })
        })
    }
}
