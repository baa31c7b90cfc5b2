//! The engine's side of a step.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use px_core::{KvId, RunId};
use serde_json::Value;

use crate::error::Result;
use crate::file::FileRead;
use crate::kv::KvRead;

/// Answer of the engine to a request of a step that runs.
pub type PortFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The engine's side of a step: where what it does is committed.
pub trait StepPort: Send + Sync {
    /// Commits a side effect, of the step or of one of its items. Resolves
    /// when it is durable.
    fn record_once(&self, item: Option<u32>, name: String, value: Value) -> PortFuture<'_, Result<()>>;

    /// Starts a run and remembers its id under this name, in one commit.
    fn start_run(
        &self,
        item: Option<u32>,
        name: String,
        brain: String,
        input: Value,
    ) -> PortFuture<'_, Result<RunId>>;

    /// Reads a value that outlives runs, as it was last committed.
    fn read_kv(&self, id: KvId) -> PortFuture<'_, Result<KvRead>>;

    /// Reads a piece of a file that came with a delivery; no bytes behind its last one.
    fn read_file(&self, read: FileRead) -> PortFuture<'_, Result<Bytes>>;

    /// Commits a report of progress.
    fn emit(&self, name: String, data: Value, durable: bool) -> PortFuture<'_, Result<()>>;

    /// Returns whether the run was cancelled, or taken over by another process.
    fn is_cancelled(&self) -> bool;

    /// Resolves when that happens.
    fn cancelled(&self) -> PortFuture<'_, ()>;
}
